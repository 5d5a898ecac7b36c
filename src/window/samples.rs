//! Redacted lines kept as evidence: a few of many, chosen evenly and in any order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::few::Few;
use crate::units::Timestamp;

/// Lines kept per key, class and tally.
pub const MAX_LINES: usize = 5;

/// Longest line kept, in bytes.
const MAX_LINE: usize = 512;

/// Room for this many bytes is made with the first line.
const FIRST_BYTES: usize = 4 << 10;

/// By how much there is more room each time: few large steps, since each moves all that is there.
const GROWTH: usize = 4;

/// Bytes of lines kept per tally; what comes later is not kept.
const MAX_BYTES: usize = 16 << 20;

/// The text of kept lines, one behind the other; made into words only when somebody wants to see them.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The text of a line that is kept here.
    pub fn text(&self, sample: &Sample) -> Cow<'_, str> {
        String::from_utf8_lossy(self.get(sample))
    }

    fn put(&mut self, line: [&[u8]; 2]) -> Option<Range<u32>> {
        if self.0.len() + line[0].len() > MAX_BYTES {
            return None;
        }
        let needed = self.0.len() + line[0].len() + line[1].len();
        if needed > self.0.capacity() {
            self.0.reserve_exact((GROWTH * self.0.len()).max(FIRST_BYTES).max(needed) - self.0.len());
        }
        let start = self.0.len() as u32;
        line.iter().for_each(|piece| self.0.extend_from_slice(piece));
        Some(start..self.0.len() as u32)
    }

    fn get(&self, sample: &Sample) -> &[u8] {
        self.0.get(sample.start as usize..sample.end as usize).unwrap_or_default()
    }
}

/// One line that is kept in some [`Lines`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Decides which lines are kept of many: those with the smallest.
    lot: u64,
    /// When it happened.
    pub time: Timestamp,
    start: u32,
    end: u32,
}

/// Up to five lines.
#[derive(Clone, Debug, Default)]
pub struct Samples(Few<Sample>);

impl Samples {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a line if its lot falls.
    pub fn offer(&mut self, lot: u64, time: Timestamp, line: &[u8], lines: &mut Lines) {
        if self.0.len() == MAX_LINES && self.0.as_slice()[MAX_LINES - 1].lot < lot {
            return;
        }
        let line = line.trim_ascii_end();
        if line.len() <= MAX_LINE {
            return self.put(lot, time, [line, b""], lines);
        }
        // The cut must not go through a character.
        let inside = |at: &usize| line[*at] & 0xc0 == 0x80;
        let end = (MAX_LINE - 3..=MAX_LINE).rev().find(|at| !inside(at)).unwrap_or(MAX_LINE);
        self.put(lot, time, [&line[..end], "…".as_bytes()], lines);
    }

    fn put(&mut self, lot: u64, time: Timestamp, text: [&[u8]; 2], lines: &mut Lines) {
        let same = |s: &Sample| lines.get(s).iter().cmp(text[0].iter().chain(text[1]));
        let order = |s: &Sample| (s.lot, s.time).cmp(&(lot, time)).then_with(|| same(s));
        let kept = self.0.as_slice();
        let at = kept.partition_point(|s| order(s) == Ordering::Less);
        if at == MAX_LINES || kept.get(at).is_some_and(|s| order(s) == Ordering::Equal) {
            return;
        }
        let Some(Range { start, end }) = lines.put(text) else { return };
        self.0.insert(at, Sample { lot, time, start, end });
        self.0.truncate(MAX_LINES);
    }

    /// Takes over the other's lines as far as their lot falls.
    pub fn merge(&mut self, other: &Self, theirs: &Lines, lines: &mut Lines) {
        for s in other.iter() {
            self.put(s.lot, s.time, [theirs.get(s), b""], lines);
        }
    }

    /// The lines, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// The lines, oldest first.
    pub fn in_order(&self, lines: &Lines) -> Vec<String> {
        let mut all: Vec<_> = self.iter().map(|s| (s.time, lines.text(s))).collect();
        all.sort();
        all.into_iter().map(|(_, text)| text.into_owned()).collect()
    }
}
