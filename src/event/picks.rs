//! The field of each role in the line at hand, and what its value says.

use std::net::IpAddr;

use super::access::{self, Access};
use super::paths::NONE;
use super::plan::{Step, Why};
use super::role::{Role, Unit};
use super::scan::{Cap, Notes};
use super::tables::Tables;
use super::time::{self, Parsed};
use super::value;
use super::walk::Kind;
use crate::redact::Tag;
use crate::units::Timestamp;

/// The field of a role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub cap: Cap,
    pub unit: Unit,
    pub space: u16,
    pub why: Why,
}

impl Pick {
    const NONE: Self = Self {
        cap: Cap { start: 0, end: 0, at: NONE, kind: Kind::Word, escaped: false },
        unit: Unit::Ms,
        space: 0,
        why: Why::Form,
    };
}

/// Values of picked fields that are more than text. Each counts only while its role has a field.
#[derive(Default)]
pub(super) struct Values {
    pub time: Option<Parsed>,
    pub ip: Option<IpAddr>,
    pub status: Option<u16>,
    pub latency_us: Option<u64>,
    pub tokens_in: Option<f64>,
    pub tokens_out: Option<f64>,
    pub cost: Option<f64>,
    pub bytes_out: Option<f64>,
    /// The access line that a message holds.
    pub access: Option<Access>,
}

/// What the values of a line are checked with.
pub(super) struct Check<'c> {
    pub tables: &'c Tables,
    pub notes: &'c Notes,
    /// The text that the places belong to.
    pub text: &'c [u8],
    pub trusted_labels: bool,
    pub arrived: Timestamp,
}

/// The field of each role.
pub(super) struct Picks {
    picks: [Pick; Role::COUNT],
    /// Roles that have a field, one bit each, and those of which it says "nothing" or "hidden".
    picked: u32,
    masked: u32,
    pub values: Values,
}

/// Whether a value can have a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Yes.
    Yes,
    /// The field has the role, but this line's value says "nothing" or "hidden".
    Masked,
    /// No.
    No,
}

impl Picks {
    pub(super) fn new() -> Self {
        Self { picks: [Pick::NONE; Role::COUNT], picked: 0, masked: 0, values: Values::default() }
    }

    /// Fills each role with the first field whose value fits, or else with the first that says "nothing" or "hidden".
    pub(super) fn choose(&mut self, steps: &[Step], check: &Check<'_>) {
        (self.picked, self.masked, self.values) = (0, 0, Values::default());
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            let Some(cap) = check.notes.fields.get(step.field as usize) else { break };
            let fit = self.values.take(step, cap, check);
            at += 1;
            let bit = 1 << step.role as u32;
            if fit == Fit::No || (fit == Fit::Masked && self.masked & bit != 0) {
                continue;
            }
            let Step { unit, space, why, .. } = *step;
            self.picks[step.role as usize] = Pick { cap: *cap, unit, space, why };
            self.picked |= bit;
            if fit == Fit::Yes {
                self.masked &= !bit;
                at = step.next as usize;
            } else {
                self.masked |= bit;
            }
        }
    }

    /// The field of a role, also one that says that there is nothing.
    pub(super) fn any(&self, role: Role) -> Option<&Pick> {
        (self.picked >> role as u32 & 1 == 1).then(|| &self.picks[role as usize])
    }

    /// The field of a role.
    pub(super) fn get(&self, role: Role) -> Option<&Pick> {
        ((self.picked & !self.masked) >> role as u32 & 1 == 1).then(|| &self.picks[role as usize])
    }

    /// Whether the field of a role says that there is nothing.
    pub(super) fn is_masked(&self, role: Role) -> bool {
        self.masked >> role as u32 & 1 == 1
    }

    /// Fills a role that has no field, or none that says something, with a value found by its form.
    pub(super) fn fill(&mut self, role: Role, cap: Cap, check: &Check<'_>) {
        if self.get(role).is_some() || cap.start >= cap.end {
            return;
        }
        let step = Step { role, field: 0, next: 0, unit: Unit::Ms, space: 0, why: Why::Form };
        self.values.take(&step, &cap, check);
        self.picks[role as usize] = Pick { cap, ..Pick::NONE };
        self.picked |= 1 << role as u32;
        self.masked &= !(1 << role as u32);
    }
}

impl Values {
    /// Checks a value against what its role must look like, and keeps what it says.
    fn take(&mut self, step: &Step, cap: &Cap, check: &Check<'_>) -> Fit {
        if step.role == Role::Message {
            let range = cap.start as usize..cap.end as usize;
            self.access = if cap.kind == Kind::Str { access::find(check.text, range) } else { None };
            return if self.access.is_some() { Fit::Yes } else { Fit::No };
        }
        let text = cap.text(check.text);
        let mut buf = [0; 96];
        let Some(t) = text.small(&mut buf) else {
            // Too long for an escaped value of most roles.
            let long = matches!(step.role, Role::Path | Role::RequestLine | Role::UserAgent | Role::Origin);
            return if long && cap.kind == Kind::Str { Fit::Yes } else { Fit::No };
        };
        let is_str = cap.kind == Kind::Str;
        let yes = |ok: bool| if ok { Fit::Yes } else { Fit::No };
        let masked = |t: &[u8]| value::masked(t) || check.tables.masked.iter().any(|m| t == &**m);
        let or_masked = |ok: bool| {
            if ok {
                Fit::Yes
            } else if cap.kind != Kind::Num && (t == b"null" || masked(t)) {
                Fit::Masked
            } else {
                Fit::No
            }
        };
        // What the configuration or the schema names needs no further proof than being a plain word.
        let word = |ok: bool| {
            let named = matches!(step.why, Why::Config | Why::Schema(_)) && cap.start < cap.end;
            yes(is_str && (ok || named))
        };
        match step.role {
            Role::Key if !is_str => yes(check.notes.tagged(cap).is_some()),
            Role::Key => {
                let known = check.notes.tagged(cap).is_some() || (check.trusted_labels && label(t).is_some());
                if known { Fit::Yes } else { Fit::Masked }
            }
            Role::KeyId | Role::User | Role::Tenant | Role::RequestId | Role::Model => match cap.kind {
                Kind::Word if t == b"null" => Fit::Masked,
                Kind::Word => Fit::No,
                _ if masked(t) => Fit::Masked,
                _ => yes(t.len() <= 256),
            },
            Role::Time => {
                self.time = if cap.kind == Kind::Word { None } else { time::parse(t, check.arrived) };
                yes(self.time.is_some())
            }
            Role::Ip => {
                self.ip = if is_str { value::ip(t) } else { None };
                or_masked(self.ip.is_some())
            }
            Role::ForwardedFor => or_masked(is_str && forwarded(t).next().is_some()),
            Role::Method => word(value::method(t)),
            Role::Path => word(value::path(t)),
            Role::RequestLine => yes(is_str && value::request_line(t).is_some()),
            Role::Status => {
                self.status = value::status(t);
                yes(self.status.is_some())
            }
            Role::Latency => {
                self.latency_us = if cap.kind == Kind::Word { None } else { value::latency(t, step.unit) };
                or_masked(self.latency_us.is_some())
            }
            Role::Scheme | Role::Origin | Role::UserAgent => or_masked(is_str && !t.is_empty() && t != b"-"),
            Role::Region | Role::Environment | Role::Service => or_masked(is_str && value::word(t)),
            Role::BytesOut => {
                self.bytes_out = value::number(t);
                yes(self.bytes_out.is_some_and(|n| n >= 0.0))
            }
            Role::TokensIn => number(t, &mut self.tokens_in),
            Role::TokensOut => number(t, &mut self.tokens_out),
            Role::Cost => number(t, &mut self.cost),
            Role::Auth => word(is_str && value::auth(t).is_some()),
            Role::Message => Fit::No,
        }
    }
}

fn number(text: &[u8], value: &mut Option<f64>) -> Fit {
    *value = value::number(text);
    if value.is_some() { Fit::Yes } else { Fit::No }
}

/// The addresses of an `X-Forwarded-For`, nearest proxy first; others than addresses are passed over.
pub(super) fn forwarded(text: &[u8]) -> impl Iterator<Item = IpAddr> {
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
