//! What a stretch of lines adds up to, per key; sums that may be merged in any order.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::few::Few;
use super::id::{KeyHash, KeyId, mix, spread_of};
use super::samples::{Lines, Samples};
use super::sighting::{Aspect, Chain, Sighting, Sightings};
use super::words::{Lately, Word, Words};
use crate::event::{Clock, Event, KeyRef, SourceId, endpoint};
use crate::redact::{RedactedLine, RuleId, Tag};
use crate::units::Timestamp;

/// Length of a bucket of event time in seconds.
pub const BUCKET_S: i64 = 300;

/// Addresses kept per key and tally; of more, an even choice is kept.
const MAX_ADDRESSES: usize = 64;

/// The bucket of an instant: whole 5-minute steps since 1970.
pub fn bucket(t: Timestamp) -> i64 {
    t.secs().div_euclid(BUCKET_S)
}

/// The instant at which a bucket starts.
pub fn bucket_start(bucket: i64) -> Timestamp {
    Timestamp::from_secs(bucket * BUCKET_S)
}

/// Uses of a key and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub uses: u32,
    /// Requests that failed: status from 400 on but for 401 and 403.
    pub errors: u32,
    /// Requests that were refused: 401, 403, or words that say so.
    pub refused: u32,
}

impl Counts {
    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.uses = self.uses.saturating_add(other.uses);
        self.errors = self.errors.saturating_add(other.errors);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

/// What the requests of a key used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Tokens read and written by models.
    pub tokens: u64,
    /// Cost in millionths of the log's own unit.
    pub cost: u64,
    /// Bytes sent to the caller.
    pub bytes: u64,
}

impl Amounts {
    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost = self.cost.saturating_add(other.cost);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn of(event: &Event<'_>) -> Self {
        let cost = event.cost.filter(|c| (0.0..1e9).contains(c)).map_or(0, |c| (c * 1e6).round() as u64);
        let tokens = event.tokens_in.unwrap_or(0).saturating_add(event.tokens_out.unwrap_or(0));
        Self { tokens, cost, bytes: event.bytes_out.unwrap_or(0) }
    }
}

/// What happened in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The bucket.
    pub bucket: i64,
    /// Requests.
    pub counts: Counts,
    /// What they used up.
    pub amounts: Amounts,
    /// The second of the bucket in which the first of it happened.
    pub from_s: u16,
    /// The second of the bucket in which the last of it happened.
    pub to_s: u16,
}

impl Slice {
    /// What happened at one instant.
    pub fn at(at: Timestamp, counts: Counts, amounts: Amounts) -> Self {
        let second = at.secs().rem_euclid(BUCKET_S) as u16;
        Self { bucket: bucket(at), counts, amounts, from_s: second, to_s: second }
    }

    fn add(&mut self, other: &Self) {
        self.counts.add(other.counts);
        self.amounts.add(other.amounts);
        self.from_s = self.from_s.min(other.from_s);
        self.to_s = self.to_s.max(other.to_s);
    }
}

/// An address a key was used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The address.
    pub ip: IpAddr,
    /// Its first use in the tally.
    pub first: Timestamp,
    /// Its last use in the tally.
    pub last: Timestamp,
    /// Number of uses.
    pub uses: u32,
    /// How many of them were refused.
    pub refused: u32,
}

/// What one key did.
#[derive(Clone, Debug)]
pub struct KeyDelta {
    /// The rule that found the credential; of several the first in the rule set.
    pub rule: Option<RuleId>,
    /// The label's type when the credential came as a trusted label.
    pub kind: Option<Box<str>>,
    /// The source of its first line.
    pub source: SourceId,
    /// First event time.
    pub first: Timestamp,
    /// Last event time.
    pub last: Timestamp,
    /// What happened per bucket, in order of time.
    pub slices: Few<Slice>,
    /// Addresses, in order; an even choice when there are many.
    pub visits: Few<Visit>,
    /// What it was used for and how, within [`Tally::sightings`].
    pub sightings: Chain,
    /// Lines of requests that went well.
    pub good: Samples,
    /// Lines of requests that failed or were refused.
    pub bad: Samples,
}

impl KeyDelta {
    /// Nothing yet, from a line of `source` at `time`.
    pub fn new(source: SourceId, time: Timestamp) -> Self {
        Self {
            rule: None,
            kind: None,
            source,
            first: time,
            last: time,
            slices: Few::None,
            visits: Few::None,
            sightings: Chain::default(),
            good: Samples::default(),
            bad: Samples::default(),
        }
    }

    /// Adds what happened in a bucket.
    pub fn count(&mut self, slice: Slice) {
        if let Some(old) = self.slices.find(&slice.bucket, |s| s.bucket, || slice) {
            old.add(&slice);
        }
    }

    /// Adds uses from an address.
    pub fn visit(&mut self, visit: Visit) {
        if let Some(old) = self.visits.find(&visit.ip, |v| v.ip, || visit) {
            old.first = old.first.min(visit.first);
            old.last = old.last.max(visit.last);
            old.uses = old.uses.saturating_add(visit.uses);
            old.refused = old.refused.saturating_add(visit.refused);
        } else if self.visits.len() > MAX_ADDRESSES {
            // Dropping the largest of a fixed hash keeps the same addresses in whatever order they come.
            self.visits.drop_largest(|v| spread_of(v.ip));
        }
    }

    fn merge(&mut self, other: &Self, theirs: (&Lines, &Sightings), mine: (&mut Lines, &mut Sightings)) {
        self.rule = [self.rule, other.rule].into_iter().flatten().min();
        self.kind = [self.kind.take(), other.kind.clone()].into_iter().flatten().min();
        self.source = self.source.min(other.source);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        other.slices.iter().for_each(|s| self.count(*s));
        other.visits.iter().for_each(|v| self.visit(*v));
        theirs.1.of(other.sightings).for_each(|s| mine.1.note(&mut self.sightings, *s));
        self.good.merge(&other.good, theirs.0, mine.0);
        self.bad.merge(&other.bad, theirs.0, mine.0);
    }
}

/// What one source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceDelta {
    /// Events read.
    pub events: u64,
    /// Events whose line has no time that can be used.
    pub untimed: u64,
    /// Events whose line's time lies in the future.
    pub ahead: u64,
    /// First event time.
    pub first: Timestamp,
    /// Last event time.
    pub last: Timestamp,
}

/// An attack in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttackId {
    /// The signature.
    pub signature: Word,
    /// Where it was found.
    pub source: SourceId,
    /// Whose request it was, when the line says.
    pub key: Option<KeyId>,
}

/// How often an attack was seen.
#[derive(Clone, Debug, Default)]
pub struct AttackDelta {
    /// Number of requests.
    pub count: u32,
    /// Requests that the service did not refuse: status below 400.
    pub answered: u32,
    /// First event time.
    pub first: Timestamp,
    /// Addresses, an even choice when there are many.
    pub visits: Few<IpAddr>,
    /// Lines, redacted.
    pub lines: Samples,
}

/// What a credential in the log is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeakId {
    /// The rule that found it.
    pub rule: RuleId,
    /// Where it was found.
    pub source: SourceId,
    /// Which key it is, when the rule gives a pseudonym.
    pub key: Option<KeyId>,
    /// Whether it stood where callers present their credential (a header of an access log), rather than leaked into a
    /// message, a URL or another field.
    pub presented: bool,
    /// Whether it stood in the URL of a request.
    pub in_url: bool,
}

/// How often a credential was found in the log.
#[derive(Clone, Debug)]
pub struct LeakDelta {
    /// Number of redactions.
    pub count: u32,
    /// First event time.
    pub first: Timestamp,
    /// Last event time.
    pub last: Timestamp,
    /// A field in which it stood; empty for plain text.
    pub field: Box<str>,
    /// Lines in which it stood, redacted.
    pub lines: Samples,
}

/// What a stretch of lines adds up to. Merging is associative and commutative, so chunks, threads and hosts add up in
/// any order (but for names and lines beyond their bounds); it is the only thing that reaches the monitor.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Per key.
    pub keys: HashMap<KeyId, KeyDelta, KeyHash>,
    /// Credentials found in the log.
    pub leaks: HashMap<LeakId, LeakDelta>,
    /// Attacks found in requests.
    pub attacks: HashMap<AttackId, AttackDelta>,
    /// Per source.
    pub sources: BTreeMap<SourceId, SourceDelta>,
    /// What keys were used for and how.
    pub sightings: Sightings,
    /// The names behind words.
    pub words: Words,
    /// Endpoints seen lately, by method and path.
    pub(crate) lately: Lately,
    /// The text of lines kept as evidence.
    pub lines: Lines,
    /// After a rotation of pseudonyms: what a key was called before, and what it is called now.
    pub renamed: Vec<(KeyId, KeyId)>,
    /// Events read.
    pub events: u64,
    /// Events whose line has no time that can be used.
    pub untimed: u64,
    /// Events whose line's time lies in the future.
    pub ahead: u64,
}

impl Tally {
    /// Notes that pseudonyms have changed: (before, now).
    pub fn rename(&mut self, tags: &[(Tag, Tag)]) {
        self.renamed.extend(tags.iter().map(|(before, now)| (KeyId::tag(*before), KeyId::tag(*now))));
    }

    /// Counts one event and its line.
    pub fn add(&mut self, event: &Event<'_>, line: RedactedLine<'_>) {
        let (untimed, ahead) = (event.clock == Clock::Arrival, event.clock == Clock::Ahead);
        self.events += 1;
        self.untimed += u64::from(untimed);
        self.ahead += u64::from(ahead);
        let (first, last) = (event.time, event.time);
        let (untimed, ahead) = (u64::from(untimed), u64::from(ahead));
        self.source(event.source, SourceDelta { events: 1, untimed, ahead, first, last });
        let lot = mix(event.time.0 as u64 ^ (line.bytes().len() as u64) << 48);
        let key = event.key.as_ref().filter(|_| event.counts);
        let id = key.map(KeyId::of);
        if let Some((key, id)) = key.zip(id) {
            self.add_use(key, id, event, line, lot);
        }
        if let Some(signature) = event.attack {
            self.add_attack(signature, id, event, line, lot);
        }
        self.add_leaks(event, line, lot);
    }

    fn source(&mut self, source: SourceId, delta: SourceDelta) {
        let Some(old) = self.sources.get_mut(&source) else {
            self.sources.insert(source, delta);
            return;
        };
        old.events += delta.events;
        old.untimed += delta.untimed;
        old.ahead += delta.ahead;
        old.first = old.first.min(delta.first);
        old.last = old.last.max(delta.last);
    }

    fn add_use(&mut self, key: &KeyRef<'_>, id: KeyId, event: &Event<'_>, line: RedactedLine<'_>, lot: u64) {
        if self.keys.len() == self.keys.capacity() {
            // growing moves all of them: few large steps
            self.keys.reserve(3 * self.keys.len().max(16));
        }
        let delta = self.keys.entry(id).or_insert_with(|| KeyDelta::new(event.source, event.time));
        if let KeyRef::Tag { rule, kind, .. } = key {
            delta.rule = [delta.rule, *rule].into_iter().flatten().min();
            if let (None, Some(kind)) = (&delta.kind, kind) {
                delta.kind = Some(kind.to_string().into());
            }
        }
        let (refused, failed) = (event.auth_failed(), event.failed());
        delta.first = delta.first.min(event.time);
        delta.last = delta.last.max(event.time);
        delta.source = delta.source.min(event.source);
        let counts = Counts { uses: 1, errors: u32::from(failed), refused: u32::from(refused) };
        delta.count(Slice::at(event.time, counts, Amounts::of(event)));
        if let Some(ip) = event.ip {
            let refused = u32::from(refused);
            delta.visit(Visit { ip, first: event.time, last: event.time, uses: 1, refused });
        }
        let samples = if refused || failed { &mut delta.bad } else { &mut delta.good };
        samples.offer(lot, event.time, line.bytes(), &mut self.lines);
        let (words, sightings) = (&mut self.words, &mut self.sightings);
        let mut see = |aspect: Aspect, word: Word| {
            sightings
                .note(&mut delta.sightings, Sighting { aspect, word, first: event.time, last: event.time, uses: 1 });
        };
        if let Some(path) = event.path {
            let method = event.method.map_or(&b""[..], |m| m.raw());
            let word = self.lately.word((method, path.raw()), || {
                let mut buf = [0; 160];
                let text = endpoint(event.method, path, &mut buf);
                words.keep_of(text)
            });
            see(Aspect::Endpoint, word);
        }
        let mut note = |aspect: Aspect, text: &[u8]| see(aspect, words.keep_of(text));
        let named = [
            (Aspect::Model, event.model),
            (Aspect::Region, event.region),
            (Aspect::Environment, event.environment),
            (Aspect::Service, event.service),
        ];
        for (aspect, text) in named {
            let mut buf = [0; 96];
            if let Some(text) = text.as_ref().and_then(|t| t.small(&mut buf)).filter(|t| !t.is_empty()) {
                note(aspect, text);
            }
        }
        if let Some(origin) = event.origin() {
            note(Aspect::Origin, origin);
        }
        if event.in_browser() {
            note(Aspect::Browser, b"a browser");
        }
        if event.is_plaintext() {
            note(Aspect::Plaintext, b"without TLS");
        }
    }

    fn add_attack(&mut self, name: &str, key: Option<KeyId>, event: &Event<'_>, line: RedactedLine<'_>, lot: u64) {
        let signature = self.words.keep_of(name.as_bytes());
        let id = AttackId { signature, source: event.source, key };
        let new = || AttackDelta { first: event.time, ..AttackDelta::default() };
        let attack = self.attacks.entry(id).or_insert_with(new);
        attack.count = attack.count.saturating_add(1);
        attack.answered += u32::from(event.status.is_some_and(|s| s < 400));
        attack.first = attack.first.min(event.time);
        if let Some(ip) = event.ip {
            attack.visit(ip);
        }
        attack.lines.offer(lot, event.time, line.bytes(), &mut self.lines);
    }

    fn add_leaks(&mut self, event: &Event<'_>, line: RedactedLine<'_>, lot: u64) {
        for secret in event.secrets() {
            let key = secret.tag.map(KeyId::tag);
            let request = event.status.is_some() || event.method.is_some();
            // In the field of a credential of a request it is a use; anywhere else it has leaked.
            let (presented, in_url) = (secret.presented && request, secret.in_url && request);
            let id = LeakId { rule: secret.rule, source: event.source, key, presented, in_url };
            let leak = match self.leaks.entry(id) {
                Entry::Occupied(e) => e.into_mut(),
                Entry::Vacant(e) => e.insert(LeakDelta {
                    count: 0,
                    first: event.time,
                    last: event.time,
                    field: secret.field.into(),
                    lines: Samples::default(),
                }),
            };
            leak.count = leak.count.saturating_add(1);
            leak.first = leak.first.min(event.time);
            leak.last = leak.last.max(event.time);
            if secret.field < &*leak.field {
                leak.field = secret.field.into();
            }
            leak.lines.offer(lot, event.time, line.bytes(), &mut self.lines);
        }
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.renamed.extend(other.renamed);
        self.events += other.events;
        self.untimed += other.untimed;
        self.ahead += other.ahead;
        self.words.merge(other.words);
        other.sources.into_iter().for_each(|(id, delta)| self.source(id, delta));
        let theirs = (&other.lines, &other.sightings);
        for (id, delta) in other.keys {
            let new = || KeyDelta::new(delta.source, delta.first);
            self.keys.entry(id).or_insert_with(new).merge(&delta, theirs, (&mut self.lines, &mut self.sightings));
        }
        for (id, delta) in other.attacks {
            let new = || AttackDelta { first: delta.first, ..AttackDelta::default() };
            let attack = self.attacks.entry(id).or_insert_with(new);
            attack.count = attack.count.saturating_add(delta.count);
            attack.answered = attack.answered.saturating_add(delta.answered);
            attack.first = attack.first.min(delta.first);
            delta.visits.iter().for_each(|ip| attack.visit(*ip));
            attack.lines.merge(&delta.lines, &other.lines, &mut self.lines);
        }
        for (id, delta) in other.leaks {
            let leak = self.leaks.entry(id).or_insert_with(|| LeakDelta {
                count: 0,
                lines: Samples::default(),
                field: delta.field.clone(),
                ..delta
            });
            leak.count = leak.count.saturating_add(delta.count);
            leak.first = leak.first.min(delta.first);
            leak.last = leak.last.max(delta.last);
            leak.lines.merge(&delta.lines, &other.lines, &mut self.lines);
            if delta.field < leak.field {
                leak.field = delta.field;
            }
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.keys.is_empty() && self.leaks.is_empty() && self.renamed.is_empty()
    }
}

impl AttackDelta {
    fn visit(&mut self, ip: IpAddr) {
        if self.visits.find(&ip, |v| *v, || ip).is_none() && self.visits.len() > MAX_ADDRESSES {
            self.visits.drop_largest(|v| spread_of(*v));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{EventConfig, Reader, Roles, SourceReading};
    use crate::redact::{PseudonymKey, Redacted, Redactor};

    /// Redacts and reads `lines` and adds them up in pieces, merged as `plan` says.
    fn tally(lines: &[String], pieces: usize, turn: usize) -> Tally {
        static TOOLS: OnceLock<(Redactor, Roles)> = OnceLock::new();
        let (redactor, roles) = TOOLS
            .get_or_init(|| (Redactor::new(PseudonymKey::new(0, b"k")), Roles::new(&EventConfig::default()).unwrap()));
        let mut reader = Reader::new(roles, SourceReading::default()).unwrap();
        let mut out = Redacted::default();
        redactor.worker().redact(lines.concat().as_bytes(), &mut out);
        let mut parts = vec![Tally::default(); pieces];
        for (n, line) in out.lines().enumerate() {
            if let Some(event) = reader.read(line, Timestamp::from_secs(1_900_000_000)) {
                parts[n % pieces].add(&event, line);
            }
        }
        parts.rotate_left(turn % pieces);
        if turn.is_multiple_of(2) {
            parts.reverse();
        }
        let mut whole = Tally::default();
        parts.into_iter().for_each(|p| whole.merge(p));
        whole
    }

    /// Everything that a tally says, in words.
    fn told(t: &Tally) -> Vec<String> {
        let lines = |s: &Samples| s.in_order(&t.lines);
        let key = |(id, d): (&KeyId, &KeyDelta)| {
            let mut sightings: Vec<_> =
                t.sightings.of(d.sightings).map(|s| (s.aspect, s.word, s.first, s.last, s.uses)).collect();
            sightings.sort();
            format!(
                "{id} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {sightings:?}",
                d.rule,
                d.kind,
                d.first,
                d.last,
                d.slices.as_slice(),
                d.visits.as_slice(),
                lines(&d.good),
                lines(&d.bad)
            )
        };
        let leak = |(id, d): (&LeakId, &LeakDelta)| {
            format!("{id:?} {} {} {} {} {:?}", d.count, d.first, d.last, d.field, lines(&d.lines))
        };
        let mut all: Vec<String> = t.keys.iter().map(key).chain(t.leaks.iter().map(leak)).collect();
        all.push(format!("{} {} {}", t.events, t.untimed, t.ahead));
        all.sort();
        all
    }

    fn line(key: u8, second: u32, net: u16, status: u16) -> String {
        let at = 1_777_636_800 + i64::from(second);
        let secret = format!("sk-proj-EXAMPLE{key}kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt");
        let (a, b) = (net / 256, net % 256);
        format!(
            "{{\"time\":{at},\"ip\":\"10.{a}.{b}.1\",\"status\":{status},\"method\":\"GET\",\"path\":\"/\",\"authorization\":\"Bearer {secret}\",\"msg\":\"n {second}\"}}\n"
        )
    }

    #[test]
    fn a_slice_knows_its_seconds_and_is_no_larger_for_it() {
        let at = |s: i64| Slice::at(Timestamp::from_secs(1_777_636_800 + s), Counts::default(), Amounts::default());
        let mut delta = KeyDelta::new(SourceId(0), Timestamp(0));
        [17, 299, 5, 301].iter().for_each(|s| delta.count(at(*s)));
        let spans: Vec<_> = delta.slices.iter().map(|s| (s.from_s, s.to_s)).collect();
        assert_eq!(spans, [(5, 299), (1, 1)]);
        assert_eq!(size_of::<Slice>(), 48, "they stand where padding was");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn tallies_merge_in_any_order(
            rows in prop::collection::vec((0u8..3, 0u32..7200, 0u16..400, prop::sample::select(vec![200u16, 401, 500])), 1..300),
            pieces in 1usize..6,
            turn in 0usize..12,
        ) {
            let lines: Vec<String> = rows.iter().map(|r| line(r.0, r.1, r.2, r.3)).collect();
            prop_assert_eq!(told(&tally(&lines, 1, 0)), told(&tally(&lines, pieces, turn)));
        }
    }

    #[test]
    fn a_tally_adds_up() {
        let lines: Vec<String> =
            (0..100).map(|n| line(0, n * 10, n as u16 % 3, if n % 4 == 0 { 500 } else { 200 })).collect();
        let t = tally(&lines, 1, 0);
        let delta = t.keys.values().next().unwrap();
        assert_eq!((t.keys.len(), t.events), (1, 100));
        let sum = delta.slices.iter().fold(Counts::default(), |mut sum, s| {
            sum.add(s.counts);
            sum
        });
        assert_eq!((delta.slices.len(), sum), (4, Counts { uses: 100, errors: 25, refused: 0 }));
        assert_eq!((delta.visits.len(), delta.visits.iter().map(|v| v.uses).sum::<u32>()), (3, 100));
        let endpoint = t.sightings.of(delta.sightings).find(|s| s.aspect == Aspect::Endpoint).unwrap();
        assert_eq!((t.words.get(endpoint.word), endpoint.uses), (Some("GET /"), 100));
        let bad = delta.bad.in_order(&t.lines);
        assert!(bad.len() == 5 && bad.iter().all(|l| l.contains("500") && !l.contains("sk-proj")));
        assert!(t.leaks.iter().all(|(id, _)| id.presented), "in the field of a credential it is a use, not a leak");
    }
}
