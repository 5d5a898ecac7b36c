//! The monitor's look at keys: each bucket of each key, in order of event time.

use std::time::Duration;

use super::compose::About;
use super::detector::{Signal, Travel, View};
use super::episode::Phase;
use super::kind::Kind;
use super::monitor::{AHEAD, Between, EpisodeId, Monitor, SOME};
use super::object::Alert;
use super::settings::Common;
use crate::units::Timestamp;
use crate::window::{
    Aspect, KeyDelta, KeyId, KeyState, LATE_BUCKETS, NEAR, RING, Sighting, Slice, Tally, Visit, Word, bucket,
    bucket_start,
};

/// How long another signal about a key makes a new network worth a page.
const COMPANY: Duration = Duration::from_secs(86_400);

/// The oldest and the newest event time of `delta` in its slice of bucket `b`: exact in its first and last slice, to the
/// second in those between. What was ahead of its time is taken as of `b`.
fn span(delta: &KeyDelta, slice: &Slice, b: i64) -> (Timestamp, Timestamp) {
    let second = |n: u16| Duration::from_secs(n.into());
    let start = bucket_start(b);
    let (from, to) = (start.plus(second(slice.from_s)), Timestamp(start.plus(second(slice.to_s + 1)).0 - 1));
    let at = if bucket(delta.last) == b { delta.last } else { to };
    let first = if bucket(delta.first) == b { delta.first } else { from };
    (first.min(at), at)
}

/// One bucket of one key.
struct Step<'a> {
    id: &'a KeyId,
    delta: &'a KeyDelta,
    slice: Slice,
    /// The oldest event time in it.
    first: Timestamp,
    /// The newest event time in it.
    at: Timestamp,
    /// Addresses first seen in it.
    visits: &'a [Visit],
}

impl Monitor {
    pub(super) fn look_at_keys(&mut self, tally: &Tally, now: Timestamp, out: &mut Vec<Alert>, between: Between<'_>) {
        let limit = bucket(now.plus(AHEAD));
        let mut steps: Vec<(i64, u64, &KeyId, &KeyDelta, Slice)> = Vec::with_capacity(tally.keys.len());
        for (id, delta) in &tally.keys {
            // An order that is the same in every process, and quicker to find than that of the names.
            let spread = id.spread();
            steps.extend(delta.slices.iter().map(|s| (s.bucket.min(limit), spread, id, delta, *s)));
        }
        steps.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| a.2.cmp(b.2)));
        let mut some = Vec::new();
        for (n, &(b, _, id, delta, slice)) in steps.iter().enumerate() {
            if n % SOME == SOME - 1 {
                between(self);
            }
            if n % NEAR == 0 {
                self.keys.warm(steps[n..].iter().take(NEAR).map(|(_, _, id, ..)| *id));
            }
            let newest = self.newest.map_or(i64::MIN, bucket);
            if b < newest.saturating_sub(LATE_BUCKETS) {
                self.counters.late += u64::from(slice.counts.uses);
                continue;
            }
            if b > newest && self.newest.is_some() {
                self.turn(b, out);
            }
            let (first, at) = span(delta, &slice, b);
            self.newest = self.newest.max(Some(at));
            let whole = delta.slices.len() == 1;
            let visits = if whole {
                delta.visits.as_slice()
            } else {
                some.clear();
                some.extend(delta.visits.iter().filter(|v| bucket(v.first).min(limit) == b));
                some.as_slice()
            };
            self.sightings.clear();
            let sightings = tally.sightings.of(delta.sightings);
            self.sightings.extend(sightings.filter(|s| whole || bucket(s.first).min(limit) == b));
            self.sightings.sort_unstable_by_key(|s| (s.aspect, s.word));
            self.step(&Step { id, delta, slice: Slice { bucket: b, ..slice }, first, at, visits }, tally, out);
        }
    }

    /// A new bucket begins: the one before is compared over all keys, and what is over ends.
    fn turn(&mut self, b: i64, out: &mut Vec<Alert>) {
        self.fleet.turn(&self.keys, b - 1, self.watch.detect.zone.0);
        self.look_at_fleet(bucket_start(b), out);
        self.settle(bucket_start(b), out);
    }

    /// Adds one bucket of one key and asks every detector.
    fn step(&mut self, step: &Step<'_>, tally: &Tally, out: &mut Vec<Alert>) {
        let Step { id, delta, slice, first, at, visits } = step;
        let place = self.keys.enter(id, || KeyState::new("", delta.first));
        self.name(place, delta);
        let slot = self.keys.at_mut(place);
        if slot.policy == u32::MAX {
            slot.policy = self.policies.find(&slot.id, &slot.state.kind);
        }
        let policy = self.policies.get(slot.policy);
        slot.state.advance(slice.bucket, &self.clock);
        let mut facts = std::mem::take(&mut self.facts);
        slot.state.add(slice, visits, &self.sightings, (*first, *at), &self.clock, &mut facts);
        if policy.config.retired.is_some_and(|day| *at >= day.0) {
            slot.state.used_retired(slice.counts.uses);
        }
        for seen in facts.seen.iter().filter(|s| s.new) {
            let (word, name) = (seen.sighting.word, tally.words.get(seen.sighting.word));
            if name.is_some_and(|name| self.words.keep(word, name.as_bytes())) {
                self.new_words.push(word);
            }
        }
        self.facts = facts;
        let travel = self.locate(place, visits, *at);
        if slice.counts.refused > 0 {
            self.crowd.note(id, visits, *at);
        }
        let (signals, over) = self.ask(place, step, travel);
        for kind in over {
            self.forget(EpisodeId { kind, key: Some(**id), policy: String::new() });
        }
        for (kind, signal, common) in signals {
            self.key_signal(kind, place, step, signal, &common, out);
        }
        if slice.counts.refused > 0 {
            self.look_at_crowd(visits, *at, out);
        }
    }

    /// Asks every detector; gives what they say, and pending episodes whose condition is over.
    fn ask(&self, place: u32, step: &Step<'_>, travel: Option<Travel>) -> (Vec<(Kind, Signal, Common)>, Vec<Kind>) {
        let slot = self.keys.at(place);
        let policy = self.policies.get(slot.policy);
        let mut view = View {
            id: &slot.id,
            state: &slot.state,
            slice: &step.slice,
            bucket: step.slice.bucket,
            five: slot.state.window(step.slice.bucket, 1),
            quarter: slot.state.window(step.slice.bucket, 3),
            hour: slot.state.window(step.slice.bucket, RING as i64),
            facts: &self.facts,
            visits: step.visits,
            policy,
            calendar: self.policies.calendar(policy),
            words: &self.words,
            fleet: self.fleet.factor(),
            travel,
            firing: false,
            now: step.at,
        };
        let (mut signals, mut over) = (Vec::new(), Vec::new());
        let asked = self.asked.get(slot.policy as usize).map_or(&[][..], Vec::as_slice);
        for (detector, common) in asked.iter().map(|n| &self.detectors[*n]) {
            let kind = detector.kind();
            let phase = (slot.open >> kind as u32 & 1 == 1)
                .then(|| {
                    let id = EpisodeId { kind, key: Some(slot.id), policy: String::new() };
                    self.episodes.get(&id).map(|e| e.phase)
                })
                .flatten();
            view.firing = phase == Some(Phase::Firing);
            match detector.look(&view) {
                Some(signal) => signals.push((kind, signal, *common)),
                None if phase == Some(Phase::Pending) => over.push(kind),
                None => {}
            }
        }
        (signals, over)
    }

    fn key_signal(
        &mut self,
        kind: Kind,
        place: u32,
        step: &Step<'_>,
        mut signal: Signal,
        common: &Common,
        out: &mut Vec<Alert>,
    ) {
        let (id, at) = (step.id, step.at);
        let slot = self.keys.at(place);
        let state = &slot.state;
        if kind == Kind::NewIp && state.signal_at().is_some_and(|t| at.since(t) <= COMPANY) {
            signal.escalate = true;
        }
        let subject = EpisodeId { kind, key: Some(*id), policy: String::new() };
        let known = self.episodes.get(&subject).map(|e| e.phase);
        if kind == Kind::ErrorRate && known.is_none() && self.all_err(id, at, out) {
            return;
        }
        let going = known == Some(Phase::Firing) || self.storm.rages(kind.name(), at);
        let slot = self.keys.at(place);
        let about = About {
            key: Some(self.describe(id, &slot.state)),
            source: self.watch.sources.get(usize::from(step.delta.source.0)).cloned(),
            policy: String::new(),
            // Only the beginning needs them: an episode keeps the lines it began with.
            lines: if going { Vec::new() } else { self.recent.lines(id, signal.bad_lines) },
            hours: slot.state.last_day(step.slice.bucket),
            single: self.policies.get(slot.policy).sensitive,
        };
        // What a digest would say is no company for a new network.
        let alone = matches!(kind, Kind::NewIp | Kind::GeoChange | Kind::EndpointNew | Kind::VolumeRamp | Kind::KeyAge)
            || signal.urgency.is_some();
        self.raise(subject, &about, &signal, common, at, out);
        if !alone {
            self.keys.at_mut(place).state.signalled(at);
        }
    }

    /// Sets a key's type by what the tally knows, when it says more than what was known.
    fn name(&mut self, place: u32, delta: &KeyDelta) {
        let slot = self.keys.at(place);
        if delta.rule.is_none() && delta.kind.is_none() && slot.id.is_in(&slot.state.kind) {
            return;
        }
        let by_rule = delta.rule.and_then(|r| self.rules.get(r)).map(|r| r.kind.as_str());
        let kind = by_rule.or(delta.kind.as_deref()).or_else(|| slot.id.space()).unwrap_or("KEY");
        if *slot.state.kind == *kind {
            return;
        }
        if slot.state.kind.is_empty() || self.rules.is_better(kind, &slot.state.kind) {
            let kind: Box<str> = kind.into();
            let slot = self.keys.at_mut(place);
            (slot.state.kind, slot.policy) = (kind, u32::MAX);
        }
    }

    /// Looks up where the newest uses came from, when there is a database; gives how the key must have travelled.
    fn locate(&mut self, place: u32, visits: &[Visit], at: Timestamp) -> Option<Travel> {
        if !self.places.any() {
            return None;
        }
        let mut travel: Option<Travel> = None;
        let mut far = Vec::new();
        for visit in visits {
            let found = self.places.find(visit.ip);
            let state = &mut self.keys.at_mut(place).state;
            for (aspect, name) in [(Aspect::Country, &found.country), (Aspect::System, &found.system)] {
                let Some(name) = name else { continue };
                let word = Word::of(name.as_bytes());
                let seen =
                    state.see(&Sighting { aspect, word, first: visit.first, last: visit.last, uses: visit.uses });
                if seen.new && self.words.keep(word, name.as_bytes()) {
                    self.new_words.push(word);
                }
                if seen.new && aspect == Aspect::System {
                    far.push(crate::window::Network::of(visit.ip));
                }
                self.facts.seen.push(seen);
            }
            if let Some(moved) = found.at.and_then(|here| super::geo::travel(state, here, visit, at)) {
                travel = travel.filter(|t| t.km_h >= moved.km_h).or(Some(moved));
            }
        }
        if self.places.has_systems() {
            // With a table of autonomous systems, a network is far when its system is new.
            self.facts.far_networks.retain(|n| far.contains(n));
        }
        travel
    }
}
