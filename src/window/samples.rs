//! Redacted lines kept as evidence: a few of many, chosen evenly and in any order.

use std::cmp::Ordering;
use std::ops::Range;

use crate::units::Timestamp;

/// Lines kept per key, class and tally.
pub const MAX_LINES: usize = 5;

/// Longest line kept, in bytes.
const MAX_LINE: usize = 512;

/// Bytes of lines kept per tally; what comes later is not kept.
const MAX_BYTES: usize = 16 << 20;

/// The text of kept lines, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Lines(String);

impl Lines {
    fn put(&mut self, line: [&str; 2]) -> Option<Range<u32>> {
        if self.0.len() + line[0].len() > MAX_BYTES {
            return None;
        }
        let start = self.0.len() as u32;
        line.iter().for_each(|piece| self.0.push_str(piece));
        Some(start..self.0.len() as u32)
    }

    fn get(&self, sample: &Sample) -> &str {
        self.0.get(sample.start as usize..sample.end as usize).unwrap_or("")
    }
}

/// One kept line.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Decides which lines are kept of many: those with the smallest.
    lot: u64,
    time: Timestamp,
    start: u32,
    end: u32,
}

/// Up to five lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples {
    kept: [Sample; MAX_LINES],
    len: u8,
}

impl Samples {
    fn kept(&self) -> &[Sample] {
        &self.kept[..usize::from(self.len)]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps a line if its lot falls.
    pub fn offer(&mut self, lot: u64, time: Timestamp, line: &[u8], lines: &mut Lines) {
        if usize::from(self.len) == MAX_LINES && self.kept[MAX_LINES - 1].lot < lot {
            return;
        }
        let line = line.trim_ascii_end();
        let cut = &line[..line.len().min(MAX_LINE)];
        let more = if cut.len() < line.len() { "…" } else { "" };
        match std::str::from_utf8(cut) {
            Ok(text) => self.put(lot, time, [text, more], lines),
            // A character that the cut went through.
            Err(e) if e.error_len().is_none() => {
                let text = std::str::from_utf8(&cut[..e.valid_up_to()]).unwrap_or("");
                self.put(lot, time, [text, more], lines);
            }
            Err(_) => self.put(lot, time, [&String::from_utf8_lossy(cut), more], lines),
        }
    }

    fn put(&mut self, lot: u64, time: Timestamp, text: [&str; 2], lines: &mut Lines) {
        let same = |s: &Sample| lines.get(s).as_bytes().iter().cmp(text[0].as_bytes().iter().chain(text[1].as_bytes()));
        let order = |s: &Sample| (s.lot, s.time).cmp(&(lot, time)).then_with(|| same(s));
        let at = self.kept().partition_point(|s| order(s) == Ordering::Less);
        if at == MAX_LINES || self.kept().get(at).is_some_and(|s| order(s) == Ordering::Equal) {
            return;
        }
        let Some(Range { start, end }) = lines.put(text) else { return };
        self.kept[at..].rotate_right(1);
        self.kept[at] = Sample { lot, time, start, end };
        self.len = (self.len + 1).min(MAX_LINES as u8);
    }

    /// Takes over the other's lines as far as their lot falls.
    pub fn merge(&mut self, other: &Self, theirs: &Lines, lines: &mut Lines) {
        for s in other.kept() {
            self.put(s.lot, s.time, [theirs.get(s), ""], lines);
        }
    }

    /// The lines with their times, in no order.
    pub fn iter<'l>(&self, lines: &'l Lines) -> impl Iterator<Item = (Timestamp, &'l str)> {
        self.kept().iter().map(|s| (s.time, lines.get(s)))
    }

    /// The lines with their times, oldest first.
    pub fn in_order<'l>(&self, lines: &'l Lines) -> Vec<(Timestamp, &'l str)> {
        let mut all: Vec<_> = self.iter(lines).collect();
        all.sort();
        all
    }
}
