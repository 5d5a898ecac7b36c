//! What stands on the far side of the wall.

use super::tag::Tag;

/// The position of a rule in the compiled set; [`super::Redactor::rule`] gives its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u16);

/// One redaction: which rule, where it stands in the output, and the pseudonym when the rule gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that won.
    pub rule: RuleId,
    /// Which line of the chunk, from 0.
    pub line: u32,
    /// First byte of the replacement in the chunk's output.
    pub start: u32,
    /// Byte behind the replacement in the chunk's output.
    pub end: u32,
    /// First byte of what was replaced in the chunk's input.
    pub raw_start: u32,
    /// Byte behind what was replaced in the chunk's input.
    pub raw_end: u32,
    /// The replacement with the quotes that a bare JSON value gains, in the chunk's output.
    pub(super) written: (u32, u32),
    /// The replacement is a label in the middle of which nothing can be found, whatever stands around it: one that shows
    /// no part of what it stands for.
    pub(super) plain: bool,
    /// Levels of encoding (JSON escapes, percent, base64, ...) that were undone to see it.
    pub depth: u8,
    /// Pseudonym of the decoded value.
    pub tag: Option<Tag>,
}

/// A chunk of redacted lines. Only the redactor makes one; buffers are reused from chunk to chunk.
#[derive(Default)]
pub struct Redacted {
    pub(super) bytes: Vec<u8>,
    /// Number of lines; one comes out for each that went in.
    pub(super) lines: usize,
    pub(super) findings: Vec<Finding>,
    pub(super) withheld: Vec<(u32, &'static str)>,
    pub(super) renamed: Vec<(Tag, Tag)>,
}

impl Redacted {
    /// Fills this with one withheld line for each of `lines`, of which only the line ending is kept.
    ///
    /// For lines that never reach the redactor, or on which it failed. `reason` needs no JSON escaping.
    pub fn withhold<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>, reason: &'static str) {
        self.clear();
        for line in lines {
            self.withhold_line(self.lines as u32, line, reason);
            self.lines += 1;
        }
    }

    /// Where the output byte at `at` comes from in the chunk; `end` says that `at` is the end of a span. Places inside a
    /// replacement give the start or the end of what was replaced.
    pub(super) fn origin(&self, at: u32, end: bool) -> u32 {
        let n = self.findings.partition_point(|f| f.written.0 < at || (!end && f.written.0 == at && f.written.1 > at));
        let Some(f) = n.checked_sub(1).and_then(|n| self.findings.get(n)) else {
            return at;
        };
        if at >= f.written.1 {
            f.raw_end + (at - f.written.1)
        } else if end {
            f.raw_end
        } else {
            f.raw_start
        }
    }

    /// Replaces the lines in which these places stand by a note that they were withheld.
    pub(super) fn replace_lines(&mut self, places: &mut [u32], reason: &'static str) {
        places.sort_unstable();
        let old = std::mem::take(&mut self.bytes);
        let found = std::mem::take(&mut self.findings);
        let mut at = 0u32;
        for (n, line) in crate::line::lines(&old).enumerate() {
            let n = n as u32;
            let end = at + line.len() as u32;
            let moved = self.bytes.len() as u32;
            let next = places.partition_point(|p| *p < at);
            if places.get(next).is_some_and(|p| *p < end) {
                self.withhold_line(n, line, reason);
            } else {
                self.bytes.extend_from_slice(line);
                let shift = |x: u32| x - at + moved;
                self.findings.extend(found.iter().filter(|f| f.line == n).map(|f| Finding {
                    start: shift(f.start),
                    end: shift(f.end),
                    written: (shift(f.written.0), shift(f.written.1)),
                    ..*f
                }));
            }
            at = end;
        }
    }

    fn withhold_line(&mut self, n: u32, line: &[u8], reason: &'static str) {
        let ending = if line.ends_with(b"\r\n") {
            "\r\n"
        } else if line.ends_with(b"\n") {
            "\n"
        } else {
            ""
        };
        for part in [r#"{"logwarden":"withheld","reason":""#, reason, r#""}"#, ending] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.withheld.push((n, reason));
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lines = 0;
        self.findings.clear();
        self.withheld.clear();
        self.renamed.clear();
    }

    /// After a rotation of the pseudonym key: tags of the epoch before with those of this one, of values that were met.
    pub fn renamed(&self) -> &[(Tag, Tag)] {
        &self.renamed
    }

    /// The redacted bytes, ready to be written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of lines.
    pub fn line_count(&self) -> usize {
        debug_assert_eq!(self.lines, crate::line::lines(&self.bytes).count());
        self.lines
    }

    /// All redactions, in order of place.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Lines that were withheld, as (line, reason).
    pub fn withheld(&self) -> &[(u32, &'static str)] {
        &self.withheld
    }

    /// The lines with their redactions.
    pub fn lines(&self) -> impl Iterator<Item = RedactedLine<'_>> {
        let mut start = 0u32;
        let mut next = 0usize;
        crate::line::lines(&self.bytes).map(move |bytes| {
            let base = start;
            start += bytes.len() as u32;
            let from = next;
            next += self.findings[from..].iter().take_while(|f| f.start < start).count();
            RedactedLine { bytes, base, findings: &self.findings[from..next] }
        })
    }
}

/// One redacted line, newline included when it had one.
#[derive(Clone, Copy)]
pub struct RedactedLine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) base: u32,
    pub(super) findings: &'a [Finding],
}

impl<'a> RedactedLine<'a> {
    /// The line's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The redactions of this line as (start, end) within [`Self::bytes`], with their findings.
    pub fn findings(&self) -> impl Iterator<Item = (usize, usize, &'a Finding)> + use<'a> {
        let base = self.base;
        self.findings.iter().map(move |f| ((f.start - base) as usize, (f.end - base) as usize, f))
    }
}
