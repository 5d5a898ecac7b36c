//! The last lines that were kept, as evidence.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::units::Timestamp;
use crate::window::{KeyDelta, KeyHash, KeyId, Lines, MAX_LINES, Sample};

/// Lines of requests that went well, in the least.
const GOOD: usize = 8192;

/// Lines of requests that did not, in the least.
const BAD: usize = 4096;

/// Bytes of text that each of the two may hold on to, but for the newest tally's.
const MAX_BYTES: usize = 16 << 20;

/// The lines that one tally brought, each with the hash of its key; nothing of them is copied.
struct Block {
    text: Arc<Lines>,
    lines: Vec<(u64, Sample)>,
}

/// The lines of the last tallies; the oldest make room.
struct Ring {
    blocks: VecDeque<Block>,
    len: usize,
    bytes: usize,
    max: usize,
}

impl Ring {
    fn new(max: usize) -> Self {
        Self { blocks: VecDeque::new(), len: 0, bytes: 0, max }
    }

    fn put(&mut self, block: Block) {
        if block.lines.is_empty() {
            return;
        }
        self.len += block.lines.len();
        self.bytes += block.text.bytes();
        self.blocks.push_back(block);
        while let Some(oldest) = self.blocks.front().filter(|_| self.blocks.len() > 1) {
            let (lines, bytes) = (oldest.lines.len(), oldest.text.bytes());
            if self.len - lines < self.max && self.bytes <= MAX_BYTES {
                break;
            }
            (self.len, self.bytes) = (self.len - lines, self.bytes - bytes);
            self.blocks.pop_front();
        }
    }

    fn of(&self, key: u64) -> impl Iterator<Item = (Timestamp, &Lines, &Sample)> {
        self.blocks.iter().flat_map(move |b| {
            b.lines.iter().filter(move |(of, _)| *of == key).map(|(_, sample)| (sample.time, &*b.text, sample))
        })
    }
}

/// The last lines of all keys. Not stored: after a restart evidence is gathered anew.
pub(super) struct Recent {
    good: Ring,
    bad: Ring,
    hash: KeyHash,
}

impl Default for Recent {
    fn default() -> Self {
        Self { good: Ring::new(GOOD), bad: Ring::new(BAD), hash: KeyHash::default() }
    }
}

impl Recent {
    /// Remembers the lines of a tally.
    pub(super) fn add(&mut self, keys: &HashMap<KeyId, KeyDelta, KeyHash>, text: &Arc<Lines>) {
        let (mut good, mut bad) = (Vec::with_capacity(keys.len()), Vec::new());
        for (id, delta) in keys {
            let hash = self.hash.hash_one(id);
            good.extend(delta.good.iter().map(|s| (hash, *s)));
            bad.extend(delta.bad.iter().map(|s| (hash, *s)));
        }
        self.good.put(Block { text: Arc::clone(text), lines: good });
        self.bad.put(Block { text: Arc::clone(text), lines: bad });
    }

    /// Up to five of a key's last lines, oldest first; those that failed before all others when `bad`.
    pub(super) fn lines(&self, key: &KeyId, bad: bool) -> Vec<String> {
        let key = self.hash.hash_one(key);
        let mut all: Vec<_> =
            self.good.of(key).map(|l| (false, l)).chain(self.bad.of(key).map(|l| (true, l))).collect();
        all.sort_by_key(|(failed, (time, ..))| (*failed && bad, *time));
        let last = all.split_off(all.len().saturating_sub(MAX_LINES));
        let mut last: Vec<_> = last.into_iter().map(|(_, (time, text, sample))| (time, text.text(sample))).collect();
        last.sort_unstable();
        last.into_iter().map(|(_, text)| text.into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SourceId, Text};

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let id = |n: usize| KeyId::named("K", Text::plain(n.to_string().as_bytes()));
        let mut recent = Recent::default();
        let line = "x".repeat(500);
        for n in 0..40_000usize {
            let at = Timestamp::from_secs(n as i64);
            let (mut delta, mut lines) = (KeyDelta::new(SourceId(0), at), Lines::default());
            let samples = if n % 100 == 7 { &mut delta.bad } else { &mut delta.good };
            samples.offer(n as u64, at, format!("{n} {line}").as_bytes(), &mut lines);
            recent.add(&HashMap::from_iter([(id(n % 10), delta)]), &Arc::new(lines));
        }
        let lines = recent.lines(&id(9), false);
        assert_eq!((lines.len(), &lines[4][..6]), (5, "39999 "));
        let failed = recent.lines(&id(7), true);
        assert!(failed.iter().all(|l| l.split(' ').next().unwrap().ends_with("07")), "{failed:?}");
        assert_eq!((recent.good.len, recent.bad.len), (GOOD, 400));
        let held: usize = recent.good.blocks.iter().map(|b| b.text.bytes()).sum();
        assert!(held == recent.good.bytes && held <= MAX_BYTES);
    }
}
