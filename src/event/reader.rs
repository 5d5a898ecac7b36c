//! Reads redacted lines of one source as events.

use std::net::IpAddr;
use std::time::Duration;

use chrono::Datelike;
use ipnet::IpNet;

use super::access;
use super::config::{EventError, Identity};
use super::join::{self, Caller, Earlier, Joins};
use super::model::{Clock, Event, KeyRef};
use super::nested::Nested;
use super::paths::NONE;
use super::role::{Role, Unit};
use super::scan::{Cap, Fit, Notes, Place, Scan, fits, forwarded, label};
use super::tables::{Roles, Schema, Tables};
use super::text::Text;
use super::value;
use super::walk::{Kind, Walker};
use crate::line::SourceId;
use crate::redact::RedactedLine;
use crate::units::{Timestamp, Tz};

/// How far ahead of its arrival a line's own time may be before it is not believed.
pub const MAX_AHEAD: Duration = Duration::from_secs(300);

/// How lines of one source are to be read.
#[derive(Clone, Debug, Default)]
pub struct SourceReading {
    /// The source.
    pub source: SourceId,
    /// Its name, for what is told of it.
    pub name: String,
    /// The zone of times that name none; without it, such lines happened when they arrived.
    pub zone: Option<Tz>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Take every line for this schema instead of recognising it.
    pub schema: Option<String>,
    /// Whether labels that the source itself wrote (`[TYPE:tag]`) identify keys.
    pub trusted_labels: bool,
}

/// Reads the lines of one stream, in order; keeps nothing between lines but its buffers and the open requests.
pub struct Reader {
    roles: Roles,
    reading: SourceReading,
    fixed: Option<usize>,
    walker: Walker,
    notes: Notes,
    /// The schemas that lines of a shape may have.
    candidates: Vec<Option<Box<[u16]>>>,
    /// The same for the line at hand; a buffer.
    some: Vec<u16>,
    joins: Joins,
    /// The schema of the text and of the JSON line before, and the roles whose fields it named, one bit each.
    expected: [(Option<usize>, u32); 2],
    /// What earlier lines said of the request whose line is at hand.
    earlier: Option<Earlier>,
    pub(super) picks: [Option<Pick>; Role::COUNT],
    /// Roles that have a field in `picks`, one bit each.
    picked: u32,
    /// The line with the object that stood in one of its strings.
    nested: Nested,
    /// Schemas whose mapping was told, and what is to be told.
    told: Vec<Option<usize>>,
    news: Option<String>,
}

/// Why a field was taken for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Config,
    Schema(usize),
    Name,
    Form,
}

/// The field of a role in the line at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub cap: Cap,
    pub unit: Unit,
    pub space: u16,
    pub masked: bool,
    pub why: Why,
}

impl Reader {
    /// A reader for one source.
    ///
    /// # Errors
    /// [`EventError::Schema`] when the source names a schema that is not known.
    pub fn new(roles: &Roles, reading: SourceReading) -> Result<Self, EventError> {
        let fixed = match &reading.schema {
            None => None,
            Some(name) => {
                let at = roles.tables.schemas.iter().position(|s| *s.id == **name);
                Some(at.ok_or_else(|| EventError::Schema(name.clone(), roles.schemas().join(", ")))?)
            }
        };
        let notes = Notes::new(&roles.tables);
        let picks = [None; Role::COUNT];
        Ok(Self {
            roles: roles.clone(),
            reading,
            fixed,
            walker: Walker::new(),
            notes,
            candidates: Vec::new(),
            some: Vec::new(),
            joins: Joins::default(),
            expected: [(None, 0); 2],
            earlier: None,
            picks,
            picked: 0,
            nested: Nested::default(),
            told: Vec::new(),
            news: None,
        })
    }

    /// Reads one line; `None` when it says nothing about a caller, a request or a secret.
    pub fn read<'a>(&'a mut self, line: RedactedLine<'a>, arrived: Timestamp) -> Option<Event<'a>> {
        let schema = self.understand(&line);
        // Taken out for a moment, since what is done with it changes other parts.
        let nested = std::mem::take(&mut self.nested);
        let text = if nested.from > 0 { &nested.text } else { line.bytes() };
        self.split_request_lines(text);
        self.join(schema, text);
        self.nested = nested;
        if !self.told.contains(&schema) {
            self.tell(schema);
        }
        let this: &'a Self = self;
        let event = this.event(schema, this.text(&line), arrived);
        let says = event.key.is_some() || event.counts || event.let_in.is_some() || !event.found.is_empty();
        (says || event.ip.is_some()).then_some(event)
    }

    /// Finds the line's schema and the field of each role.
    ///
    /// Roles whose field the schema of the line before named, and had, are not looked for by name at first; when this
    /// line turns out to be different, it is gone over again.
    fn understand(&mut self, line: &RedactedLine<'_>) -> Option<usize> {
        if self.walker.tidy() {
            self.candidates.clear();
        }
        let kind = usize::from(line.bytes().first() == Some(&b'{'));
        let (expected, skip) = self.expected[kind];
        for skip in [skip, 0] {
            let shape = self.scan(line, skip);
            self.unwrap(line, skip);
            let nested = std::mem::take(&mut self.nested);
            let text = if nested.from > 0 { &nested.text } else { line.bytes() };
            let schema = self.fixed.or_else(|| self.schema(shape.filter(|_| nested.from == 0), text));
            self.resolve(schema, text);
            self.nested = nested;
            let by_schema = |p: &Option<Pick>| p.as_ref().is_some_and(|p| matches!(p.why, Why::Schema(_)) && !p.masked);
            let bits = each(self.picked).fold(0, |bits, i| bits | u32::from(by_schema(&self.picks[i])) << i);
            if skip == 0 || (schema == expected && bits & skip == skip) {
                self.expected[kind] = (schema, if skip == 0 { bits } else { skip });
                return schema;
            }
        }
        None
    }

    /// The schema of the line at hand. Which ones its fields allow is worked out once for each shape.
    fn schema(&mut self, shape: Option<u32>, text: &[u8]) -> Option<usize> {
        let tables = &*self.roles.tables;
        let notes = &mut self.notes;
        let Some(shape) = shape else {
            notes.candidates(tables, &mut self.some);
            return notes.schema(tables, &self.some, text);
        };
        let shape = shape as usize;
        if shape >= self.candidates.len() {
            self.candidates.resize(shape + 1, None);
        }
        let candidates = self.candidates[shape].get_or_insert_with(|| {
            notes.candidates(tables, &mut self.some);
            self.some.as_slice().into()
        });
        notes.schema(tables, candidates, text)
    }

    /// Notes the fields of a JSON object that stands in a string of the line.
    fn unwrap(&mut self, line: &RedactedLine<'_>, skip: u32) {
        self.nested.clear();
        let Some((start, end)) = self.notes.inner else { return };
        let range = start as usize..end as usize;
        let found = self.nested.decode(line, range.clone());
        self.notes.found.retain(|f| !range.contains(&(f.start as usize)));
        let tables = &*self.roles.tables;
        let (text, from, trusted) = (&self.nested.text, self.nested.from, self.reading.trusted_labels);
        let mut scan = Scan::new(tables, &mut self.notes, text, found.into_iter(), trusted, skip);
        self.walker.walk(text, from, tables, &mut scan);
        scan.finish();
    }

    /// The text that the places of the line at hand belong to.
    pub(super) fn text<'a>(&'a self, line: &RedactedLine<'a>) -> &'a [u8] {
        if self.nested.from > 0 { &self.nested.text } else { line.bytes() }
    }

    /// Whether the line at hand holds another in a string.
    pub(super) fn is_nested(&self) -> bool {
        self.nested.from > 0
    }

    /// What is to be told of how the lines are read, once for each schema that is met.
    pub fn news(&mut self) -> Option<String> {
        self.news.take()
    }

    /// Remembers how the line at hand was read, if it says enough.
    fn tell(&mut self, schema: Option<usize>) {
        let shown = |role: &Role| {
            let pick = self.picks[*role as usize]?;
            let field = self.field(&pick.cap);
            let field = if field.is_empty() { "the text" } else { field };
            let unit = if *role == Role::Latency { format!(" in {}", pick.unit.name()) } else { String::new() };
            let masked = if pick.masked { " (hidden: nobody)" } else { "" };
            Some(format!("{} {field}{unit}{masked}", role.name()))
        };
        let all: Vec<String> = Role::ALL.iter().filter(|r| **r != Role::Message).filter_map(shown).collect();
        // One or two fields are a chance line, not a format.
        if all.len() < 3 || self.told.len() >= 16 {
            return;
        }
        self.told.push(schema);
        let name = schema.map_or("unknown software, by the names of its fields", |s| self.schema_name(s));
        let source = if self.reading.name.is_empty() { "lines" } else { &self.reading.name };
        self.news = Some(format!("{source}: read as {name}: {}", all.join(", ")));
    }

    /// Notes the fields of the line, whatever it is made of; gives its shape when it is known JSON.
    fn scan(&mut self, line: &RedactedLine<'_>, skip: u32) -> Option<u32> {
        let text = line.bytes();
        self.notes.clear();
        let tables = &*self.roles.tables;
        let trusted = self.reading.trusted_labels;
        let mut scan = Scan::new(tables, &mut self.notes, text, line.findings(), trusted, skip);
        let end = text.len() - text.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
        let start = text.iter().take_while(|b| b.is_ascii_whitespace()).count().min(end);
        if text.get(start) == Some(&b'{') {
            let shape = self.walker.walk(&text[..end], start, tables, &mut scan);
            scan.finish();
            return shape;
        }
        let json = memchr::memmem::find(text, b"{\"").filter(|_| end > 0 && text[end - 1] == b'}');
        if let Some(at) = json {
            let shape = self.walker.walk(&text[..end], at, tables, &mut scan);
            scan.finish();
            let front = access::leading_time(text, start..at);
            scan.notes.by_form(Role::Time, front.start, front.end, false);
            return shape;
        }
        if let Some(found) = access::find(text, start..end) {
            scan.finish();
            scan.notes.in_url(&found.path);
            take_access(scan.notes, &found);
        } else {
            self.walker.pairs(&text[..end], tables, &mut scan);
            scan.finish();
            let front = access::leading_time(text, start..end);
            scan.notes.by_form(Role::Time, front.start, front.end, false);
        }
        None
    }

    /// Chooses the field of each role: configuration, then schema, then name.
    fn resolve(&mut self, schema: Option<usize>, text: &[u8]) {
        let tables = &*self.roles.tables;
        let schema = schema.map(|i| (i, &tables.schemas[i]));
        let named = self.notes.named | tables.overridden | schema.map_or(0, |(_, s)| s.named);
        let before = std::mem::take(&mut self.picked);
        each(before & !named).for_each(|i| self.picks[i] = None);
        for i in each(named) {
            self.picks[i] = pick(Role::ALL[i], tables, schema, &self.notes, text, self.reading.trusted_labels);
            self.picked |= u32::from(self.picks[i].is_some()) << i;
        }
    }

    /// The field of a role; `None` also when it says that there is nothing.
    fn get(&self, role: Role) -> Option<&Pick> {
        if self.picked >> role as u32 & 1 == 0 {
            return None;
        }
        self.picks[role as usize].as_ref().filter(|p| !p.masked)
    }

    fn put(&mut self, role: Role, pick: Pick) {
        self.picked |= 1 << role as u32;
        self.picks[role as usize] = Some(pick);
    }

    /// Fills what is still missing from a request line or from an access line in the message.
    fn split_request_lines(&mut self, text: &[u8]) {
        if let Some(line) = self.picks[Role::RequestLine as usize] {
            let (from, to) = (line.cap.start as usize, line.cap.end as usize);
            if let Some((verb, target)) = value::request_line(&text[from..to]) {
                let at = from + verb.len() + 1;
                let pieces = [(Role::Method, from, from + verb.len()), (Role::Path, at, at + target.len())];
                for (role, start, end) in pieces {
                    if self.get(role).is_none() {
                        self.put(role, piece(&line, start, end));
                    }
                }
            }
        }
        let Some(message) = self.picks[Role::Message as usize] else { return };
        let Some(found) = access::find(text, message.cap.start as usize..message.cap.end as usize) else { return };
        self.notes.in_url(&found.path);
        for (role, at) in
            [(Role::Method, found.method), (Role::Path, found.path), (Role::Status, found.status), (Role::Ip, found.ip)]
        {
            if !at.is_empty() && self.get(role).is_none() {
                self.put(role, piece(&message, at.start, at.end));
            }
        }
    }

    /// Of a request with several lines: remembers what this one says of the caller, or takes up what was said.
    fn join(&mut self, schema: Option<usize>, text: &[u8]) {
        self.earlier = None;
        let Some(last) = schema.and_then(|s| self.roles.tables.schemas[s].request) else { return };
        let Some(id) = self.get(Role::RequestId).copied() else { return };
        let request = join::number(&id.cap.text(text));
        if self.notes.slot(last).is_some() {
            self.earlier = self.joins.take(request);
            return;
        }
        let words = |role: Role| self.get(role).map(|p| p.cap.text(text));
        let ip = self.client(words(Role::Ip), words(Role::ForwardedFor));
        let mut joins = std::mem::take(&mut self.joins);
        joins.note(request, self.key(text, ip.is_some()).as_ref(), ip);
        self.joins = joins;
    }

    fn event<'a>(&'a self, schema: Option<usize>, text: &'a [u8], arrived: Timestamp) -> Event<'a> {
        let tables = &*self.roles.tables;
        let get = |role: Role| self.get(role);
        let words = |role: Role| get(role).map(|p| p.cap.text(text));
        let number = |role: Role| {
            let mut buf = [0; 96];
            words(role).and_then(|t| value::number(t.small(&mut buf)?))
        };
        let whole = |role: Role| number(role).filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64);
        let mut buf = [0; 96];
        let status = words(Role::Status).and_then(|t| value::status(t.small(&mut buf)?));
        let latency_us = get(Role::Latency).and_then(|p| value::latency(p.cap.text(text).small(&mut buf)?, p.unit));
        let let_in = get(Role::Auth).and_then(|p| {
            let text = p.cap.text(text).small(&mut buf)?;
            if p.why == Why::Name { value::auth(text) } else { value::auth(text).or_else(|| value::outcome(text)) }
        });
        let earlier = self.earlier.as_ref();
        let ip = self.client(words(Role::Ip), words(Role::ForwardedFor)).or(earlier.and_then(|e| e.ip));
        let (time, clock) = self.time(words(Role::Time), arrived);
        let key = self.key(text, ip.is_some()).or(earlier.and_then(|e| e.caller.as_ref()).map(Caller::key));
        let (method, path) = (words(Role::Method), words(Role::Path));
        let counts = match schema.and_then(|s| tables.schemas[s].request) {
            Some(exact) => self.notes.slot(exact).is_some(),
            None => key.is_some() || status.is_some() || (method.is_some() && path.is_some()),
        };
        Event {
            source: self.reading.source,
            time,
            clock,
            key,
            ip,
            method,
            path,
            status,
            latency_us,
            model: words(Role::Model),
            tokens_in: whole(Role::TokensIn),
            tokens_out: whole(Role::TokensOut),
            cost: number(Role::Cost),
            bytes_out: whole(Role::BytesOut),
            scheme: words(Role::Scheme),
            origin: words(Role::Origin),
            user_agent: words(Role::UserAgent),
            region: words(Role::Region),
            environment: words(Role::Environment),
            service: words(Role::Service),
            attack: path.and_then(|p| tables.attacks.find(p)),
            user: words(Role::User),
            tenant: words(Role::Tenant),
            request_id: words(Role::RequestId),
            let_in,
            counts,
            schema: schema.map(|s| &*tables.schemas[s].id),
            found: &self.notes.found,
            paths: &self.walker.paths,
        }
    }

    fn time(&self, text: Option<Text<'_>>, arrived: Timestamp) -> (Timestamp, Clock) {
        let mut buf = [0; 96];
        let year = arrived.to_utc().year();
        let parsed = text.and_then(|t| super::time::parse(t.small(&mut buf)?, year));
        let clock = if matches!(parsed, Some(super::time::Parsed::Local(_))) { Clock::Zone } else { Clock::Line };
        match parsed.and_then(|p| p.instant(self.reading.zone)) {
            None => (arrived, Clock::Arrival),
            Some(t) if t > arrived.plus(MAX_AHEAD) => (arrived, Clock::Ahead),
            Some(t) => (t, clock),
        }
    }

    /// The client's address: the peer, unless it is a trusted proxy; then the nearest address in its
    /// `X-Forwarded-For` that is not one.
    fn client(&self, peer: Option<Text<'_>>, chain: Option<Text<'_>>) -> Option<IpAddr> {
        let mut buf = [0; 96];
        let trusted = |ip: &IpAddr| self.reading.trusted_proxies.iter().any(|net| net.contains(ip));
        let peer = peer.and_then(|t| value::ip(t.small(&mut buf)?));
        if peer.is_some_and(|ip| !trusted(&ip)) {
            return peer;
        }
        let mut buf = [0; 96];
        let Some(chain) = chain.and_then(|t| t.small(&mut buf)) else { return peer };
        let mut last = None;
        for ip in forwarded(chain) {
            if !trusted(&ip) {
                return Some(ip);
            }
            last = Some(ip);
        }
        last.or(peer)
    }

    /// Who called: a credential in its place, one in a header or a URL, an id, or who is configured to stand in.
    fn key<'a>(&'a self, text: &'a [u8], has_ip: bool) -> Option<KeyRef<'a>> {
        let tables = &*self.roles.tables;
        if let Some(pick) = self.get(Role::Key) {
            if let Some((rule, tag)) = pick.cap.tagged {
                return Some(KeyRef::Tag { tag, rule: Some(rule), kind: None });
            }
            if let Some((kind, tag)) = label(pick.cap.text(text).raw()) {
                return Some(KeyRef::Tag { tag, rule: None, kind: Some(Text::plain(kind)) });
            }
        }
        for place in [Place::Credential, Place::Header, Place::Url] {
            let tag = self.notes.found.iter().find_map(|f| Some((f.rule, f.tag.filter(|_| f.place == place)?)));
            if let Some((rule, tag)) = tag {
                return Some(KeyRef::Tag { tag, rule: Some(rule), kind: None });
            }
        }
        let named = |role: Role, space: Option<&'a str>| {
            let pick = self.get(role)?;
            let space = space.unwrap_or(&tables.spaces[usize::from(pick.space)]);
            Some(KeyRef::Id { space, value: pick.cap.text(text) })
        };
        named(Role::KeyId, None).or_else(|| {
            tables.identity.iter().find_map(|who| match who {
                Identity::User => named(Role::User, Some("USER")),
                Identity::Tenant => named(Role::Tenant, Some("TENANT")),
                Identity::Ip if has_ip => named(Role::Ip, Some("IP")),
                Identity::Ip => None,
            })
        })
    }

    pub(super) fn field(&self, cap: &Cap) -> &str {
        self.walker.paths.pointer(cap.at)
    }

    pub(super) fn schema_name(&self, at: usize) -> &str {
        &self.roles.tables.schemas[at].id
    }

    pub(super) fn trusts_proxies(&self) -> bool {
        !self.reading.trusted_proxies.is_empty()
    }
}

/// The numbers of the bits that are set.
fn each(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (at < u32::BITS).then_some(at as usize)
    })
}

/// Notes the pieces of an access line as fields.
fn take_access(notes: &mut Notes, found: &access::Access) {
    for (role, at) in [
        (Role::Method, &found.method),
        (Role::Path, &found.path),
        (Role::Status, &found.status),
        (Role::Ip, &found.ip),
        (Role::Time, &found.time),
        (Role::User, &found.user),
        (Role::BytesOut, &found.bytes),
        (Role::Origin, &found.referer),
        (Role::UserAgent, &found.agent),
    ] {
        notes.by_form(role, at.start, at.end, false);
    }
}

/// A piece of a picked field as a pick of its own.
fn piece(whole: &Pick, start: usize, end: usize) -> Pick {
    let cap = Cap { start: start as u32, end: end as u32, ..whole.cap };
    Pick { cap, why: Why::Form, ..*whole }
}

fn pick(
    role: Role,
    tables: &Tables,
    schema: Option<(usize, &Schema)>,
    notes: &Notes,
    text: &[u8],
    trusted_labels: bool,
) -> Option<Pick> {
    let by_config = &tables.overrides[role as usize];
    let (by_schema, why) = schema.map_or((&[][..], Why::Name), |(i, s)| (&s.roles[role as usize][..], Why::Schema(i)));
    let usual = schema.and_then(|(_, s)| s.latency_unit).or(tables.latency_unit);
    let mut masked = None;
    let choices = by_config.iter().map(|c| (c, Why::Config)).chain(by_schema.iter().map(|c| (c, why)));
    for (choice, why) in choices {
        let Some(cap) = notes.at(choice) else { continue };
        let space = tables.exacts[usize::from(choice.exact)].space;
        let pick = Pick { cap, unit: choice.unit.or(usual).unwrap_or(Unit::Ms), space, masked: false, why };
        match fits(role, &cap, text, tables, trusted_labels) {
            Fit::Yes => return Some(pick),
            // What the configuration or the schema names needs no further proof than being a plain word.
            Fit::No
                if matches!(role, Role::Method | Role::Path | Role::Auth)
                    && cap.kind == Kind::Str
                    && cap.start < cap.end =>
            {
                return Some(pick);
            }
            Fit::Masked => masked = masked.or(Some(Pick { masked: true, ..pick })),
            Fit::No => {}
        }
    }
    if schema.is_some_and(|(_, s)| s.without[role as usize]) {
        return masked;
    }
    let Some(best) = notes.best[role as usize] else { return masked };
    if best.masked && masked.is_some() {
        return masked;
    }
    let unit = match (best.sure, usual) {
        (false, Some(unit)) => unit,
        _ => best.unit.unwrap_or(Unit::Ms),
    };
    let why = if best.cap.at == NONE { Why::Form } else { Why::Name };
    Some(Pick { cap: best.cap, unit, space: best.space, masked: best.masked, why })
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;
    use crate::event::EventConfig;
    use crate::redact::{PseudonymKey, Redacted, Redactor};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Any bytes, with a liking for those that mean something.
        #[test]
        fn every_line_can_be_read(pieces in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|b| vec![b]),
            prop::sample::select(vec![
                "{\"", "\":", "\"", "{", "}", "[", "]", ",", "\\", "\\u00", "GET /x HTTP/1.1", "=", " ", "[01/May/2026:12:00:00 +0000]",
                "time", "status", "authorization", "200", "10.0.0.1", "1777636800", "sk-proj-EXAMPLE0kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt",
            ]).prop_map(|s| s.as_bytes().to_vec()),
        ], 0..40)) {
            static TOOLS: OnceLock<(Redactor, Roles)> = OnceLock::new();
            let (redactor, roles) = TOOLS.get_or_init(|| {
                (Redactor::new(PseudonymKey::new(0, b"k")), Roles::new(&EventConfig::default()).unwrap())
            });
            let mut reader = Reader::new(roles, SourceReading::default()).unwrap();
            let mut out = Redacted::default();
            redactor.worker().redact(&pieces.concat(), &mut out);
            for line in out.lines() {
                let n = line.findings().count();
                if let Some(event) = reader.read(line, Timestamp::from_secs(1_900_000_000)) {
                    prop_assert_eq!(event.secrets().count(), n, "no redaction is lost");
                }
            }
        }
    }
}
