//! The monitor: takes tallies, keeps the keys, asks the detectors, and says what begins and what ends.
//!
//! Everything runs on event time. The newest event time is the head; lines more than 10 minutes behind it are counted
//! as late and not scored. A line from the future (more than 5 minutes ahead of the clock that `tick` is given) counts
//! as happening now, so one wrong clock cannot make all others late. When nothing has arrived for 10 minutes, time goes
//! on by that clock, so that alerts end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::after_hours::AfterHours;
use super::calendar::CalendarConfig;
use super::compose::{About, RuleNotes, alert};
use super::config::{Common, DetectConfig, KeyConfig};
use super::detector::{Detector, Signal, View};
use super::episode::{Episode, Phase, fingerprint};
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
use super::volume_spike::VolumeSpike;
use crate::redact::Redactor;
use crate::units::Timestamp;
use crate::window::{Counts, KeyDelta, KeyId, KeyState, Keys, LATE_BUCKETS, Tally, bucket, bucket_start};

/// How far ahead of the clock an event may be.
const AHEAD: Duration = Duration::from_secs(300);

/// Silence after which time goes on by the clock.
const IDLE: Duration = Duration::from_secs(600);

/// How long another signal about a key makes a new network worth a page.
const COMPANY: Duration = Duration::from_secs(86_400);

/// Row of the monitor's own state among the stored rows; no key is called so.
const OWN_ROW: &str = "!monitor";

/// Prefix of the rows of episodes.
const EPISODE_ROW: &str = "!alert/";

/// Everything the monitor is told.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// `[detect]`.
    pub detect: DetectConfig,
    /// `[calendars]`.
    pub calendars: BTreeMap<String, CalendarConfig>,
    /// `[keys]`.
    pub keys: BTreeMap<String, KeyConfig>,
    /// Names of the sources, by [`crate::event::SourceId`].
    pub sources: Vec<String>,
    /// This machine's name.
    pub host: String,
}

/// What the monitor counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events.
    pub events: u64,
    /// Uses that came too late to be scored.
    pub late: u64,
    /// Events from the future.
    pub ahead: u64,
    /// Events without a usable time.
    pub untimed: u64,
    /// Keys that are remembered.
    pub keys: u64,
    /// Keys that had to make room.
    pub evicted: u64,
    /// Alerts that are firing.
    pub firing: u64,
}

/// What an episode is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct EpisodeId {
    kind: Kind,
    key: Option<KeyId>,
    policy: String,
}

/// An episode as stored.
#[derive(Serialize, Deserialize)]
struct StoredEpisode {
    kind: String,
    key: Option<String>,
    policy: String,
    episode: Episode,
}

/// The monitor's own state as stored.
#[derive(Default, Serialize, Deserialize)]
struct StoredSelf {
    newest: Option<Timestamp>,
    fleet: f64,
    fed: Option<Timestamp>,
}

/// See the module.
pub struct Monitor {
    watch: Watch,
    policies: Policies,
    rules: RuleNotes,
    detectors: Vec<(Box<dyn Detector>, Common)>,
    leak_settings: Common,
    keys: Keys,
    recent: Recent,
    episodes: HashMap<EpisodeId, Episode>,
    changed: HashSet<EpisodeId>,
    pending: Tally,
    newest: Option<Timestamp>,
    fed: Option<Timestamp>,
    fleet: f64,
    counters: Counters,
    moved: bool,
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
        self.settle(now, &mut out);
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
            self.recent.add(id, delta);
            steps.extend(delta.buckets.iter().map(|(b, c)| ((*b).min(limit), id, delta, *c)));
        }
        steps.sort_unstable_by_key(|s| (s.0, s.1));
        for (b, id, delta, counts) in steps {
            let newest = self.newest.map_or(i64::MIN, bucket);
            if b < newest.saturating_sub(LATE_BUCKETS) {
                self.counters.late += u64::from(counts.uses);
                continue;
            }
            let end = Timestamp(bucket_start(b + 1).0 - 1);
            let at = delta.last.min(end).max(bucket_start(b));
            if b > newest && self.newest.is_some() {
                self.fleet = fleet::factor(&self.keys, b - 1, self.watch.detect.zone.0);
            }
            self.newest = self.newest.max(Some(at));
            self.step(b, id, delta, counts, at, limit, out);
        }
    }

    /// Adds one bucket of one key and asks every detector.
    #[expect(clippy::too_many_arguments)]
    fn step(
        &mut self,
        b: i64,
        id: &KeyId,
        delta: &KeyDelta,
        counts: Counts,
        at: Timestamp,
        limit: i64,
        out: &mut Vec<Alert>,
    ) {
        let kind = self.kind_of(id, delta);
        let (zone, learn) = (self.watch.detect.zone.0, self.watch.detect.volume_spike.learn.as_secs() as i64);
        let state = self.keys.touch(id, || KeyState::new(&kind, delta.first));
        state.advance(b, zone, learn);
        let visits: Vec<_> = delta.visits.iter().filter(|v| bucket(v.first).min(limit) == b).copied().collect();
        let facts = state.add(b, counts, &visits, at);
        let Some(state) = self.keys.get(id) else { return };
        let policy = self.policies.of(id, &state.kind);
        let calendar = self.policies.calendar(policy);
        let mut signals = Vec::new();
        for (n, (detector, _)) in self.detectors.iter().enumerate() {
            let subject = EpisodeId { kind: detector.kind(), key: Some(*id), policy: String::new() };
            let phase = self.episodes.get(&subject).map(|e| e.phase);
            let firing = phase == Some(Phase::Firing);
            let view = View { state, bucket: b, facts: &facts, policy, calendar, fleet: self.fleet, firing, now: at };
            match detector.look(&view) {
                Some(signal) => signals.push((n, subject, signal)),
                None if phase == Some(Phase::Pending) => {
                    self.episodes.remove(&subject);
                    self.changed.insert(subject);
                }
                None => {}
            }
        }
        for (n, subject, signal) in signals {
            let common = self.detectors[n].1;
            self.key_signal(subject, id, delta, signal, common, at, out);
        }
    }

    #[expect(clippy::too_many_arguments)]
    fn key_signal(
        &mut self,
        subject: EpisodeId,
        id: &KeyId,
        delta: &KeyDelta,
        mut signal: Signal,
        common: Common,
        at: Timestamp,
        out: &mut Vec<Alert>,
    ) {
        let Some(state) = self.keys.get(id) else { return };
        if subject.kind == Kind::NewIp && state.signal_at.is_some_and(|t| at.since(t) <= COMPANY) {
            signal.escalate = true;
        }
        let about = About {
            key: Some(self.describe(id, state)),
            source: self.watch.sources.get(usize::from(delta.source.0)).cloned(),
            policy: String::new(),
            lines: self.recent.lines(id, signal.bad_lines),
        };
        let kind = subject.kind;
        self.raise(subject, &about, &signal, &common, at, out);
        if kind != Kind::NewIp {
            self.keys.touch(id, || KeyState::new("", at)).signal_at = Some(at);
        }
    }

    /// Tells the episode that its condition holds.
    fn raise(
        &mut self,
        id: EpisodeId,
        about: &About,
        signal: &Signal,
        c: &Common,
        at: Timestamp,
        out: &mut Vec<Alert>,
    ) {
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
            let about = About { key, source: found.source, policy: found.policy.clone(), lines: found.lines };
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

    /// Ends what has been over for long enough and forgets what mutes nothing any more.
    fn settle(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        let idle = self.fed.is_none_or(|fed| now.since(fed) > IDLE);
        let at = match self.newest {
            Some(newest) if !idle => newest,
            Some(newest) => newest.max(now.minus(IDLE)),
            None => now.minus(IDLE),
        };
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

    /// What changed since the last call, as (row, bytes); empty bytes mean that the row is gone. Call it right after
    /// [`Monitor::tick`], when nothing is pending.
    pub fn dirty(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut rows = self.keys.take_dirty();
        let mut changed: Vec<EpisodeId> = self.changed.drain().collect();
        changed.sort_unstable();
        for id in changed {
            let tag = id.key.as_ref().map_or("", KeyId::name);
            let row = format!("{EPISODE_ROW}{}", fingerprint(id.kind.name(), tag, &id.policy));
            let bytes = self.episodes.get(&id).map(|episode| {
                let key = id.key.map(|k| k.to_string());
                let stored =
                    StoredEpisode { kind: id.kind.name().to_owned(), key, policy: id.policy, episode: episode.clone() };
                serde_json::to_vec(&stored).unwrap_or_default()
            });
            rows.push((row, bytes.unwrap_or_default()));
        }
        if std::mem::take(&mut self.moved) {
            let own = StoredSelf { newest: self.newest, fleet: self.fleet, fed: self.fed };
            rows.push((OWN_ROW.to_owned(), serde_json::to_vec(&own).unwrap_or_default()));
        }
        rows
    }

    /// Takes up what [`Monitor::dirty`] gave in an earlier life. Rows that cannot be read are passed over and counted
    /// in the result: those keys are learned anew.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (String, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (row, bytes) in rows {
            let done = if row == OWN_ROW {
                self.restore_self(&bytes)
            } else if row.starts_with(EPISODE_ROW) {
                self.restore_episode(&bytes)
            } else {
                let state = KeyId::parse(&row).zip(KeyState::from_bytes(&bytes));
                state.map(|(id, state)| self.keys.restore(id, state)).is_some()
            };
            unread += usize::from(!done);
        }
        unread
    }

    fn restore_self(&mut self, bytes: &[u8]) -> bool {
        let Ok(own) = serde_json::from_slice::<StoredSelf>(bytes) else { return false };
        (self.newest, self.fleet, self.fed) = (own.newest, own.fleet, own.fed);
        true
    }

    fn restore_episode(&mut self, bytes: &[u8]) -> bool {
        let Ok(stored) = serde_json::from_slice::<StoredEpisode>(bytes) else { return false };
        let Some(kind) = super::kind::KINDS.iter().find(|k| k.name == stored.kind) else { return false };
        let key = stored.key.as_deref().map(KeyId::parse);
        if key == Some(None) {
            return false;
        }
        let id = EpisodeId { kind: kind.kind, key: key.flatten(), policy: stored.policy };
        self.episodes.insert(id, stored.episode);
        true
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
