//! The monitor: takes tallies, keeps the keys, asks the detectors, and says what begins and what ends.
//!
//! Everything runs on event time. The newest event time is the head; lines more than 10 minutes behind it are counted
//! as late and not scored. A line from the future (more than 5 minutes ahead of the clock that `tick` is given) counts
//! as happening now, so one wrong clock cannot make all others late. When nothing has arrived for 10 minutes, time goes
//! on by that clock, so that alerts end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::compose::{About, RuleNotes, alert, name_of};
use super::crowd::Crowd;
use super::detector::{Detector, Signal};
use super::episode::{Episode, Phase};
use super::fleet::Fleet;
use super::geo::Places;
use super::kind::Kind;
use super::kinds;
use super::notice::Notice;
use super::object::{Alert, AlertKey};
use super::origin::Sources;
use super::policy::{Policies, Policy, WatchError};
use super::recent::Recent;
use super::settings::Common;
use super::storm::{self, Storm};
use super::watch::{Counters, Watch};
use crate::redact::Redactor;
use crate::units::Timestamp;
use crate::window::{Clockwork, Facts, KeyId, KeyState, Keys, Sighting, Slot, Tally, Word, Words};

/// Who looks at the monitor in the middle of something that takes a while.
pub type Between<'a> = &'a mut dyn FnMut(&Monitor);

/// So many keys are worked on at a time: about three milliseconds.
pub(super) const SOME: usize = 1024;

/// How far ahead of the clock an event may be.
pub(super) const AHEAD: Duration = Duration::from_secs(300);

/// Silence after which time goes on by the clock.
const IDLE: Duration = Duration::from_secs(600);

/// Names of endpoints, models and the like that are kept for all keys together.
const MAX_WORDS: usize = 65_536;

/// What an episode is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EpisodeId {
    pub kind: Kind,
    pub key: Option<KeyId>,
    pub policy: String,
}

/// See the module.
pub struct Monitor {
    pub(super) watch: Watch,
    pub(super) policies: Policies,
    pub(super) rules: RuleNotes,
    pub(super) detectors: Vec<(Box<dyn Detector>, Common)>,
    /// For each policy, the positions of the detectors that it concerns.
    pub(super) asked: Vec<Vec<usize>>,
    pub(super) clock: Clockwork,
    pub(super) keys: Keys,
    pub(super) words: Words,
    /// Names that are not stored yet.
    pub(super) new_words: Vec<Word>,
    pub(super) recent: Recent,
    pub(super) episodes: HashMap<EpisodeId, Episode>,
    pub(super) changed: HashSet<EpisodeId>,
    pending: Tally,
    notices: Vec<(Notice, Timestamp)>,
    pub(super) newest: Option<Timestamp>,
    pub(super) fed: Option<Timestamp>,
    pub(super) fleet: Fleet,
    pub(super) crowd: Crowd,
    pub(super) sources: Sources,
    pub(super) places: Places,
    pub(super) storm: Storm,
    pub(super) counters: Counters,
    pub(super) moved: bool,
    /// The bucket in which silence was looked for last.
    pub(super) silence_at: Option<i64>,
    /// While learning, nothing is raised.
    learning: bool,
    /// Buffers.
    pub(super) facts: Facts,
    pub(super) sightings: Vec<Sighting>,
}

impl Monitor {
    /// A monitor that knows no key yet.
    ///
    /// # Errors
    /// [`WatchError`] when calendars or policies cannot be used.
    pub fn new(watch: Watch, redactor: &Redactor) -> Result<Self, WatchError> {
        let policies = Policies::new(&watch.detect, &watch.calendars, &watch.keys)?;
        let d = &watch.detect;
        let with_settings = kinds::detectors(d, d.zone.0).into_iter().map(|k| {
            let common = d.common(k.kind());
            (k, common)
        });
        let detectors: Vec<(Box<dyn Detector>, Common)> = with_settings.filter(|(_, c)| c.enabled).collect();
        let concerned = |policy| (0..detectors.len()).filter(|n| detectors[*n].0.concerns(policy)).collect();
        let asked = policies.all().map(concerned).collect();
        Ok(Self {
            policies,
            rules: RuleNotes::new(redactor),
            detectors,
            asked,
            clock: Clockwork::new(d.zone.0, d.volume_spike.learn.as_secs() as i64),
            keys: Keys::new(d.max_keys),
            words: Words::new(MAX_WORDS),
            new_words: Vec::new(),
            recent: Recent::default(),
            episodes: HashMap::new(),
            changed: HashSet::new(),
            pending: Tally::default(),
            notices: Vec::new(),
            newest: None,
            fed: None,
            fleet: Fleet::default(),
            crowd: Crowd::default(),
            sources: Sources::default(),
            places: Places::new(watch.geo.clone()),
            storm: Storm::default(),
            counters: Counters::default(),
            moved: false,
            silence_at: None,
            learning: false,
            facts: Facts::default(),
            sightings: Vec::new(),
            watch,
        })
    }

    /// Takes over what was counted; it is looked at by the next [`Monitor::tick`].
    pub fn absorb(&mut self, tally: Tally) {
        self.pending.merge(tally);
    }

    /// How many keys wait to be looked at.
    pub fn waiting(&self) -> usize {
        self.pending.keys.len()
    }

    /// Hears of a condition from outside, for example that the audit log is broken; it holds now, and is over when it was
    /// not heard of for the kind's `resolve_after`.
    pub fn notice(&mut self, notice: Notice, at: Timestamp) {
        self.notices.push((notice, at));
    }

    /// While `on`, keys are learned and nothing is raised: for history that is read to know what is usual.
    pub fn learn_only(&mut self, on: bool) {
        self.learning = on;
    }

    /// Looks at what was absorbed and at what time has ended; gives every transition: alerts that begin, go on for
    /// long, grow worse, or resolve. `now` is the clock's time, or event time in a replay.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Alert> {
        self.tick_with(now, &mut |_| {})
    }

    /// The same; with many keys that takes a while, and `between` is called now and then in the middle of it, when what
    /// is known of each key holds together.
    pub fn tick_with(&mut self, now: Timestamp, between: Between<'_>) -> Vec<Alert> {
        let mut out = Vec::new();
        let mut tally = std::mem::take(&mut self.pending);
        if !tally.is_empty() {
            self.fed = Some(now);
            self.moved = true;
            self.counters.events += tally.events;
            self.counters.ahead += tally.ahead;
            self.counters.untimed += tally.untimed;
            tally.renamed.iter().for_each(|(before, now)| self.keys.rename(before, *now));
            let lines = Arc::new(std::mem::take(&mut tally.lines));
            self.recent.add(&tally.keys, &lines);
            between(self);
            self.look_at_leaks(&tally, &lines, now, &mut out);
            self.look_at_keys(&tally, now, &mut out, between);
            self.look_at_attacks(&tally, &lines, now, &mut out);
            self.look_at_sources(&tally, now, &mut out);
        }
        for (notice, at) in std::mem::take(&mut self.notices) {
            self.hear(notice, at, &mut out);
        }
        let time = self.time(now);
        self.look_at_silence(time, &mut out);
        self.settle(time, &mut out);
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

    /// The names behind what keys were used for.
    pub fn words(&self) -> &Words {
        &self.words
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

    /// The policy of a key that is remembered.
    pub fn policy(&self, slot: &Slot) -> &Policy {
        match slot.policy {
            u32::MAX => self.policies.of(&slot.id, &slot.state.kind),
            at => self.policies.get(at),
        }
    }

    /// The keys that alerts are firing about, with the kind of each.
    pub fn firing(&self) -> impl Iterator<Item = (KeyId, Kind)> {
        let firing = self.episodes.iter().filter(|(_, episode)| episode.phase == Phase::Firing);
        firing.filter_map(|(id, _)| Some((id.key?, id.kind)))
    }

    /// The zone whose clocks learned hours follow.
    pub fn zone(&self) -> crate::units::Tz {
        self.clock.zone
    }

    /// The newest event time.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Tells the episode that its condition holds. When too many of the kind begin within an hour, they are one.
    pub(super) fn raise(
        &mut self,
        id: EpisodeId,
        about: &About,
        signal: &Signal,
        c: &Common,
        at: Timestamp,
        out: &mut Vec<Alert>,
    ) {
        if self.learning {
            return;
        }
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
        if let Some(place) = id.key.filter(|_| id.policy.is_empty()).and_then(|key| self.keys.place(&key)) {
            self.keys.at_mut(place).open |= 1 << id.kind as u32;
        }
        self.changed.insert(id.clone());
        let episode = self.episodes.entry(id).or_insert_with(|| Episode::new(fresh.clone(), at));
        out.extend(episode.holds(fresh, at, c));
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
    pub(super) fn settle(&mut self, at: Timestamp, out: &mut Vec<Alert>) {
        let mut ended: Vec<Alert> = Vec::new();
        let mut spent: Vec<EpisodeId> = Vec::new();
        for (id, episode) in &mut self.episodes {
            let common = self.watch.detect.common(id.kind);
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
            self.forget(id);
        }
    }

    /// Forgets an episode.
    pub(super) fn forget(&mut self, id: EpisodeId) {
        self.episodes.remove(&id);
        if let Some(place) = id.key.filter(|_| id.policy.is_empty()).and_then(|key| self.keys.place(&key)) {
            self.keys.at_mut(place).open &= !(1 << id.kind as u32);
        }
        self.changed.insert(id);
    }
}
