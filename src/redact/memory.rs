//! Values that were redacted once are known when they come back bare.
//!
//! What a chunk teaches and what it asks is noted while it is scanned, in any order and on any thread; the notes are
//! gone through in the order of the chunks. A value is known from the line on in which it was redacted.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::bytes::{TOKEN, is};
use super::value::looks_secret;

/// Slots of the memory; a value that falls into a taken slot replaces the older one.
const SLOTS: usize = 8192;

/// Shortest and longest value that is remembered, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=256;

/// The secret of the hashes.
pub(super) type Seed = (u64, u64);

/// A bounded memory of keyed hashes; the values themselves are not kept.
#[derive(Default)]
pub(super) struct Memory {
    slots: Vec<u64>,
    /// A coarse filter on the ends of a value, so that most tokens cost one look.
    filter: Vec<u64>,
}

/// What a chunk teaches and asks.
#[derive(Default)]
pub(super) struct Notes {
    lessons: Vec<Lesson>,
    questions: Vec<Question>,
}

/// A value that was redacted on the line that starts at `line`.
struct Lesson {
    line: u32,
    coarse: u16,
    hash: u64,
}

/// A token that may have been redacted before.
#[derive(Clone, Copy)]
pub(super) struct Question {
    /// Its place in the chunk, as written.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Start of its line.
    line: u32,
    coarse: u16,
    /// Levels of encoding that were undone to see it.
    pub(super) depth: u8,
    /// It was written as a list of byte values.
    pub(super) numeric: bool,
    /// Its hash, when it is not written in the chunk as it is.
    hash: Option<u64>,
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.lessons.clear();
        self.questions.clear();
    }

    /// How many questions there are.
    pub(super) fn asked(&self) -> usize {
        self.questions.len()
    }

    /// The questions from the `first` on.
    pub(super) fn questions_from(&mut self, first: usize) -> &mut [Question] {
        &mut self.questions[first..]
    }

    /// Notes that `value` was redacted, when it is one random-looking token.
    pub(super) fn learn(&mut self, value: &[u8], line: usize, seed: Seed) {
        if LENGTH.contains(&value.len()) && value.iter().all(|b| is(*b, TOKEN)) && looks_secret(value) {
            self.lessons.push(Lesson { line: line as u32, coarse: coarse(value, seed), hash: hash(value, seed) });
        }
    }

    /// Notes the question whether `token`, which stands at `start`, was redacted before. A token of a decoded text
    /// (`depth` above 0) is hashed at once.
    #[inline]
    pub(super) fn ask(&mut self, token: &[u8], start: usize, line: usize, depth: u8, seed: Seed) {
        if LENGTH.contains(&token.len()) {
            self.questions.push(Question {
                start: start as u32,
                end: (start + token.len()) as u32,
                line: line as u32,
                coarse: coarse(token, seed),
                depth,
                numeric: false,
                hash: (depth > 0).then(|| hash(token, seed)),
            });
        }
    }
}

impl Memory {
    /// Goes through the notes of `chunk` line by line, first what a line teaches, then what it asks; `known` takes the
    /// questions that are answered with yes.
    pub(super) fn go_through(&mut self, notes: &Notes, chunk: &[u8], seed: Seed, mut known: impl FnMut(&Question)) {
        let mut lessons = notes.lessons.iter().peekable();
        if !self.filter.is_empty() || !notes.lessons.is_empty() {
            for q in &notes.questions {
                while let Some(lesson) = lessons.next_if(|lesson| lesson.line <= q.line) {
                    self.learn(lesson);
                }
                if self.may_know(q.coarse) {
                    let hash = q.hash.unwrap_or_else(|| hash(&chunk[q.start as usize..q.end as usize], seed));
                    if self.slots[hash as usize % SLOTS] == hash {
                        known(q);
                    }
                }
            }
        }
        lessons.for_each(|lesson| self.learn(lesson));
    }

    fn learn(&mut self, lesson: &Lesson) {
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
            self.filter = vec![0; 1024];
        }
        self.slots[lesson.hash as usize % SLOTS] = lesson.hash;
        self.filter[usize::from(lesson.coarse) / 64] |= 1 << (lesson.coarse % 64);
    }

    #[inline]
    fn may_know(&self, coarse: u16) -> bool {
        self.filter.get(usize::from(coarse) / 64).is_some_and(|bits| bits >> (coarse % 64) & 1 == 1)
    }
}

fn hash(value: &[u8], seed: Seed) -> u64 {
    let mut h = SipHasher13::new_with_keys(seed.0, seed.1);
    h.write(value);
    h.finish() | 1
}

/// A number made of the value's ends and length; callers keep `value` at 10 bytes or more.
#[inline(always)]
fn coarse(value: &[u8], seed: Seed) -> u16 {
    let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) else { return 0 };
    let ends = u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29);
    let mixed = ends ^ seed.0 ^ value.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = (3, 4);

    /// Which of `asked` (value, line) are known when `taught` (value, line) was redacted.
    fn known(memory: &mut Memory, taught: &[(&str, usize)], asked: &[(&str, usize)]) -> Vec<bool> {
        let mut notes = Notes::default();
        let mut chunk = Vec::new();
        taught.iter().for_each(|(value, line)| notes.learn(value.as_bytes(), *line, SEED));
        for (value, line) in asked {
            notes.ask(value.as_bytes(), chunk.len(), *line, 0, SEED);
            chunk.extend_from_slice(value.as_bytes());
        }
        let mut starts = Vec::new();
        memory.go_through(&notes, &chunk, SEED, |q| starts.push(q.start));
        let places = asked.iter().scan(0, |at, (value, _)| Some(std::mem::replace(at, *at + value.len() as u32)));
        places.map(|place| starts.contains(&place)).collect()
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
    fn a_value_is_known_from_its_line_on() {
        let taught = [("a1b2c3d4e5f6", 20)];
        let asked = [("a1b2c3d4e5f6", 10), ("a1b2c3d4e5f6", 20), ("a1b2c3d4e5f6", 30)];
        assert_eq!(known(&mut Memory::default(), &taught, &asked), [false, true, true]);
    }
}
