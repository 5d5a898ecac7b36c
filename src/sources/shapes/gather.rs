//! Lines on their way into batches.

use crate::sources::lines::READ_BYTES;

/// Why a line is withheld that is longer than its receiver takes.
pub const OVER_LIMIT: &str = "line over the limit of its receiver";

/// Some whole lines, or the place of one that is withheld.
#[derive(Default)]
pub struct Part {
    /// Whole lines; for a withheld line only its newline.
    pub bytes: Vec<u8>,
    /// Why the line is withheld, when it is.
    pub withheld: Option<&'static str>,
}

/// What was taken of a body.
#[derive(Default)]
pub struct Taken {
    /// The lines, in order.
    pub parts: Vec<Part>,
    /// How many lines were taken, withheld ones not counted.
    pub lines: u64,
    /// How many were too long.
    pub refused: u64,
    /// For the bulk door: what became of each item, as JSON.
    pub items: String,
    /// For the bulk door: whether any item failed.
    pub errors: bool,
}

impl Taken {
    /// Adds a line without its newline; one over `limit` bytes leaves a withheld one in its place. Line breaks inside,
    /// which can only stand between the tokens of JSON, become blanks.
    pub(super) fn line(&mut self, line: &[u8], limit: usize) {
        if line.len() > limit {
            self.refused += 1;
            self.parts.push(Part { bytes: b"\n".to_vec(), withheld: Some(OVER_LIMIT) });
            return;
        }
        self.lines += 1;
        let bytes = self.room(line.len() + 1);
        let start = bytes.len();
        bytes.extend_from_slice(line);
        bytes[start..].iter_mut().filter(|b| matches!(**b, b'\n' | b'\r')).for_each(|b| *b = b' ');
        bytes.push(b'\n');
    }

    /// Adds whole lines as they are, each ending with a newline and none over the limit.
    pub(super) fn whole(&mut self, lines: &[u8], count: u64) {
        self.lines += count;
        self.room(lines.len()).extend_from_slice(lines);
    }

    fn room(&mut self, more: usize) -> &mut Vec<u8> {
        let fits = |part: &Part| part.withheld.is_none() && part.bytes.len() + more <= READ_BYTES;
        if !self.parts.last().is_some_and(fits) {
            self.parts.push(Part { bytes: Vec::with_capacity(more), withheld: None });
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last].bytes
    }
}
