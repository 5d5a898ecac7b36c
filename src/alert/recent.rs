//! The last lines that were kept, as evidence.

use crate::units::Timestamp;
use crate::window::{KeyDelta, KeyId, Lines, MAX_LINES, Samples};

/// Lines of requests that went well.
const GOOD: usize = 8192;

/// Lines of requests that did not.
const BAD: usize = 4096;

/// A line and whose it is.
struct Line {
    key: KeyId,
    time: Timestamp,
    text: String,
}

/// The last so many lines of all keys; the oldest make room.
struct Ring {
    lines: Vec<Line>,
    next: usize,
    max: usize,
}

impl Ring {
    fn new(max: usize) -> Self {
        Self { lines: Vec::new(), next: 0, max }
    }

    fn put(&mut self, key: &KeyId, samples: &Samples, lines: &Lines) {
        for (time, text) in samples.iter(lines) {
            if self.lines.len() < self.max {
                self.lines.push(Line { key: *key, time, text: text.to_owned() });
                continue;
            }
            let slot = &mut self.lines[self.next];
            (slot.key, slot.time) = (*key, time);
            slot.text.clear();
            slot.text.push_str(text);
            self.next = (self.next + 1) % self.max;
        }
    }

    fn of<'r>(&'r self, key: &'r KeyId) -> impl Iterator<Item = (Timestamp, &'r str)> {
        self.lines.iter().filter(move |l| l.key == *key).map(|l| (l.time, l.text.as_str()))
    }
}

/// The last lines of all keys. Not stored: after a restart evidence is gathered anew.
pub(super) struct Recent {
    good: Ring,
    bad: Ring,
}

impl Default for Recent {
    fn default() -> Self {
        Self { good: Ring::new(GOOD), bad: Ring::new(BAD) }
    }
}

impl Recent {
    /// Remembers the lines of a tally.
    pub(super) fn add(&mut self, key: &KeyId, delta: &KeyDelta, lines: &Lines) {
        self.good.put(key, &delta.good, lines);
        self.bad.put(key, &delta.bad, lines);
    }

    /// Up to five of a key's last lines, oldest first; those that failed before all others when `bad`.
    pub(super) fn lines(&self, key: &KeyId, bad: bool) -> Vec<String> {
        let mut all: Vec<_> =
            self.good.of(key).map(|l| (false, l)).chain(self.bad.of(key).map(|l| (true, l))).collect();
        all.sort_by_key(|(failed, line)| (*failed && bad, *line));
        let mut last: Vec<_> = all.split_off(all.len().saturating_sub(MAX_LINES)).into_iter().map(|(_, l)| l).collect();
        last.sort_unstable();
        last.into_iter().map(|(_, text)| text.to_owned()).collect()
    }
}
