//! The monitor: takes tallies, keeps the keys, asks the detectors, and says what begins and what ends.
//!
//! Everything runs on event time. The newest event time is the head; lines more than 10 minutes behind it are counted
//! as late and not scored. A line from the future (more than 5 minutes ahead of the clock that `tick` is given) counts
//! as happening now, so one wrong clock cannot make all others late. When nothing has arrived for 10 minutes, time goes
//! on by that clock, so that alerts end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::after_hours::AfterHours;
use super::compose::{About, RuleNotes, alert, name_of};
use super::config::{Common, DetectConfig};
use super::detector::{Detector, Signal, View};
use super::episode::{Episode, Phase};
use super::fleet;
use super::key_dormant::KeyDormant;
use super::kind::Kind;
use super::leaked_key_used::LeakedKeyUsed;
use super::leaks;
use super::new_ip::NewIp;
use super::object::{Alert, AlertKey};
use super::policy::{Policies, WatchError};
use super::recent::Recent;
use super::shares::Shares;
use super::storm::{self, Storm};
use super::volume_spike::VolumeSpike;
use super::watch::{Counters, Watch};
use crate::redact::Redactor;
use crate::units::Timestamp;
use crate::window::{Counts, KeyDelta, KeyId, KeyState, Keys, LATE_BUCKETS, Tally, Visit, bucket, bucket_start};

/// How far ahead of the clock an event may be.
const AHEAD: Duration = Duration::from_secs(300);

/// Silence after which time goes on by the clock.
const IDLE: Duration = Duration::from_secs(600);

/// How long another signal about a key makes a new network worth a page.
const COMPANY: Duration = Duration::from_secs(86_400);

/// What an episode is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EpisodeId {
    pub kind: Kind,
    pub key: Option<KeyId>,
    pub policy: String,
}

/// One bucket of one key.
struct Step<'a> {
    bucket: i64,
    id: &'a KeyId,
    delta: &'a KeyDelta,
    counts: Counts,
    /// The newest event time among them.
    at: Timestamp,
    /// Networks first seen in it.
    visits: Vec<Visit>,
}

/// See the module.
pub struct Monitor {
    watch: Watch,
    policies: Policies,
    rules: RuleNotes,
    detectors: Vec<(Box<dyn Detector>, Common)>,
    leak_settings: Common,
    pub(super) keys: Keys,
    recent: Recent,
    pub(super) episodes: HashMap<EpisodeId, Episode>,
    pub(super) changed: HashSet<EpisodeId>,
    pending: Tally,
    pub(super) newest: Option<Timestamp>,
    pub(super) fed: Option<Timestamp>,
    pub(super) fleet: f64,
    pub(super) storm: Storm,
    counters: Counters,
    pub(super) moved: bool,
}

impl Monitor {
    /// A monitor that knows no key yet.
    ///
    /// # Errors
    /// [`WatchError`] when calendars or policies cannot be used.
    pub fn new(watch: Watch, redactor: &Redactor) -> Result<Self, WatchError> {
        let policies = Policies::new(&watch.detect, &watch.calendars, &watch.keys)?;
        let d = &watch.detect;
        let mut detectors: Vec<(Box<dyn Detector>, Common)> = Vec::new();
        let mut add = |detector: Box<dyn Detector>, c: Common| {
            if c.enabled {
                detectors.push((detector, c));
            }
        };
        let zone = d.zone.0;
        add(Box::new(VolumeSpike { config: d.volume_spike.clone(), zone }), d.volume_spike.common());
        add(Box::new(Shares::errors(&d.error_rate)), d.error_rate.common());
        add(Box::new(Shares::refused(&d.auth_failures)), d.auth_failures.common());
        add(Box::new(AfterHours { config: d.after_hours.clone() }), d.after_hours.common());
        add(Box::new(KeyDormant { config: d.key_dormant.clone() }), d.key_dormant.common());
        add(Box::new(LeakedKeyUsed { config: d.leaked_key_used.clone() }), d.leaked_key_used.common());
        // Last, so that it knows what the others say of the key.
        add(Box::new(NewIp { config: d.new_ip.clone() }), d.new_ip.common());
        let leak_settings = d.secret_leaked.common();
        let keys = Keys::new(d.max_keys);
        Ok(Self {
            policies,
            rules: RuleNotes::new(redactor),
            detectors,
            leak_settings,
            keys,
            recent: Recent::default(),
            episodes: HashMap::new(),
            changed: HashSet::new(),
            pending: Tally::default(),
            newest: None,
            fed: None,
            fleet: 1.0,
            storm: Storm::default(),
            counters: Counters::default(),
            moved: false,
            watch,
        })
    }

    /// Takes over what was counted; it is looked at by the next [`Monitor::tick`].
    pub fn absorb(&mut self, tally: Tally) {
        self.pending.merge(tally);
    }

    /// Looks at what was absorbed and at what time has ended; gives every transition: alerts that begin, go on for
    /// long, grow worse, or resolve. `now` is the clock's time, or event time in a replay.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Alert> {
        let mut out = Vec::new();
        let tally = std::mem::take(&mut self.pending);
        if !tally.is_empty() {
            self.fed = Some(now);
            self.moved = true;
            self.counters.events += tally.events;
            self.counters.ahead += tally.ahead;
            self.counters.untimed += tally.untimed;
            self.look_at_leaks(&tally, now, &mut out);
            self.look_at_keys(&tally, now, &mut out);
        }
        self.settle(self.time(now), &mut out);
        out
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let firing = self.episodes.values().filter(|e| e.phase == Phase::Firing).count() as u64;
        Counters { keys: self.keys.len() as u64, evicted: self.keys.evicted(), firing, ..self.counters }
    }

    /// The keys that are remembered.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The name and policy of a key, as alerts show it.
    pub fn describe(&self, id: &KeyId, state: &KeyState) -> AlertKey {
        let policy = self.policies.of(id, &state.kind);
        AlertKey {
            kind: state.kind.to_string(),
            tag: id.name().to_owned(),
            label: policy.label.clone(),
            group: policy.group.clone(),
        }
    }

    fn look_at_keys(&mut self, tally: &Tally, now: Timestamp, out: &mut Vec<Alert>) {
        let limit = bucket(now.plus(AHEAD));
        let mut steps: Vec<(i64, &KeyId, &KeyDelta, Counts)> = Vec::new();
        for (id, delta) in &tally.keys {
            self.recent.add(id, delta, &tally.lines);
            steps.extend(delta.buckets.iter().map(|(b, c)| ((*b).min(limit), id, delta, *c)));
        }
        steps.sort_unstable_by_key(|s| (s.0, s.1));
        for (b, id, delta, counts) in steps {
            let newest = self.newest.map_or(i64::MIN, bucket);
            if b < newest.saturating_sub(LATE_BUCKETS) {
                self.counters.late += u64::from(counts.uses);
                continue;
            }
            if b > newest && self.newest.is_some() {
                self.fleet = fleet::factor(&self.keys, b - 1, self.watch.detect.zone.0);
                self.settle(bucket_start(b), out);
            }
            let end = Timestamp(bucket_start(b + 1).0 - 1);
            let at = delta.last.min(end).max(bucket_start(b));
            self.newest = self.newest.max(Some(at));
            let visits = delta.visits.iter().filter(|v| bucket(v.first).min(limit) == b).copied().collect();
            self.step(&Step { bucket: b, id, delta, counts, at, visits }, out);
        }
    }

    /// Adds one bucket of one key and asks every detector.
    fn step(&mut self, step: &Step<'_>, out: &mut Vec<Alert>) {
        let (id, at) = (step.id, step.at);
        let kind = self.kind_of(id, step.delta);
        let (zone, learn) = (self.watch.detect.zone.0, self.watch.detect.volume_spike.learn.as_secs() as i64);
        let state = self.keys.touch(id, || KeyState::new(&kind, step.delta.first));
        if *state.kind != *kind && self.rules.is_better(&kind, &state.kind) {
            state.kind = kind.into();
        }
        state.advance(step.bucket, zone, learn);
        let facts = state.add(step.bucket, step.counts, &step.visits, at);
        let Some(state) = self.keys.get(id) else { return };
        let policy = self.policies.of(id, &state.kind);
        let calendar = self.policies.calendar(policy);
        let mut signals = Vec::new();
        for (detector, common) in &self.detectors {
            let subject = EpisodeId { kind: detector.kind(), key: Some(*id), policy: String::new() };
            let phase = self.episodes.get(&subject).map(|e| e.phase);
            let firing = phase == Some(Phase::Firing);
            let (bucket, fleet) = (step.bucket, self.fleet);
            let view = View { state, bucket, facts: &facts, policy, calendar, fleet, firing, now: at };
            match detector.look(&view) {
                Some(signal) => signals.push((subject, signal, *common)),
                None if phase == Some(Phase::Pending) => {
                    self.episodes.remove(&subject);
                    self.changed.insert(subject);
                }
                None => {}
            }
        }
        for (subject, signal, common) in signals {
            self.key_signal(subject, step, signal, &common, out);
        }
    }

    fn key_signal(
        &mut self,
        subject: EpisodeId,
        step: &Step<'_>,
        mut signal: Signal,
        common: &Common,
        out: &mut Vec<Alert>,
    ) {
        let (id, at) = (step.id, step.at);
        let Some(state) = self.keys.get(id) else { return };
        if subject.kind == Kind::NewIp && state.signal_at.is_some_and(|t| at.since(t) <= COMPANY) {
            signal.escalate = true;
        }
        let going = self.episodes.get(&subject).is_some_and(|e| e.phase == Phase::Firing)
            || self.storm.rages(subject.kind.name(), at);
        let about = About {
            key: Some(self.describe(id, state)),
            source: self.watch.sources.get(usize::from(step.delta.source.0)).cloned(),
            policy: String::new(),
            // Only the beginning needs them: an episode keeps the lines it began with.
            lines: if going { Vec::new() } else { self.recent.lines(id, signal.bad_lines) },
            single: self.policies.of(id, &state.kind).sensitive,
        };
        let kind = subject.kind;
        self.raise(subject, &about, &signal, common, at, out);
        if kind != Kind::NewIp {
            self.keys.touch(id, || KeyState::new("", at)).signal_at = Some(at);
        }
    }

    /// Tells the episode that its condition holds. When too many of the kind begin within an hour, they are one.
    fn raise(
        &mut self,
        id: EpisodeId,
        about: &About,
        signal: &Signal,
        c: &Common,
        at: Timestamp,
        out: &mut Vec<Alert>,
    ) {
        if !self.episodes.contains_key(&id)
            && !about.single
            && let Some(n) = self.storm.begin(id.kind.name(), at)
        {
            let latest = about.key.as_ref().map(name_of).unwrap_or_default();
            let about = About { policy: storm::POLICY.to_owned(), lines: about.lines.clone(), ..About::default() };
            let id = EpisodeId { kind: id.kind, key: None, policy: storm::POLICY.to_owned() };
            return self.hold(id, &about, &storm::signal(n, &latest, signal), c, at, out);
        }
        self.hold(id, about, signal, c, at, out);
    }

    fn hold(&mut self, id: EpisodeId, about: &About, signal: &Signal, c: &Common, at: Timestamp, out: &mut Vec<Alert>) {
        let fresh = alert(id.kind, about, signal, c, &self.rules, &self.watch.host, at);
        self.changed.insert(id.clone());
        let episode = self.episodes.entry(id).or_insert_with(|| Episode::new(fresh.clone(), at));
        out.extend(episode.holds(fresh, at, c));
    }

    fn look_at_leaks(&mut self, tally: &Tally, now: Timestamp, out: &mut Vec<Alert>) {
        let settings = &self.watch.detect.secret_leaked;
        let access_logs = settings.access_logs;
        for found in leaks::found(tally, &self.rules, &self.watch.sources, access_logs) {
            let at = found.first.min(now.plus(AHEAD));
            if let Some(id) = found.leaked {
                let state = self.keys.touch(&id, || KeyState::new(&found.kind, at));
                if state.leaked_at.is_none_or(|t| at < t) {
                    state.leaked_at = Some(at);
                }
            }
            if !self.leak_settings.enabled {
                continue;
            }
            let key = found.leaked.and_then(|id| Some(self.describe(&id, self.keys.get(&id)?)));
            let about =
                About { key, source: found.source, policy: found.policy.clone(), lines: found.lines, single: false };
            let subject = EpisodeId { kind: Kind::SecretLeaked, key: found.leaked, policy: found.policy };
            let common = self.leak_settings;
            self.raise(subject, &about, &found.signal, &common, at, out);
        }
    }

    fn kind_of(&self, id: &KeyId, delta: &KeyDelta) -> String {
        let by_rule = delta.rule.and_then(|r| self.rules.get(r)).map(|r| r.kind.clone());
        by_rule
            .or_else(|| delta.kind.as_ref().map(|k| k.to_string()))
            .or_else(|| id.space().map(str::to_owned))
            .unwrap_or_else(|| "KEY".to_owned())
    }

    /// How far time has come: to the newest event, or on by the clock when nothing has arrived for a while.
    fn time(&self, now: Timestamp) -> Timestamp {
        let idle = self.fed.is_none_or(|fed| now.since(fed) > IDLE);
        match self.newest {
            Some(newest) if !idle => newest,
            Some(newest) => newest.max(now.minus(IDLE)),
            None => now.minus(IDLE),
        }
    }

    /// Ends what has been over for long enough at `at`, and forgets what mutes nothing any more.
    fn settle(&mut self, at: Timestamp, out: &mut Vec<Alert>) {
        let mut ended: Vec<Alert> = Vec::new();
        let mut spent: Vec<EpisodeId> = Vec::new();
        for (id, episode) in &mut self.episodes {
            let common = common_of(&self.watch.detect, id.kind);
            if let Some(alert) = episode.settle(at, &common) {
                ended.push(alert);
                self.changed.insert(id.clone());
            }
            if episode.is_spent(at, &common) {
                spent.push(id.clone());
            }
        }
        ended.sort_by(|a, b| (a.ends_at, &a.id).cmp(&(b.ends_at, &b.id)));
        out.extend(ended);
        for id in spent {
            self.episodes.remove(&id);
            self.changed.insert(id);
        }
    }

    /// The newest event time.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }
}

/// The settings that every kind has.
pub(super) fn common_of(d: &DetectConfig, kind: Kind) -> Common {
    match kind {
        Kind::VolumeSpike => d.volume_spike.common(),
        Kind::ErrorRate => d.error_rate.common(),
        Kind::AuthFailures => d.auth_failures.common(),
        Kind::NewIp => d.new_ip.common(),
        Kind::AfterHours => d.after_hours.common(),
        Kind::KeyDormant => d.key_dormant.common(),
        Kind::SecretLeaked => d.secret_leaked.common(),
        Kind::LeakedKeyUsed => d.leaked_key_used.common(),
    }
}
