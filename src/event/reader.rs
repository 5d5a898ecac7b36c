//! Reads redacted lines of one source as events.

use std::time::Duration;

use ipnet::IpNet;

use super::access;
use super::config::EventError;
use super::join::{self, Earlier, Joins};
use super::model::Event;
use super::nested::Nested;
use super::picks::{Check, Picks};
use super::plan::Plans;
use super::role::Role;
use super::scan::{Cap, Notes, Scan};
use super::tables::Roles;
use super::value;
use super::walk::Walker;
use crate::line::SourceId;
use crate::redact::RedactedLine;
use crate::units::{Timestamp, Tz};

/// How far ahead of its arrival a line's own time may be before it is not believed.
pub const MAX_AHEAD: Duration = Duration::from_secs(300);

/// Kinds of lines that are told of.
const MAX_TOLD: usize = 16;

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

/// Reads the lines of one stream, in order; keeps nothing between lines but its buffers, what the shapes of lines mean,
/// and the open requests.
pub struct Reader {
    pub(super) roles: Roles,
    pub(super) reading: SourceReading,
    fixed: Option<usize>,
    pub(super) walker: Walker,
    pub(super) notes: Notes,
    plans: Plans,
    joins: Joins,
    /// What earlier lines said of the request whose line is at hand.
    pub(super) earlier: Option<Earlier>,
    pub(super) picks: Picks,
    /// The line with the object that stood in one of its strings.
    nested: Nested,
    /// Whether roles that nothing hangs on are looked for, too.
    complete: bool,
    /// Schemas whose mapping was told, and what is to be told.
    told: Vec<Option<usize>>,
    news: Option<String>,
}

/// What a line turned out to be.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub schema: Option<usize>,
    /// Whether it is the one of its request's lines that counts; `None` when each stands for a request.
    pub last: Option<bool>,
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
        Ok(Self {
            roles: roles.clone(),
            reading,
            fixed,
            walker: Walker::new(),
            notes: Notes::default(),
            plans: Plans::default(),
            joins: Joins::default(),
            earlier: None,
            picks: Picks::new(),
            nested: Nested::default(),
            complete: false,
            told: Vec::new(),
            news: None,
        })
    }

    /// Reads one line; `None` when it says nothing about a caller, a request or a secret.
    pub fn read<'a>(&'a mut self, line: RedactedLine<'a>, arrived: Timestamp) -> Option<Event<'a>> {
        // Taken out for a moment, since what is done with it changes other parts.
        let mut nested = std::mem::take(&mut self.nested);
        let first = self.note(&line, &mut nested);
        let text = if nested.from > 0 { &nested.text } else { line.bytes() };
        let known = self.understand(first, text, arrived);
        self.join(known, text);
        self.nested = nested;
        let this: &'a Self = self;
        this.event(known, this.text(&line), arrived)
    }

    /// The same with every role looked for.
    pub(super) fn read_complete<'a>(&'a mut self, line: RedactedLine<'a>, arrived: Timestamp) -> Option<Event<'a>> {
        self.complete = true;
        self.read(line, arrived)
    }

    /// Notes the fields of the line and of an object in one of its strings; gives the position of its first own field.
    fn note(&mut self, line: &RedactedLine<'_>, nested: &mut Nested) -> usize {
        if self.walker.tidy() {
            self.plans.clear();
        }
        self.scan(line);
        nested.clear();
        let Some((start, end)) = self.notes.inner else { return 0 };
        let first = self.notes.fields.len();
        let range = start as usize..end as usize;
        let found = nested.decode(line, range.clone());
        self.notes.found.retain(|f| !range.contains(&(f.start as usize)));
        let mut scan = Scan::new(&mut self.notes, &nested.text, found.into_iter());
        self.walker.walk(&nested.text, nested.from, &self.roles.tables, &mut scan);
        scan.finish();
        first
    }

    /// Finds the line's schema and the field of each role.
    fn understand(&mut self, first: usize, text: &[u8], arrived: Timestamp) -> Known {
        let Self { roles, reading, walker, notes, plans, picks, .. } = self;
        let tables = &*roles.tables;
        let plan = plans.of(notes, first, &walker.paths, tables);
        let schema = self.fixed.or_else(|| plan.schema(&notes.fields, tables, text));
        let untold = self.told.len() < MAX_TOLD && !self.told.contains(&schema);
        let way = plan.way(schema, &notes.fields, &walker.paths, tables);
        let steps = &way.steps[..if self.complete || untold { way.steps.len() } else { way.usual }];
        let check = Check { tables, notes, text, trusted_labels: reading.trusted_labels, arrived };
        picks.choose(steps, &check);
        for (role, cap) in notes.forms.iter().filter(|(role, _)| way.without >> *role as u32 & 1 == 0) {
            picks.fill(*role, *cap, &check);
        }
        let in_url = split_request_lines(picks, &check);
        let known = Known { schema, last: way.last };
        if let Some(range) = in_url {
            notes.in_url(&range);
        }
        if untold {
            self.tell(schema);
        }
        known
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
            let pick = self.picks.any(*role)?;
            let field = self.field(&pick.cap);
            let field = if field.is_empty() { "the text" } else { field };
            let unit = if *role == Role::Latency { format!(" in {}", pick.unit.name()) } else { String::new() };
            let masked = if self.picks.is_masked(*role) { " (hidden: nobody)" } else { "" };
            Some(format!("{} {field}{unit}{masked}", role.name()))
        };
        let all: Vec<String> = Role::ALL.iter().filter(|r| **r != Role::Message).filter_map(shown).collect();
        // One or two fields are a chance line, not a format.
        if all.len() < 3 {
            return;
        }
        self.told.push(schema);
        let name = schema.map_or("unknown software, by the names of its fields", |s| self.schema_name(s));
        let source = if self.reading.name.is_empty() { "lines" } else { &self.reading.name };
        self.news = Some(format!("{source}: read as {name}: {}", all.join(", ")));
    }

    /// Notes the fields of the line, whatever it is made of.
    fn scan(&mut self, line: &RedactedLine<'_>) {
        let text = line.bytes();
        self.notes.clear();
        let tables = &*self.roles.tables;
        let mut scan = Scan::new(&mut self.notes, text, line.findings());
        let end = text.len() - text.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
        let start = text.iter().take_while(|b| b.is_ascii_whitespace()).count().min(end);
        if text.get(start) == Some(&b'{') {
            self.walker.walk(&text[..end], start, tables, &mut scan);
            scan.finish();
            return;
        }
        let json = memchr::memmem::find(text, b"{\"").filter(|_| end > 0 && text[end - 1] == b'}');
        if let Some(at) = json {
            self.walker.walk(&text[..end], at, tables, &mut scan);
            scan.finish();
            scan.notes.by_form(Role::Time, &access::leading_time(text, start..at));
            return;
        }
        if let Some(found) = access::find(text, start..end) {
            scan.finish();
            scan.notes.in_url(&found.path);
            take_access(scan.notes, &found);
        } else {
            self.walker.pairs(&text[..end], tables, &mut scan);
            scan.finish();
            scan.notes.by_form(Role::Time, &access::leading_time(text, start..end));
        }
    }

    /// Of a request with several lines: remembers what this one says of the caller, or takes up what was said.
    fn join(&mut self, known: Known, text: &[u8]) {
        self.earlier = None;
        let Some(last) = known.last else { return };
        let Some(id) = self.picks.get(Role::RequestId) else { return };
        let request = join::number(&id.cap.text(text));
        if last {
            self.earlier = self.joins.take(request);
            return;
        }
        let ip = self.client(text);
        let mut joins = std::mem::take(&mut self.joins);
        joins.note(request, self.key(text, ip.is_some()).as_ref(), ip);
        self.joins = joins;
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

/// Fills what is still missing from a request line or from an access line in the message; gives where a URL stands in
/// the latter.
fn split_request_lines(picks: &mut Picks, check: &Check<'_>) -> Option<std::ops::Range<usize>> {
    if let Some(line) = picks.any(Role::RequestLine).map(|pick| pick.cap) {
        let (from, to) = (line.start as usize, line.end as usize);
        if let Some((verb, target)) = value::request_line(&check.text[from..to]) {
            let at = from + verb.len() + 1;
            picks.fill(Role::Method, line.piece(from, from + verb.len()), check);
            picks.fill(Role::Path, line.piece(at, at + target.len()), check);
        }
    }
    let message = picks.get(Role::Message)?.cap;
    let found = picks.values.access.take()?;
    for (role, at) in
        [(Role::Method, &found.method), (Role::Path, &found.path), (Role::Status, &found.status), (Role::Ip, &found.ip)]
    {
        picks.fill(role, message.piece(at.start, at.end), check);
    }
    Some(found.path)
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
        notes.by_form(role, at);
    }
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Lines that go through one reader after another are read as by one that has seen no other.
        #[test]
        fn what_is_remembered_changes_nothing(lines in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![
            "\"level\":30", "\"level\":\"info\"", "\"time\":1777636800250", "\"time\":\"-\"", "\"req\":{\"method\":\"GET\",\"url\":\"/a?b=1\"}",
            "\"req\":{\"method\":\"GET\",\"headers\":{\"authorization\":\"Bearer 52fa11c0ffee77aa90b1c2d3e4f5061728394a5b\"}}",
            "\"res\":{\"statusCode\":200}", "\"res\":{\"statusCode\":\"no\"}", "\"responseTime\":12.5", "\"responseTime\":\"-\"",
            "\"status\":404", "\"status\":\"x\"", "\"client_ip\":\"192.0.2.7\"", "\"client_ip\":\"null\"", "\"remote_addr\":\"198.51.100.3:80\"",
            "\"apiKeyId\":\"key-7\"", "\"apiKeyId\":\"***\"", "\"user\":\"ann\"", "\"message\":\"\\\"GET /x HTTP/1.1\\\" 200\"", "\"duration_ms\":7",
            "\"a\":[{\"status\":500},{\"status\":501}]", "\"log\":\"{\\\"status\\\":503,\\\"method\\\":\\\"PUT\\\"}\"", "\"x\":\"\\u0041\"",
        ]), 0..9), 1..12)) {
            static TOOLS: OnceLock<(Redactor, Roles)> = OnceLock::new();
            let (redactor, roles) = TOOLS.get_or_init(|| {
                (Redactor::new(PseudonymKey::new(0, b"k")), Roles::new(&EventConfig::default()).unwrap())
            });
            let mut old = Reader::new(roles, SourceReading::default()).unwrap();
            let now = Timestamp::from_secs(1_900_000_000);
            for line in lines.iter().map(|fields| format!("{{{}}}\n", fields.join(","))).flat_map(|l| [l.clone(), l]) {
                let mut out = Redacted::default();
                redactor.worker().redact(line.as_bytes(), &mut out);
                let mut new = Reader::new(roles, SourceReading::default()).unwrap();
                let (line, again) = (out.lines().next().unwrap(), out.lines().next().unwrap());
                prop_assert_eq!(old.explain(line, now), new.explain(again, now));
            }
        }
    }
}
