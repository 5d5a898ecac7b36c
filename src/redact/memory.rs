//! Values that were redacted once are known when they come back bare.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::bytes::{TOKEN, is};
use super::value::looks_secret;

/// Slots of the memory; a value that falls into a taken slot replaces the older one.
const SLOTS: usize = 8192;

/// Shortest and longest value that is remembered, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=256;

/// A bounded memory of keyed hashes; the values themselves are not kept.
pub(super) struct Memory {
    slots: Vec<u64>,
    /// A coarse filter on the ends of a value, so that most tokens cost one look.
    filter: Vec<u64>,
    seed: (u64, u64),
    used: bool,
}

impl Memory {
    pub(super) fn new(seed: (u64, u64)) -> Self {
        Self { slots: Vec::new(), filter: Vec::new(), seed, used: false }
    }

    /// Remembers `value` when it is one random-looking token.
    pub(super) fn learn(&mut self, value: &[u8]) {
        if !LENGTH.contains(&value.len()) || !value.iter().all(|b| is(*b, TOKEN)) || !looks_secret(value) {
            return;
        }
        if !self.used {
            self.slots = vec![0; SLOTS];
            self.filter = vec![0; 1024];
            self.used = true;
        }
        let hash = self.hash(value);
        self.slots[hash as usize % SLOTS] = hash;
        let bit = self.coarse(value);
        self.filter[bit / 64] |= 1 << (bit % 64);
    }

    /// Whether `token` was learned and not forgotten since.
    #[inline]
    pub(super) fn knows(&self, token: &[u8]) -> bool {
        if !self.used || !LENGTH.contains(&token.len()) {
            return false;
        }
        let bit = self.coarse(token);
        if self.filter[bit / 64] >> (bit % 64) & 1 == 0 {
            return false;
        }
        let hash = self.hash(token);
        self.slots[hash as usize % SLOTS] == hash
    }

    fn hash(&self, value: &[u8]) -> u64 {
        let mut h = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        h.write(value);
        h.finish() | 1
    }

    /// A number below 65,536 made of the value's ends and length; callers keep `value` at 10 bytes or more.
    #[inline(always)]
    fn coarse(&self, value: &[u8]) -> usize {
        let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) else { return 0 };
        let ends = u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29);
        let mixed = ends ^ self.seed.0 ^ value.len() as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_secrets_and_not_words() {
        let mut m = Memory::new((3, 4));
        assert!(!m.knows(b"a1b2c3d4e5f6"));
        m.learn(b"a1b2c3d4e5f6");
        m.learn(b"production-cluster");
        assert!(m.knows(b"a1b2c3d4e5f6"));
        assert!(!m.knows(b"a1b2c3d4e5f7"));
        assert!(!m.knows(b"production-cluster"));
        assert!(!m.knows(b"short"));
    }
}
