//! Names that many keys share (endpoints, models, origins), each kept once and known by a hash.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::id::KeyHash;

/// Longest name kept, in bytes.
const MAX_LEN: usize = 120;

/// A name's hash: SipHash-1-3 with a fixed key, because it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub u64);

impl Word {
    /// The word of a name.
    pub fn of(text: &[u8]) -> Self {
        let mut hash = SipHasher13::new_with_keys(0x6c6f_6777_6172_6465, 0x6e2d_776f_7264_732e);
        hash.write(text);
        Self(hash.finish())
    }
}

/// Words of texts that were seen lately, so that what leads to a word is not done again: each has one place, which the
/// next one with that place takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lately {
    hash: KeyHash,
    places: Vec<(u64, Word)>,
}

impl Lately {
    /// Number of places.
    const PLACES: usize = 64;

    /// The word of what is behind `parts`; unequal parts share one by chance only.
    pub(super) fn word<P: Hash>(&mut self, parts: P, make: impl FnOnce() -> Word) -> Word {
        let hash = self.hash.hash_one(parts);
        if self.places.is_empty() {
            self.places = vec![(0, Word(0)); Self::PLACES];
        }
        let place = &mut self.places[hash as usize % Self::PLACES];
        if place.0 != hash {
            *place = (hash, make());
        }
        place.1
    }
}

/// Takes a number that is a hash already for what it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// A map from hashes.
pub(super) type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<AsIs>>;

/// The names behind words; of more than the bound the later ones are not kept.
#[derive(Clone, Debug)]
pub struct Words {
    texts: ByHash<Word, Box<str>>,
    max: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl Words {
    /// A table for at most `max` names.
    pub fn new(max: usize) -> Self {
        Self { texts: ByHash::default(), max }
    }

    /// Keeps a name; gives whether it is new.
    pub fn keep(&mut self, word: Word, text: &[u8]) -> bool {
        if self.texts.contains_key(&word) || self.texts.len() >= self.max {
            return false;
        }
        let cut = String::from_utf8_lossy(&text[..text.len().min(MAX_LEN)]);
        let clean = cut.chars().map(|c| if c.is_control() { '_' } else { c }).collect::<String>();
        self.texts.insert(word, clean.into());
        true
    }

    /// Keeps a name and gives its word.
    pub fn keep_of(&mut self, text: &[u8]) -> Word {
        let word = Word::of(text);
        self.keep(word, text);
        word
    }

    /// The name, when it was kept.
    pub fn get(&self, word: Word) -> Option<&str> {
        self.texts.get(&word).map(|t| &**t)
    }

    /// Takes over the names of `other`.
    pub(super) fn merge(&mut self, other: Self) {
        for (word, text) in other.texts {
            if self.texts.len() < self.max {
                self.texts.entry(word).or_insert(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_cut_and_bounded() {
        let mut words = Words::new(2);
        let long = [b'x'; 500];
        assert!(words.keep(Word::of(b"a\n"), b"a\n") && words.keep(Word::of(&long), &long));
        assert!(!words.keep(Word::of(b"a\n"), b"a\n") && !words.keep(Word::of(b"c"), b"c"));
        assert_eq!((words.get(Word::of(b"a\n")), words.get(Word::of(b"c"))), (Some("a_"), None));
        assert_eq!(words.get(Word::of(&long)).unwrap().len(), MAX_LEN);
    }
}
