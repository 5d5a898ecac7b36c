//! Values that were redacted once are known when they come back bare.
//!
//! What a chunk teaches and what it asks is noted while it is scanned, in any order and on any thread; the notes are
//! gone through in the order of the chunks. A value is known from the line on in which it was redacted.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::bytes::{TOKEN, before, begins_json, byte, is, skip};
use super::index::List;
use super::judge::looks_secret;
use super::runs::Runs;
use super::scan::is_labelled;

/// Slots of the memory; a value that falls into a taken slot replaces the older one.
const SLOTS: usize = 8192;

/// Bits of the filter.
const FILTER: usize = 1 << 17;

/// With more bits set than this, the filter is made anew, of what the slots still hold: it keeps saying no to most tokens
/// however many values a stream has taught.
const FULL: usize = 2 * SLOTS;

/// Shortest and longest value that is remembered, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=256;

/// The secret of the hashes.
pub(super) type Seed = (u64, u64);

/// A bounded memory of keyed hashes; the values themselves are not kept.
#[derive(Default)]
pub(super) struct Memory {
    slots: Vec<u64>,
    /// A filter on the first bytes of a value, so that most tokens cost one look.
    filter: Vec<u64>,
    /// How many of its bits are set.
    set: usize,
}

/// What a chunk teaches and asks.
#[derive(Default)]
pub(super) struct Notes {
    /// Starts of the tokens of the chunk as it is written that may have been redacted before.
    tokens: List,
    lessons: Vec<Lesson>,
    /// About tokens of decoded texts, in the order of their lines.
    questions: Vec<Question>,
    /// What the questions ask for, one behind the other.
    asked: Vec<u8>,
}

/// A value that was redacted on the line that starts at `line`.
pub(super) struct Lesson {
    line: u32,
    /// Where it was found: its place in the chunk, or what stands for it there; nothing when that is not known.
    pub(super) place: (u32, u32),
    hash: u64,
}

/// A token that may have been redacted before.
pub(super) struct Question {
    /// Its place in the chunk, as written.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Start of its line.
    line: u32,
    /// Levels of encoding that were undone to see it.
    pub(super) depth: u8,
    /// It was written as a list of byte values.
    pub(super) numeric: bool,
    /// Where it stands in what is asked for.
    asked: (u32, u32),
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.lessons.clear();
        self.questions.clear();
        self.asked.clear();
    }

    /// How many lessons and questions there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.lessons.len(), self.questions.len())
    }

    /// The lessons and questions from these numbers on.
    pub(super) fn from(&mut self, (lesson, question): (usize, usize)) -> (&mut [Lesson], &mut [Question]) {
        (&mut self.lessons[lesson..], &mut self.questions[question..])
    }

    /// Notes that the token `value`, which was found at `place`, was redacted, when it looks random.
    pub(super) fn learn(&mut self, value: &[u8], place: (u32, u32), line: usize, seed: Seed) {
        if LENGTH.contains(&value.len()) && looks_secret(value) {
            self.lessons.push(Lesson { line: line as u32, place, hash: hash(value, seed) });
        }
    }

    /// Notes the question whether any of the tokens that start at `tokens` was redacted before, and keeps the list; it gets
    /// one to be filled anew.
    pub(super) fn ask_all(&mut self, tokens: &mut List) {
        std::mem::swap(&mut self.tokens, tokens);
    }

    /// Notes the question whether any of the tokens that start at `starts` of `text` was redacted before. The text was
    /// decoded from a part of the line that starts at `line`, and `depth` levels of encoding were undone.
    pub(super) fn ask(&mut self, text: &[u8], starts: &List, tokens: &Runs, line: usize, depth: u8) {
        let json = begins_json(text, 0);
        for &start in starts.as_slice() {
            let end = tokens.end_near(start as usize, *LENGTH.end());
            if is_asked(text, start as usize, end, json) {
                let from = self.asked.len() as u32;
                self.asked.extend_from_slice(&text[start as usize..end]);
                let asked = (from, self.asked.len() as u32);
                let (line, end) = (line as u32, end as u32);
                self.questions.push(Question { start, end, line, depth, numeric: false, asked });
            }
        }
    }
}

/// Whether the token at `start..end` of `text` can be one that was learnt.
#[inline]
fn is_asked(text: &[u8], start: usize, end: usize, json: bool) -> bool {
    LENGTH.contains(&(end - start)) && !(json && before(text, start) == b'\\') && !is_labelled(text, start)
}

impl Memory {
    /// Goes through the notes of `chunk` line by line, first what a line teaches, then what it asks; `known` takes the
    /// questions that are answered with yes.
    pub(super) fn go_through(&mut self, notes: &mut Notes, chunk: &[u8], seed: Seed, mut known: impl FnMut(&Question)) {
        let Notes { tokens, lessons, questions, asked } = notes;
        lessons.sort_unstable_by_key(|lesson| (lesson.line, lesson.place));
        let lessons = &lessons[..];
        if self.set > FULL {
            self.refresh();
        }
        lessons.iter().for_each(|lesson| self.expect(lesson.hash));
        if self.filter.is_empty() {
            return;
        }
        let Self { slots, filter, .. } = self;
        let expected = |value: &[u8]| {
            let coarse = coarse(value, seed);
            filter[coarse / 64] >> (coarse % 64) & 1 == 1
        };
        // What was learnt of a place has been found there.
        let found = |line: u32, start: u32| {
            let first = lessons.partition_point(|lesson| (lesson.line, lesson.place.0) < (line, start));
            lessons.get(first).filter(|lesson| lesson.place.0 == start).map(|lesson| lesson.place.1)
        };
        let mut lessons = lessons.iter().peekable();
        let mut was_seen = |line: u32, value: &[u8]| {
            while let Some(lesson) = lessons.next_if(|lesson| lesson.line <= line) {
                slots[slot(lesson.hash)] = lesson.hash;
            }
            let hash = hash(value, seed);
            slots[slot(hash)] == hash
        };
        let value = |q: &Question| &asked[q.asked.0 as usize..q.asked.1 as usize];
        let mut inner = questions.iter().filter(|q| expected(value(q))).peekable();
        let (mut line, mut done) = (0, 0);
        for start in tokens.as_slice().iter().map(|start| *start as usize).filter(|at| expected(&chunk[*at..])) {
            line = memchr::memrchr(b'\n', &chunk[done..start]).map_or(line, |n| done + n + 1);
            done = start;
            while let Some(q) = inner.next_if(|q| q.line as usize <= line) {
                if found(q.line, q.start) != Some(q.end) && was_seen(q.line, value(q)) {
                    known(q);
                }
            }
            if found(line as u32, start as u32).is_some_and(|end| !is(byte(chunk, end as usize), TOKEN)) {
                continue;
            }
            let end = skip(&chunk[..chunk.len().min(start + LENGTH.end() + 1)], start, |b| is(b, TOKEN));
            if is_asked(chunk, start, end, begins_json(chunk, line)) && was_seen(line as u32, &chunk[start..end]) {
                let (start, end) = (start as u32, end as u32);
                known(&Question { start, end, line: line as u32, depth: 0, numeric: false, asked: (0, 0) });
            }
        }
        inner.filter(|q| found(q.line, q.start) != Some(q.end) && was_seen(q.line, value(q))).for_each(&mut known);
        lessons.for_each(|lesson| slots[slot(lesson.hash)] = lesson.hash);
    }

    /// From now on, tokens that begin as the value with this hash are looked up.
    fn expect(&mut self, hash: u64) {
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
            self.filter = vec![0; FILTER / 64];
        }
        let coarse = hash as usize % FILTER;
        let (word, bit) = (&mut self.filter[coarse / 64], 1 << (coarse % 64));
        self.set += usize::from(*word & bit == 0);
        *word |= bit;
    }

    /// Expects what the slots hold and nothing else.
    fn refresh(&mut self) {
        self.filter.fill(0);
        self.set = 0;
        for slot in 0..self.slots.len() {
            if self.slots[slot] != 0 {
                self.expect(self.slots[slot]);
            }
        }
    }
}

/// What stands for a value: in the lowest bits its place in the filter, and never zero.
fn hash(value: &[u8], seed: Seed) -> u64 {
    let mut h = SipHasher13::new_with_keys(seed.0, seed.1);
    h.write(value);
    (h.finish() / FILTER as u64 * FILTER as u64 + coarse(value, seed) as u64) | 1 << 63
}

/// The slot of a value with this hash.
fn slot(hash: u64) -> usize {
    hash as usize / FILTER % SLOTS
}

/// A number below [`FILTER`] made of the first eight bytes.
#[inline(always)]
fn coarse(value: &[u8], seed: Seed) -> usize {
    let Some(first) = value.first_chunk() else { return 0 };
    let mixed = (u64::from_le_bytes(*first) ^ seed.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - FILTER.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = (3, 4);

    /// Which of `asked` (value, line) are known when `taught` (value, line) was redacted.
    fn known(memory: &mut Memory, taught: &[(&str, usize)], asked: &[(&str, usize)]) -> Vec<bool> {
        let mut notes = Notes::default();
        let mut chunk = Vec::new();
        taught.iter().for_each(|(value, line)| notes.learn(value.as_bytes(), (0, 0), *line, SEED));
        let mut places = Vec::new();
        for (value, line) in asked {
            // Each value stands at the start of its line.
            chunk.resize(chunk.len().max(line.saturating_sub(1)), b'.');
            chunk.resize(chunk.len().max(*line), b'\n');
            places.push(chunk.len() as u32);
            chunk.extend_from_slice(value.as_bytes());
            chunk.push(b' ');
        }
        notes.ask_all(&mut places.iter().copied().collect());
        let mut starts = Vec::new();
        memory.go_through(&mut notes, &chunk, SEED, |q| starts.push(q.start));
        places.iter().map(|place| starts.contains(place)).collect()
    }

    #[test]
    fn remembers_secrets_and_not_words() {
        let mut m = Memory::default();
        assert_eq!(known(&mut m, &[], &[("a1b2c3d4e5f6", 0)]), [false]);
        let taught = [("a1b2c3d4e5f6", 0), ("production-cluster", 0)];
        let asked = [("a1b2c3d4e5f6", 9), ("a1b2c3d4e5f7", 9), ("production-cluster", 9), ("short", 9)];
        assert_eq!(known(&mut m, &taught, &asked), [true, false, false, false]);
        assert_eq!(known(&mut m, &[], &[("a1b2c3d4e5f6", 0)]), [true], "in the next chunk too");
    }

    #[test]
    fn the_filter_keeps_saying_no_however_much_was_taught() {
        let mut m = Memory::default();
        let value = |n: u32| format!("{:08x}a1b2c3d4", n.wrapping_mul(2_654_435_761));
        let mut taught = 0;
        for chunk in 0..100 {
            let values: Vec<String> = (0..1000).map(|n| value(chunk * 1000 + n)).collect();
            let lessons: Vec<(&str, usize)> = values.iter().map(|v| (v.as_str(), 0)).collect();
            taught += lessons.len();
            // The last ones are in no slot that was taken since.
            assert_eq!(known(&mut m, &lessons, &[(values[999].as_str(), 1)]), [true]);
            let bits: u32 = m.filter.iter().map(|w| w.count_ones()).sum();
            assert_eq!(bits as usize, m.set, "after {taught}");
            assert!(m.set <= FULL + lessons.len(), "{} after {taught}", m.set);
            // What the slots hold is expected, and nothing that they hold was forgotten.
            for hash in m.slots.iter().filter(|hash| **hash != 0) {
                let coarse = *hash as usize % FILTER;
                assert_eq!(m.filter[coarse / 64] >> (coarse % 64) & 1, 1, "after {taught}");
            }
        }
        assert!(m.slots.iter().filter(|hash| **hash != 0).count() > SLOTS * 9 / 10, "{taught} fill the slots");
    }

    #[test]
    fn a_value_is_known_from_its_line_on() {
        let taught = [("a1b2c3d4e5f6", 20)];
        let asked = [("a1b2c3d4e5f6", 0), ("a1b2c3d4e5f6", 20), ("a1b2c3d4e5f6", 40)];
        assert_eq!(known(&mut Memory::default(), &taught, &asked), [false, true, true]);
    }
}
