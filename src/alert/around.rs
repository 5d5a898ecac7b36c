//! The monitor's look at what is not one key: leaks, attacks, sources, addresses, all keys at once.

use std::net::IpAddr;

use super::compose::About;
use super::detector::Signal;
use super::fleet;
use super::kind::Kind;
use super::kinds::secret_leaked as leaks;
use super::kinds::volume_drop::silence;
use super::monitor::{AHEAD, EpisodeId, Monitor};
use super::notice::Notice;
use super::object::Alert;
use super::words;
use crate::units::Timestamp;
use crate::window::{KeyId, KeyState, Lines, Network, Tally, Visit, bucket};

impl Monitor {
    pub(super) fn look_at_leaks(&mut self, tally: &Tally, lines: &Lines, now: Timestamp, out: &mut Vec<Alert>) {
        let access_logs = self.watch.detect.secret_leaked.access_logs;
        for found in leaks::found(tally, lines, &self.rules, &self.watch.sources, access_logs) {
            let at = found.first.min(now.plus(AHEAD));
            if let Some(id) = found.leaked {
                let place = self.keys.enter(&id, || KeyState::new(&found.kind, at));
                self.keys.at_mut(place).state.leaked(at, &found.place);
            }
            let kind = if found.in_url { Kind::KeyInUrl } else { Kind::SecretLeaked };
            let key = found.leaked.and_then(|id| Some(self.describe(&id, self.keys.get(&id)?)));
            let about = About {
                key,
                source: found.source,
                policy: found.policy.clone(),
                lines: found.lines,
                ..About::default()
            };
            self.raise_of(EpisodeId { kind, key: found.leaked, policy: found.policy }, &about, &found.signal, at, out);
        }
    }

    /// Raises with the settings of the kind, if it is looked for.
    fn raise_of(&mut self, id: EpisodeId, about: &About, signal: &Signal, at: Timestamp, out: &mut Vec<Alert>) {
        let common = self.watch.detect.common(id.kind);
        if common.enabled {
            self.raise(id, about, signal, &common, at, out);
        }
    }

    pub(super) fn look_at_attacks(&mut self, tally: &Tally, lines: &Lines, now: Timestamp, out: &mut Vec<Alert>) {
        let c = &self.watch.detect.attack_signature;
        let (ignore, least) = (c.ignore.clone(), c.min_refused);
        let mut all: Vec<_> = tally.attacks.iter().collect();
        all.sort_unstable_by_key(|(id, d)| (d.first, *id));
        for (id, delta) in all {
            let Some(name) = tally.words.get(id.signature).filter(|n| !ignore.iter().any(|i| i == n)) else { continue };
            if id.key.is_none() && delta.answered == 0 && delta.count < least {
                continue;
            }
            let source = self.watch.sources.get(usize::from(id.source.0)).cloned();
            let key = id.key.and_then(|key| Some(self.describe(&key, self.keys.get(&key)?)));
            let (n, networks) = (words::count(f64::from(delta.count)), networks(delta.visits.iter().copied()));
            let at = delta.first.min(now.plus(AHEAD));
            let whose = if key.is_some() { "made" } else { "somebody made" };
            let place = source.as_ref().map_or_else(String::new, |s| format!(" to source `{s}`"));
            let answered = words::count(f64::from(delta.answered));
            let signal = Signal {
                observed: f64::from(delta.count),
                expected: Some(0.0),
                threshold: Some(1.0),
                unit: "requests",
                networks,
                summary: format!("{whose} {n} requests that show {name}{place}"),
                why: format!(
                    "{n} request lines fit the signature `{name}`; {answered} of them were answered (status below 400)"
                ),
                bad_lines: true,
                ..Signal::default()
            };
            let policy = format!("{name}/{}", source.as_deref().unwrap_or("-"));
            let lines = delta.lines.in_order(lines);
            let about = About { key, source, policy: policy.clone(), lines, ..About::default() };
            self.raise_of(EpisodeId { kind: Kind::AttackSignature, key: id.key, policy }, &about, &signal, at, out);
        }
    }

    pub(super) fn look_at_sources(&mut self, tally: &Tally, now: Timestamp, out: &mut Vec<Alert>) {
        let limit = now.plus(AHEAD);
        for (id, delta) in &tally.sources {
            let name = self.watch.sources.get(usize::from(id.0)).cloned().unwrap_or_else(|| format!("#{}", id.0));
            let origin = self.sources.add(&name, delta, &self.clock, limit);
            let (events, untimed, ahead) = (origin.events, origin.untimed, origin.ahead);
            let d = &self.watch.detect;
            let mut found = Vec::new();
            if ahead >= d.clock_skew.min_lines {
                let why = format!(
                    "{ahead} of {events} events within the hour bear a time more than 5 minutes after their arrival; they were taken to happen when they arrived, fires at {}",
                    d.clock_skew.min_lines
                );
                let summary = format!("source `{name}` writes times from the future");
                found.push((Kind::ClockSkew, ahead as f64, d.clock_skew.min_lines as f64, "lines", summary, why));
            }
            let share = untimed as f64 / events.max(1) as f64;
            if events >= d.parse_failures.min_events && share > d.parse_failures.max_share {
                let why = format!(
                    "{untimed} of {events} events within the hour have no time that can be read, fires above {}",
                    words::percent(d.parse_failures.max_share)
                );
                let summary = format!("the times of source `{name}` cannot be read");
                found.push((Kind::ParseFailures, share, d.parse_failures.max_share, "ratio", summary, why));
            }
            let lag = now.since(delta.last);
            if lag > d.source_lag.max_lag && delta.events > delta.untimed + delta.ahead {
                let (old, bound) =
                    (words::span(lag.as_secs() as i64), words::span(d.source_lag.max_lag.as_secs() as i64));
                let summary = format!("source `{name}` is {old} behind");
                let why = format!("the newest line that arrived is {old} old, fires above {bound}");
                found.push((
                    Kind::SourceLag,
                    lag.as_secs_f64(),
                    d.source_lag.max_lag.as_secs_f64(),
                    "seconds",
                    summary,
                    why,
                ));
            }
            for (kind, observed, threshold, unit, summary, why) in found {
                let notice = Notice {
                    kind,
                    subject: name.clone(),
                    source: Some(name.clone()),
                    observed: Some(observed),
                    threshold: Some(threshold),
                    unit,
                    summary,
                    why,
                };
                self.hear(notice, now, out);
            }
        }
        let evicted = self.keys.evicted();
        if evicted > self.counters.evicted {
            let (new, max) = (evicted - self.counters.evicted, self.watch.detect.max_keys);
            self.counters.evicted = evicted;
            let notice = Notice {
                kind: Kind::KeysEvicted,
                subject: String::new(),
                source: None,
                observed: Some(new as f64),
                threshold: Some(max as f64),
                unit: "keys",
                summary: format!("{} keys were forgotten to make room", words::count(new as f64)),
                why: format!(
                    "more than {} keys are in use (`detect.max_keys`); those seen longest ago made room, keys used over several hours last",
                    words::count(max as f64)
                ),
            };
            self.hear(notice, now, out);
        }
    }

    /// A condition that was found elsewhere holds at `at`.
    pub(super) fn hear(&mut self, notice: Notice, at: Timestamp, out: &mut Vec<Alert>) {
        let signal = Signal {
            observed: notice.observed.unwrap_or_default(),
            threshold: notice.threshold,
            unit: notice.unit,
            summary: notice.summary,
            why: notice.why,
            ..Signal::default()
        };
        let about = About { source: notice.source, policy: notice.subject.clone(), single: true, ..About::default() };
        self.raise_of(EpisodeId { kind: notice.kind, key: None, policy: notice.subject }, &about, &signal, at, out);
    }

    /// Looks for keys and sources that have fallen silent; once an hour for keys, each 5 minutes for sources.
    pub(super) fn look_at_silence(&mut self, time: Timestamp, out: &mut Vec<Alert>) {
        let five = bucket(time);
        if self.silence_at.is_some_and(|b| five <= b) || self.newest.is_none() {
            return;
        }
        let hourly = self.silence_at.is_some_and(|b| five.div_euclid(12) > b.div_euclid(12));
        self.silence_at = Some(five);
        let bounds = self.watch.detect.source_silent.as_drop();
        let silent: Vec<(String, Signal)> = self
            .sources
            .all
            .iter()
            .filter_map(|(name, o)| Some((name.clone(), silence(&o.state, time, &bounds, &self.clock, "events")?)))
            .collect();
        for (name, signal) in &silent {
            let signal = Signal { summary: format!("source `{name}` {}", signal.summary), ..signal.clone() };
            let about = About { source: Some(name.clone()), policy: name.clone(), single: true, ..About::default() };
            let id = EpisodeId { kind: Kind::SourceSilent, key: None, policy: name.clone() };
            self.raise_of(id, &about, &signal, time, out);
        }
        // Without any event nothing can be said of single keys.
        let blind = self.newest.is_none_or(|newest| time.secs() - newest.secs() >= 3600);
        if !hourly || blind || !silent.is_empty() || !self.watch.detect.volume_drop.enabled {
            return;
        }
        let c = self.watch.detect.volume_drop.clone();
        let quiet = self.keys.iter().filter_map(|(id, s)| Some((*id, silence(s, time, &c, &self.clock, "requests")?)));
        let mut quiet: Vec<(KeyId, Signal)> = quiet.collect();
        quiet.sort_unstable_by_key(|(id, _)| *id);
        for (id, signal) in quiet {
            let Some(state) = self.keys.get(&id) else { continue };
            let about = About { key: Some(self.describe(&id, state)), ..About::default() };
            self.raise_of(
                EpisodeId { kind: Kind::VolumeDrop, key: Some(id), policy: String::new() },
                &about,
                &signal,
                time,
                out,
            );
        }
    }

    /// Looks whether the addresses of the newest refusals try many keys.
    pub(super) fn look_at_crowd(&mut self, visits: &[Visit], at: Timestamp, out: &mut Vec<Alert>) {
        let least = f64::from(self.watch.detect.key_enumeration.min_keys);
        for visit in visits.iter().filter(|v| v.refused > 0) {
            let Some(tried) = self.crowd.of(visit.ip, at).filter(|t| t.keys() >= least) else { continue };
            let (keys, refused) = (tried.keys(), tried.refused);
            let ip = visit.ip;
            let signal = Signal {
                observed: keys.round(),
                expected: Some(1.0),
                threshold: Some(least),
                window_s: Some(3600),
                unit: "keys",
                networks: vec![Network::of(ip)],
                summary: format!("address {ip} tried about {} keys and was refused", words::count(keys)),
                why: format!(
                    "{} requests from {ip} with about {} different keys were refused within the hour, fires at {}",
                    words::count(f64::from(refused)),
                    words::count(keys),
                    words::count(least)
                ),
                bad_lines: true,
                ..Signal::default()
            };
            let policy = ip.to_string();
            let about = About { policy: policy.clone(), ..About::default() };
            self.raise_of(EpisodeId { kind: Kind::KeyEnumeration, key: None, policy }, &about, &signal, at, out);
        }
    }

    /// Looks whether all keys are busier than usual.
    pub(super) fn look_at_fleet(&mut self, at: Timestamp, out: &mut Vec<Alert>) {
        let bound = self.watch.detect.fleet_shift.times_usual;
        let Some(signal) = self.fleet.busier(bound) else { return };
        let about = About { policy: "volume".to_owned(), single: true, ..About::default() };
        let id = EpisodeId { kind: Kind::FleetShift, key: None, policy: "volume".to_owned() };
        self.raise_of(id, &about, &signal, at, out);
    }

    /// A key begins to fail: whether so many do at once that they are told as one.
    pub(super) fn all_err(&mut self, id: &KeyId, at: Timestamp, out: &mut Vec<Alert>) -> bool {
        let c = &self.watch.detect.fleet_shift;
        let Some((n, active)) = self.fleet.errs(id, bucket(at), c.erring_share, c.min_erring) else { return false };
        if !c.enabled {
            return false;
        }
        let lines = self.recent.lines(id, true);
        let about = About { policy: "errors".to_owned(), lines, single: true, ..About::default() };
        let id = EpisodeId { kind: Kind::FleetShift, key: None, policy: "errors".to_owned() };
        self.raise_of(id, &about, &fleet::erring(n, active), at, out);
        true
    }
}

fn networks(visits: impl Iterator<Item = IpAddr>) -> Vec<Network> {
    let mut all: Vec<Network> = visits.map(Network::of).collect();
    all.dedup();
    all.truncate(5);
    all
}
