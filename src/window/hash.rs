//! Hashes of keys for tables in memory.
//!
//! Whoever writes into a log can choose the names of keys, so hashes start from numbers that are drawn anew in each process
//! and seen by nobody. Eight bytes at a time are folded in by a multiplication, the upper half of the 128-bit product
//! XORed into the lower (Wang Yi's wyhash, 2019): a fifth of SipHash's cost for names of this length.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// Two numbers for this process.
static SEEDS: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let random = RandomState::new();
    // an even factor would lose a bit
    [random.hash_one(1u8), random.hash_one(2u8) | 1]
});

/// Makes the hashes of [`super::KeyId`]s.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash([u64; 2]);

impl Default for KeyHash {
    fn default() -> Self {
        Self(*SEEDS)
    }
}

impl BuildHasher for KeyHash {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.0[0], factor: self.0[1] }
    }
}

/// A hash that grows.
#[derive(Clone, Copy, Debug)]
pub struct Folded {
    state: u64,
    factor: u64,
}

impl Folded {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // the length keeps apart what differs by zeros at the end
        self.fold(u64::from_le_bytes(last));
        self.fold(bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_are_alike_spread_over_all_bits() {
        let hash = KeyHash::default();
        let all: Vec<u64> = (0..100_000).map(|n| hash.hash_one(format!("API_KEY_ID:key{n}").as_str())).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        // each bit is set in about half of them: 100,000 throws of a coin stay within 1 % but once in 10^9 times
        for bit in 0..64 {
            let set = all.iter().filter(|h| *h >> bit & 1 == 1).count();
            assert!((49_000..51_000).contains(&set), "bit {bit}: {set}");
        }
        // and as bins of a table: the fullest of 1024 holds about 98 + 4 sd
        for shift in [0, 20, 54] {
            let mut bins = [0u32; 1024];
            all.iter().for_each(|h| bins[(h >> shift & 1023) as usize] += 1);
            assert!(bins.iter().all(|n| (30..180).contains(n)), "{shift}: {:?}", bins.iter().max());
        }
    }

    #[test]
    fn lengths_and_zeros_are_told_apart() {
        let hash = KeyHash::default();
        let texts: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"12345678", b"12345678\0", b"1234567"];
        let all: HashSet<u64> = texts
            .iter()
            .map(|text| {
                let mut hasher = hash.build_hasher();
                hasher.write(text);
                hasher.finish()
            })
            .collect();
        assert_eq!(all.len(), texts.len());
    }
}
