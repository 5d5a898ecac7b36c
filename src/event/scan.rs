//! One pass over a line: notes every field that may have a role, and where the redactions stand.

use std::iter::Peekable;

use super::paths::NONE;
use super::role::{Role, Unit};
use super::schema::Test;
use super::tables::{Alias, Choice, Tables};
use super::text::Text;
use super::value;
use super::walk::{Kind, Leaf, Visit};
use crate::redact::{Finding, RuleId, Tag};

/// A value that was noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub start: u32,
    pub end: u32,
    pub kind: Kind,
    pub escaped: bool,
    /// Its place; [`NONE`] for a piece of plain text.
    pub at: u32,
    /// The redaction with a pseudonym that it holds.
    pub tagged: Option<(RuleId, Tag)>,
}

impl Cap {
    pub(super) fn text<'a>(&self, line: &'a [u8]) -> Text<'a> {
        Text::json(&line[self.start as usize..self.end as usize], self.escaped)
    }
}

/// The best field for a role by name.
#[derive(Clone, Copy)]
pub(super) struct Best {
    pub cap: Cap,
    pub score: u32,
    pub unit: Option<Unit>,
    /// Whether the name itself says the unit.
    pub sure: bool,
    pub space: u16,
    pub masked: bool,
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
    pub rule: RuleId,
    pub tag: Option<Tag>,
    pub place: Place,
    pub at: u32,
}

/// What is noted of one line; buffers are reused.
pub(super) struct Notes {
    generation: u32,
    slots: Vec<(u32, Cap)>,
    masks: Vec<(u32, u32)>,
    /// Pointers of packs and the configuration that the line has.
    seen: Vec<u16>,
    /// The place of the first value.
    first: u32,
    pub best: [Option<Best>; Role::COUNT],
    /// Roles that have a best field, one bit each.
    pub named: u32,
    pub found: Vec<Found>,
    /// The first string that holds a JSON object, and where.
    pub inner: Option<(u32, u32)>,
}

impl Notes {
    pub(super) fn new(tables: &Tables) -> Self {
        let none = Cap { start: 0, end: 0, kind: Kind::Word, escaped: false, at: NONE, tagged: None };
        Self {
            generation: 0,
            slots: vec![(0, none); tables.exacts.len()],
            masks: vec![(0, 0); tables.schemas.len()],
            seen: Vec::new(),
            first: NONE,
            best: [None; Role::COUNT],
            named: 0,
            found: Vec::new(),
            inner: None,
        }
    }

    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.slots.iter_mut().for_each(|s| s.0 = 0);
            self.masks.iter_mut().for_each(|m| m.0 = 0);
            self.generation = 1;
        }
        while self.named != 0 {
            self.best[self.named.trailing_zeros() as usize] = None;
            self.named &= self.named - 1;
        }
        self.seen.clear();
        self.found.clear();
        self.first = NONE;
        self.inner = None;
    }

    /// The first of these pointers that the line has.
    pub(super) fn at(&self, choice: &Choice) -> Option<Cap> {
        self.slot(choice.exact)
    }

    pub(super) fn slot(&self, exact: u16) -> Option<Cap> {
        let (generation, cap) = self.slots.get(usize::from(exact))?;
        (*generation == self.generation).then_some(*cap)
    }

    /// Fills `all` with the schemas, in order, that the line has all pointers of, whatever their values are.
    pub(super) fn candidates(&mut self, tables: &Tables, all: &mut Vec<u16>) {
        all.clear();
        for exact in &self.seen {
            for (schema, bit) in &tables.exacts[usize::from(*exact)].tests {
                let mask = &mut self.masks[usize::from(*schema)];
                if mask.0 != self.generation {
                    *mask = (self.generation, 0);
                }
                let before = mask.1;
                mask.1 |= bit;
                let whole = tables.schemas[usize::from(*schema)].all;
                if mask.1 == whole && before != whole {
                    all.push(*schema);
                }
            }
        }
        all.sort_unstable();
    }

    /// The first of these schemas of which all conditions hold.
    pub(super) fn schema(&self, tables: &Tables, candidates: &[u16], line: &[u8]) -> Option<usize> {
        let holds = |(exact, test): &(u16, Test)| {
            self.slot(*exact).is_some_and(|cap| test.holds(&cap, line, cap.at == self.first))
        };
        candidates.iter().map(|s| usize::from(*s)).find(|s| tables.schemas[*s].tests.iter().all(holds))
    }

    /// Marks the redactions inside this range as standing in a URL.
    pub(super) fn in_url(&mut self, range: &std::ops::Range<usize>) {
        for found in &mut self.found {
            if range.contains(&(found.start as usize)) {
                found.place = Place::Url;
            }
        }
    }

    /// Notes a value that was found by the form of the text rather than by a name.
    pub(super) fn by_form(&mut self, role: Role, start: usize, end: usize, escaped: bool) {
        if start < end && self.best[role as usize].is_none_or(|b| b.masked) {
            let cap = Cap { start: start as u32, end: end as u32, kind: Kind::Str, escaped, at: NONE, tagged: None };
            self.named |= 1 << role as u32;
            self.best[role as usize] = Some(Best { cap, score: 0, unit: None, sure: false, space: 0, masked: false });
        }
    }
}

/// The visitor.
pub(super) struct Scan<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> {
    pub tables: &'s Tables,
    pub notes: &'s mut Notes,
    line: &'s [u8],
    findings: Peekable<F>,
    /// Where the next redaction starts.
    next_start: usize,
    trusted_labels: bool,
    /// Roles that are not looked for by name, one bit each.
    skip: u32,
}

impl<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> Visit for Scan<'s, F> {
    fn wants(&self, end: usize, escaped: bool) -> bool {
        escaped || self.next_start < end
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) {
        if self.notes.first == NONE {
            self.notes.first = leaf.at;
        }
        let hit = self.next_start < leaf.end;
        if leaf.escaped
            && leaf.kind == Kind::Str
            && self.notes.inner.is_none()
            && self.line[leaf.start..leaf.end].starts_with(b"{\\\"")
        {
            self.notes.inner = Some((leaf.start as u32, leaf.end as u32));
        }
        if !leaf.spot.is_known() && !hit {
            return;
        }
        let tagged = if hit { self.place(leaf) } else { None };
        let (start, end) = (leaf.start as u32, leaf.end as u32);
        let cap = Cap { start, end, kind: leaf.kind, escaped: leaf.escaped, at: leaf.at, tagged };
        if let Some(exact) = leaf.spot.exact {
            self.notes.slots[usize::from(exact)] = (self.notes.generation, cap);
            self.notes.seen.push(exact);
        }
        if leaf.spot.roles & !self.skip != 0
            && let Some(names) = leaf.spot.names
        {
            for alias in self.tables.roles_of(names) {
                if self.skip >> alias.role as u32 & 1 == 0 {
                    self.offer(alias, leaf.spot.depth(), &cap);
                }
            }
        }
    }
}

impl<'s, F: Iterator<Item = (usize, usize, &'s Finding)>> Scan<'s, F> {
    pub(super) fn new(
        tables: &'s Tables,
        notes: &'s mut Notes,
        line: &'s [u8],
        findings: F,
        trusted_labels: bool,
        skip: u32,
    ) -> Self {
        let mut findings = findings.peekable();
        let next_start = findings.peek().map_or(usize::MAX, |(start, ..)| *start);
        Self { tables, notes, line, findings, next_start, trusted_labels, skip }
    }

    /// Notes the redactions up to the end of this leaf; returns the first in it that has a pseudonym.
    fn place(&mut self, leaf: &Leaf<'_>) -> Option<(RuleId, Tag)> {
        let mut tagged = None;
        while let Some((start, end, f)) = self.findings.next_if(|(start, ..)| *start < leaf.end) {
            let inside = end > leaf.start;
            let (place, at) = if inside { (leaf.spot.place, leaf.at) } else { (Place::Other, NONE) };
            if inside {
                tagged = tagged.or(f.tag.map(|t| (f.rule, t)));
            }
            self.notes.found.push(Found { start: start as u32, rule: f.rule, tag: f.tag, place, at });
        }
        self.next_start = self.findings.peek().map_or(usize::MAX, |(start, ..)| *start);
        tagged
    }

    /// The redactions behind the last leaf, and all of a line without fields.
    pub(super) fn finish(&mut self) {
        for (start, _, f) in self.findings.by_ref() {
            let place = Place::Other;
            self.notes.found.push(Found { start: start as u32, rule: f.rule, tag: f.tag, place, at: NONE });
        }
    }

    fn offer(&mut self, alias: &Alias, depth: usize, cap: &Cap) {
        let depth = depth.saturating_sub(usize::from(alias.depth)) as u32;
        let score = depth * 12 + u32::from(alias.rank);
        let best = self.notes.best[alias.role as usize];
        // Of doubled keys the last counts, as with most parsers; of different fields of the same worth the first.
        let doubled = |b: &Best| b.cap.at == cap.at;
        if best.is_some_and(|b| !b.masked && (b.score < score || (b.score == score && !doubled(&b)))) {
            return;
        }
        let fit = fits(alias.role, cap, self.line, self.tables, self.trusted_labels);
        let masked = match fit {
            Fit::No => return,
            Fit::Masked if best.is_some_and(|b| !b.masked || b.score <= score) => return,
            Fit::Masked => true,
            Fit::Yes => false,
        };
        let (unit, sure, space) = (alias.unit, alias.sure, alias.space);
        self.notes.named |= 1 << alias.role as u32;
        self.notes.best[alias.role as usize] = Some(Best { cap: *cap, score, unit, sure, space, masked });
    }
}

impl Test {
    fn holds(&self, cap: &Cap, line: &[u8], first: bool) -> bool {
        let text = cap.text(line);
        match self {
            Self::There => true,
            Self::First => first,
            Self::Number => cap.kind == Kind::Num,
            Self::Float => cap.kind == Kind::Num && text.raw().contains(&b'.'),
            Self::Str => cap.kind == Kind::Str,
            Self::Upper => cap.kind == Kind::Str && text.raw().iter().all(u8::is_ascii_uppercase),
            Self::Value(all) => {
                all.iter().any(|(v, prefix)| if *prefix { text.raw().starts_with(v) } else { text.is(v) })
            }
        }
    }
}

/// Whether a value can have a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Yes.
    Yes,
    /// The field has the role, but this line's value says "nothing" or "hidden".
    Masked,
    /// No.
    No,
}

/// Checks a value against what its role must look like.
pub(super) fn fits(role: Role, cap: &Cap, line: &[u8], tables: &Tables, trusted_labels: bool) -> Fit {
    let text = cap.text(line);
    let mut buf = [0; 96];
    let small = text.small(&mut buf);
    let is = |ok: bool| if ok { Fit::Yes } else { Fit::No };
    let masked = |t: &[u8]| value::masked(t) || tables.masked.iter().any(|m| t == &**m);
    let or_masked = |ok: bool| match small {
        _ if ok => Fit::Yes,
        Some(t) if cap.kind != Kind::Num && (t == b"null" || masked(t)) => Fit::Masked,
        _ => Fit::No,
    };
    let Some(t) = small else {
        // Too long for an escaped value of most roles.
        return is(matches!(role, Role::Path | Role::Message | Role::RequestLine | Role::UserAgent | Role::Origin)
            && cap.kind == Kind::Str);
    };
    match role {
        Role::Key if cap.tagged.is_some() || (trusted_labels && label(t).is_some()) => Fit::Yes,
        Role::Key if cap.kind == Kind::Str => Fit::Masked,
        Role::Key => Fit::No,
        Role::KeyId | Role::User | Role::Tenant | Role::RequestId | Role::Model => match cap.kind {
            Kind::Word => {
                if t == b"null" {
                    Fit::Masked
                } else {
                    Fit::No
                }
            }
            _ => {
                if masked(t) {
                    Fit::Masked
                } else {
                    is(t.len() <= 256)
                }
            }
        },
        Role::Time => is(cap.kind != Kind::Word && super::time::parse(t, 2000).is_some()),
        Role::Ip => or_masked(cap.kind == Kind::Str && value::ip(t).is_some()),
        Role::ForwardedFor => or_masked(cap.kind == Kind::Str && forwarded(t).next().is_some()),
        Role::Method => is(cap.kind == Kind::Str && value::method(t)),
        Role::Path => is(cap.kind == Kind::Str && value::path(t)),
        Role::RequestLine => is(cap.kind == Kind::Str && value::request_line(t).is_some()),
        Role::Status => is(value::status(t).is_some()),
        Role::Latency => or_masked(cap.kind != Kind::Word && value::latency(t, Unit::Ms).is_some()),
        Role::Scheme | Role::Origin | Role::UserAgent => or_masked(cap.kind == Kind::Str && !t.is_empty() && t != b"-"),
        Role::Region | Role::Environment | Role::Service => or_masked(cap.kind == Kind::Str && value::word(t)),
        Role::BytesOut => is(value::number(t).is_some_and(|n| n >= 0.0)),
        Role::TokensIn | Role::TokensOut | Role::Cost => is(value::number(t).is_some()),
        Role::Auth => is(cap.kind == Kind::Str && value::auth(t).is_some()),
        Role::Message => {
            let at = cap.start as usize..cap.end as usize;
            is(cap.kind == Kind::Str && super::access::find(line, at).is_some())
        }
    }
}

/// The addresses of an `X-Forwarded-For`, nearest proxy first; others than addresses are passed over.
pub(super) fn forwarded(text: &[u8]) -> impl Iterator<Item = std::net::IpAddr> {
    text.rsplit(|b| *b == b',').filter_map(value::ip)
}

/// Type and pseudonym of the first label in `text` that carries one: `[OPENAI_API_KEY:1k7q2m9xw3ht6a]`.
pub(super) fn label(text: &[u8]) -> Option<(&[u8], Tag)> {
    let open = memchr::memchr(b'[', text)?;
    let inside = &text[open + 1..open + memchr::memchr(b']', &text[open..])?];
    let colon = memchr::memchr(b':', inside)?;
    let (kind, tag) = (&inside[..colon], Tag::parse(&inside[colon + 1..])?);
    let upper = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
    (kind.first().is_some_and(u8::is_ascii_uppercase) && kind.iter().all(upper)).then_some((kind, tag))
}
