//! One pass over a line: notes every field that may have a role, and where the redactions stand.

use std::iter::Peekable;

use super::paths::{NONE, Spot};
use super::role::Role;
use super::text::Text;
use super::walk::{Kind, Leaf, Visit};
use crate::redact::{Finding, RuleId, Tag};

/// A value that was noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub start: u32,
    pub end: u32,
    /// Its place; [`NONE`] for a piece of plain text.
    pub at: u32,
    pub kind: Kind,
    pub escaped: bool,
}

impl Cap {
    pub(super) fn text<'a>(&self, line: &'a [u8]) -> Text<'a> {
        Text::json(&line[self.start as usize..self.end as usize], self.escaped)
    }

    /// The same for a piece of it.
    pub(super) fn piece(&self, start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32, ..*self }
    }
}

/// Where in a line a redaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a field that holds a caller's credential.
    Credential,
    /// In some header.
    Header,
    /// In a URL or its query.
    Url,
    /// Anywhere else.
    Other,
}

/// A redaction and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub start: u32,
    pub end: u32,
    pub rule: RuleId,
    pub tag: Option<Tag>,
    pub place: Place,
    pub at: u32,
}

/// What is noted of one line; buffers are reused.
#[derive(Default)]
pub(super) struct Notes {
    /// The values that may have a role, in order of place, and the first value whatever it is.
    pub fields: Vec<Cap>,
    /// A number made of their places, the same for all lines that have the same fields in the same order.
    pub shape: u64,
    /// Values that were found by the form of the text rather than by a name; of several for a role the first counts.
    pub forms: Vec<(Role, Cap)>,
    /// Redactions.
    pub found: Vec<Found>,
    /// The first string that holds a JSON object, and where.
    pub inner: Option<(u32, u32)>,
}

impl Notes {
    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.shape = 0;
        self.forms.clear();
        self.found.clear();
        self.inner = None;
    }

    /// The rule and pseudonym of the first redaction inside of a value that has one.
    pub(super) fn tagged(&self, cap: &Cap) -> Option<(RuleId, Tag)> {
        let inside = |f: &&Found| f.at == cap.at && f.start < cap.end && f.end > cap.start;
        self.found.iter().filter(inside).find_map(|f| Some((f.rule, f.tag?)))
    }

    /// Marks the redactions inside this range as standing in a URL.
    pub(super) fn in_url(&mut self, range: &std::ops::Range<usize>) {
        for found in &mut self.found {
            if range.contains(&(found.start as usize)) {
                found.place = Place::Url;
            }
        }
    }

    /// Notes a value that was found by the form of the text.
    pub(super) fn by_form(&mut self, role: Role, range: &std::ops::Range<usize>) {
        if !range.is_empty() {
            let (start, end) = (range.start as u32, range.end as u32);
            self.forms.push((role, Cap { start, end, at: NONE, kind: Kind::Str, escaped: false }));
        }
    }

    #[inline(always)]
    fn push(&mut self, cap: Cap) {
        // Multiplying spreads upwards, so what is high comes down before the next.
        self.shape = (self.shape.rotate_left(29) ^ u64::from(cap.at)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.fields.push(cap);
    }
}

/// The visitor.
pub(super) struct Scan<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> {
    pub notes: &'s mut Notes,
    line: &'s [u8],
    findings: Peekable<F>,
    /// Where the next redaction starts.
    next_start: usize,
}

impl<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> Visit for Scan<'s, F> {
    #[inline]
    fn wants(&self, end: usize, escaped: bool) -> bool {
        escaped || self.next_start < end
    }

    /// Takes what a value holds besides itself: redactions, an object.
    #[cold]
    fn look(&mut self, leaf: &Leaf, spot: &Spot) {
        let holds = || self.line[leaf.start..leaf.end].starts_with(b"{\\\"");
        if leaf.escaped && leaf.kind == Kind::Str && self.notes.inner.is_none() && holds() {
            self.notes.inner = Some((leaf.start as u32, leaf.end as u32));
        }
        while let Some((start, end, f)) = self.findings.next_if(|(start, ..)| *start < leaf.end) {
            let (place, at) = if end > leaf.start { (spot.place, leaf.at) } else { (Place::Other, NONE) };
            self.redacted(start, end, f, place, at);
        }
        self.next_start = self.findings.peek().map_or(usize::MAX, |(start, ..)| *start);
    }

    #[inline(always)]
    fn note(&mut self, leaf: &Leaf) {
        let (start, end) = (leaf.start as u32, leaf.end as u32);
        self.notes.push(Cap { start, end, at: leaf.at, kind: leaf.kind, escaped: leaf.escaped });
    }
}

impl<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> Scan<'s, F> {
    pub(super) fn new(notes: &'s mut Notes, line: &'s [u8], findings: F) -> Self {
        let mut findings = findings.peekable();
        let next_start = findings.peek().map_or(usize::MAX, |(start, ..)| *start);
        Self { notes, line, findings, next_start }
    }

    /// The redactions behind the last leaf, and all of a line without fields.
    pub(super) fn finish(&mut self) {
        while let Some((start, end, f)) = self.findings.next() {
            self.redacted(start, end, f, Place::Other, NONE);
        }
    }

    fn redacted(&mut self, start: usize, end: usize, f: &Finding, place: Place, at: u32) {
        let (start, end) = (start as u32, end as u32);
        self.notes.found.push(Found { start, end, rule: f.rule, tag: f.tag, place, at });
    }
}
