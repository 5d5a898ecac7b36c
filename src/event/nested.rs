//! JSON in a string of JSON, as containers and shippers wrap lines: `{"log":"{\\"status\\":200}\\n"}`.
//!
//! The inner object is decoded behind a copy of the line, so that every place in both is one number, and is read as if
//! it were the line: its schema is recognised, and of fields that both have the inner one counts. One layer is undone.

use super::text::Text;
use crate::redact::{Finding, RedactedLine};

/// The line and, behind it, the decoded object.
#[derive(Default)]
pub(super) struct Nested {
    pub text: Vec<u8>,
    /// Where the object starts; 0 when there is none.
    pub from: usize,
}

/// Longest object that is decoded, in bytes.
const MAX: usize = 256 << 10;

impl Nested {
    /// Decodes the string at `range`; gives the redactions inside of it at their new places.
    pub(super) fn decode<'l>(
        &mut self,
        line: &RedactedLine<'l>,
        range: std::ops::Range<usize>,
    ) -> Vec<(usize, usize, &'l Finding)> {
        let raw = line.bytes();
        self.text.clear();
        self.text.extend_from_slice(raw);
        self.from = self.text.len();
        let mut found = Vec::new();
        let mut inside = line.findings().filter(|(start, ..)| range.contains(start)).peekable();
        let mut at = range.start;
        let end = range.end.min(range.start + MAX);
        while at < end {
            if let Some((start, stop, finding)) = inside.next_if(|(start, ..)| *start <= at) {
                // A label holds no escape: it stands as it is.
                let stop = stop.min(end);
                let from = self.text.len();
                self.text.extend_from_slice(&raw[start.max(at)..stop]);
                found.push((from, self.text.len(), finding));
                at = stop.max(at);
                continue;
            }
            let next = inside.peek().map_or(end, |(start, ..)| *start).clamp(at, end);
            let piece = match memchr::memchr(b'\\', &raw[at..next]) {
                Some(0) => escape_len(&raw[at..next]),
                Some(n) => n,
                None => next - at,
            };
            let piece = piece.max(1);
            self.text.extend(Text::json(&raw[at..at + piece], true).bytes());
            at += piece;
        }
        found
    }

    pub(super) fn clear(&mut self) {
        self.from = 0;
    }
}

/// Length of the escape that `text` begins with, a pair of surrogates taken as one.
fn escape_len(text: &[u8]) -> usize {
    let len = |t: &[u8]| if t.get(1) == Some(&b'u') { 6 } else { 2 };
    let first = len(text).min(text.len());
    let high = text
        .get(2..4)
        .is_some_and(|hex| matches!(hex[0], b'd' | b'D') && matches!(hex[1], b'8' | b'9' | b'a' | b'A' | b'b' | b'B'));
    let pair = first == 6 && high && text[first..].starts_with(b"\\u");
    if pair { (first + 6).min(text.len()) } else { first }
}
