//! What a stretch of lines adds up to, per key; sums that may be merged in any order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::id::{KeyId, Network, mix};
use super::samples::{Lines, Samples};
use crate::event::{Clock, Event, KeyRef, SourceId};
use crate::redact::{RedactedLine, RuleId};
use crate::units::Timestamp;

/// Length of a bucket of event time in seconds.
pub const BUCKET_S: i64 = 300;

/// Networks kept per key and tally; of more, an even choice is kept.
const MAX_NETWORKS: usize = 64;

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

/// A network a key was used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The network.
    pub network: Network,
    /// Its first use in the tally.
    pub first: Timestamp,
    /// Its last use in the tally.
    pub last: Timestamp,
    /// Number of uses.
    pub uses: u32,
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
    /// Counts per bucket, in order of time.
    pub buckets: Vec<(i64, Counts)>,
    /// Networks, in order of [`Network`]; an even choice when there are many.
    pub visits: Vec<Visit>,
    /// Lines of requests that went well.
    pub good: Samples,
    /// Lines of requests that failed or were refused.
    pub bad: Samples,
}

impl KeyDelta {
    fn new(source: SourceId, time: Timestamp) -> Self {
        Self {
            rule: None,
            kind: None,
            source,
            first: time,
            last: time,
            buckets: Vec::new(),
            visits: Vec::new(),
            good: Samples::default(),
            bad: Samples::default(),
        }
    }

    fn count(&mut self, bucket: i64, counts: Counts) {
        match self.buckets.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => self.buckets[at].1.add(counts),
            Err(at) => self.buckets.insert(at, (bucket, counts)),
        }
    }

    fn visit(&mut self, visit: Visit) {
        match self.visits.binary_search_by_key(&visit.network, |v| v.network) {
            Ok(at) => {
                let old = &mut self.visits[at];
                old.first = old.first.min(visit.first);
                old.last = old.last.max(visit.last);
                old.uses = old.uses.saturating_add(visit.uses);
            }
            Err(at) => {
                self.visits.insert(at, visit);
                if self.visits.len() > MAX_NETWORKS {
                    // Dropping the largest of a fixed hash keeps the same networks in whatever order they come.
                    let drop = self.visits.iter().enumerate().max_by_key(|(_, v)| v.network.spread()).map(|(i, _)| i);
                    drop.map(|i| self.visits.remove(i));
                }
            }
        }
    }

    fn merge(&mut self, other: Self, theirs: &Lines, lines: &mut Lines) {
        self.rule = [self.rule, other.rule].into_iter().flatten().min();
        self.kind = [self.kind.take(), other.kind].into_iter().flatten().min();
        self.source = self.source.min(other.source);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        other.buckets.into_iter().for_each(|(b, c)| self.count(b, c));
        other.visits.into_iter().for_each(|v| self.visit(v));
        self.good.merge(&other.good, theirs, lines);
        self.bad.merge(&other.bad, theirs, lines);
    }
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
/// any order; it is the only thing that reaches the monitor.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Per key.
    pub keys: HashMap<KeyId, KeyDelta>,
    /// Credentials found in the log.
    pub leaks: HashMap<LeakId, LeakDelta>,
    /// The text of lines kept as evidence.
    pub lines: Lines,
    /// Events read.
    pub events: u64,
    /// Events whose line has no time that can be used.
    pub untimed: u64,
    /// Events whose line's time lies in the future.
    pub ahead: u64,
}

impl Tally {
    /// Counts one event and its line.
    pub fn add(&mut self, event: &Event<'_>, line: RedactedLine<'_>) {
        self.events += 1;
        self.untimed += u64::from(event.clock == Clock::Arrival);
        self.ahead += u64::from(event.clock == Clock::Ahead);
        let lot = mix(event.time.0 as u64 ^ (line.bytes().len() as u64) << 48);
        if let Some(key) = event.key.as_ref().filter(|_| event.counts) {
            self.add_use(key, event, line, lot);
        }
        self.add_leaks(event, line, lot);
    }

    fn add_use(&mut self, key: &KeyRef<'_>, event: &Event<'_>, line: RedactedLine<'_>, lot: u64) {
        let delta = self.keys.entry(KeyId::of(key)).or_insert_with(|| KeyDelta::new(event.source, event.time));
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
        delta.count(bucket(event.time), counts);
        if let Some(ip) = event.ip {
            delta.visit(Visit { network: Network::of(ip), first: event.time, last: event.time, uses: 1 });
        }
        let samples = if refused || failed { &mut delta.bad } else { &mut delta.good };
        samples.offer(lot, event.time, line.bytes(), &mut self.lines);
    }

    fn add_leaks(&mut self, event: &Event<'_>, line: RedactedLine<'_>, lot: u64) {
        for secret in event.secrets() {
            let key = secret.tag.map(KeyId::tag);
            // In the field of a credential of a request it is a use; anywhere else it has leaked.
            let presented = secret.presented && (event.status.is_some() || event.method.is_some());
            let id = LeakId { rule: secret.rule, source: event.source, key, presented };
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
        self.events += other.events;
        self.untimed += other.untimed;
        self.ahead += other.ahead;
        if self.keys.is_empty() && self.leaks.is_empty() {
            (self.keys, self.leaks, self.lines) = (other.keys, other.leaks, other.lines);
            return;
        }
        for (id, delta) in other.keys {
            match self.keys.entry(id) {
                Entry::Occupied(mut e) => e.get_mut().merge(delta, &other.lines, &mut self.lines),
                Entry::Vacant(e) => {
                    let (good, bad) = (delta.good, delta.bad);
                    let mine = e.insert(KeyDelta { good: Samples::default(), bad: Samples::default(), ..delta });
                    mine.good.merge(&good, &other.lines, &mut self.lines);
                    mine.bad.merge(&bad, &other.lines, &mut self.lines);
                }
            }
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
        self.events == 0 && self.keys.is_empty() && self.leaks.is_empty()
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
        let lines = |s: &Samples| s.in_order(&t.lines).into_iter().map(|(t, l)| format!("{t} {l}")).collect::<Vec<_>>();
        let key = |(id, d): (&KeyId, &KeyDelta)| {
            format!(
                "{id} {:?} {:?} {} {} {:?} {:?} {:?} {:?}",
                d.rule,
                d.kind,
                d.first,
                d.last,
                d.buckets,
                d.visits,
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
        let sum = delta.buckets.iter().fold(Counts::default(), |mut sum, (_, c)| {
            sum.add(*c);
            sum
        });
        assert_eq!((delta.buckets.len(), sum), (4, Counts { uses: 100, errors: 25, refused: 0 }));
        assert_eq!((delta.visits.len(), delta.visits.iter().map(|v| v.uses).sum::<u32>()), (3, 100));
        let bad = delta.bad.in_order(&t.lines);
        assert!(bad.len() == 5 && bad.iter().all(|(_, l)| l.contains("500") && !l.contains("sk-proj")));
        assert!(t.leaks.iter().all(|(id, _)| id.presented), "in the field of a credential it is a use, not a leak");
    }
}
