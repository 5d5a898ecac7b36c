//! Pseudonyms: how a credential is known without being known.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip128::SipHasher13;
use zeroize::Zeroizing;

/// Lower-case Crockford base 32: no `i`, `l`, `o`, `u`.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The pseudonym of a value: one epoch character and 13 base-32 characters (65 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; 14]);

impl Tag {
    /// Reads a tag as it stands in a label; `None` unless it is 14 characters of lower-case Crockford base 32.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 14] = text.try_into().ok()?;
        bytes.iter().all(|b| CROCKFORD.contains(b)).then_some(Self(bytes))
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The installation's pseudonym secret and the character that names its epoch. Never printed; wiped when dropped.
#[derive(Clone)]
pub struct PseudonymKey {
    epoch: u8,
    mac: Hmac<Sha256>,
    secret: Zeroizing<Vec<u8>>,
    /// The key of the epoch before, while what it named may still be looked for.
    before: Option<Box<PseudonymKey>>,
}

impl PseudonymKey {
    /// A key from its secret bytes; `epoch` counts rotations and is written as one base-32 character (mod 32).
    pub fn new(epoch: u8, secret: &[u8]) -> Self {
        let mac = match Hmac::<Sha256>::new_from_slice(secret) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of every length"),
        };
        Self { epoch: CROCKFORD[usize::from(epoch) % 32], mac, secret: Zeroizing::new(secret.to_vec()), before: None }
    }

    /// The same key in its time of grace: who was known under a pseudonym of `before` is told of under both, so that
    /// their history goes on.
    pub fn after(self, before: Self) -> Self {
        Self { before: Some(Box::new(before)), ..self }
    }

    /// A random key that lives as long as the process.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut secret[..])?;
        Ok(Self::new(0, &secret[..]))
    }

    /// The secret bytes, for the one file that keeps them.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Seeds for the keyed hashes of caches, drawn from the secret.
    pub(super) fn seed(&self) -> (u64, u64) {
        let mut mac = self.mac.clone();
        mac.update(b"logwarden cache seed");
        let d = mac.finalize().into_bytes();
        let word = |at: usize| (at..at + 8).fold(0u64, |w, i| w << 8 | u64::from(d[i]));
        (word(0), word(8))
    }

    /// The pseudonym of `value`: epoch character, then the first 65 bits of HMAC-SHA-256(secret, value), most
    /// significant first, in lower-case Crockford base 32.
    pub fn tag(&self, value: &[u8]) -> Tag {
        let mut mac = self.mac.clone();
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        let mut out = [self.epoch; 14];
        for (i, slot) in out[1..].iter_mut().enumerate() {
            let bit = i * 5;
            let pair = u16::from(digest[bit / 8]) << 8 | u16::from(digest[bit / 8 + 1]);
            *slot = CROCKFORD[usize::from(pair >> (11 - bit % 8) & 31)];
        }
        Tag(out)
    }
}

/// Slots of the tag cache.
const SLOTS: usize = 1024;

/// Tags of values, worked out once for each value that keeps coming back.
pub(super) struct Tags {
    key: PseudonymKey,
    slots: Vec<Option<(u128, Tag)>>,
    seed: (u64, u64),
    /// Tags of the epoch before with those of this one, of values met since this was emptied.
    pub(super) renamed: Vec<(Tag, Tag)>,
}

/// Most pairs that are kept between two chunks; what is over is told when the value is met again.
const RENAMED: usize = 4096;

impl Tags {
    pub(super) fn new(key: PseudonymKey, seed: (u64, u64)) -> Self {
        Self { key, slots: vec![None; SLOTS], seed, renamed: Vec::new() }
    }

    /// The tag of `value`.
    pub(super) fn of(&mut self, value: &[u8]) -> Tag {
        let hash = SipHasher13::new_with_keys(self.seed.1, self.seed.0).hash(value).as_u128();
        let slot = &mut self.slots[hash as usize % SLOTS];
        match slot {
            Some((h, tag)) if *h == hash => *tag,
            _ => {
                let tag = self.key.tag(value);
                if let Some(before) = self.key.before.as_ref().filter(|_| self.renamed.len() < RENAMED) {
                    self.renamed.push((before.tag(value), tag));
                }
                *slot = Some((hash, tag));
                tag
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_epoch_and_the_first_65_bits() {
        // RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?", digest 5bdcc146bf60754e6a04...
        let tag = PseudonymKey::new(1, b"Jefe").tag(b"what do ya want for nothing?");
        let bits: String =
            [0x5bu8, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a].iter().map(|b| format!("{b:08b}")).collect();
        let want: String = std::iter::once('1')
            .chain((0..13).map(|i| CROCKFORD[usize::from_str_radix(&bits[i * 5..i * 5 + 5], 2).unwrap()] as char))
            .collect();
        assert_eq!(tag.as_str(), want);
        assert_eq!(Tag::parse(want.as_bytes()), Some(tag));
        assert_eq!(Tag::parse(b"1k7q2m9xw3ht6"), None);
        assert_eq!(Tag::parse(b"1k7q2m9xw3ht6L"), None);
    }
}
