//! What is remembered of one key.

use std::cell::Cell;

use chrono::{Datelike, Timelike};

use super::day::Day;
use super::extra::{Extra, Place};
use super::habits::{Habit, Habits, Seen};
use super::id::Network;
use super::meter::Meter;
use super::networks::{Known, MAX_KNOWN};
use super::profile::{Profile, WEEK};
use super::sighting::Sighting;
use super::tally::{BUCKET_S, Counts, Slice, Visit, bucket, bucket_start};
use crate::units::{Timestamp, Tz};

/// Buckets in the ring: one hour.
pub const RING: usize = 12;

/// Buckets that a line may be behind the newest and still be counted: 10 minutes.
pub const LATE_BUCKETS: i64 = 2;

/// Per-hour factor of a half-life of 7 days.
const BASE_DECAY: f32 = 0.995_882_6;

/// Longest silence that is learned hour by hour: two weeks.
const MAX_QUIET_HOURS: i64 = 2 * WEEK as i64;

/// What changed when counts were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// How long the key had been silent before, in seconds.
    pub silence_s: i64,
    /// The longest silence before that one, in seconds.
    pub longest_s: i64,
    /// Networks that were not known, with the time of their first use.
    pub new_networks: Vec<(Network, Timestamp)>,
    /// Those of them that have no known network nearby (IPv4 /16, IPv6 /32).
    pub far_networks: Vec<Network>,
    /// New networks seen before these.
    pub new_before: u32,
    /// Whether any network was known before.
    pub had_networks: bool,
    /// What it was used for and how, compared with what was known.
    pub seen: Vec<Seen>,
}

impl Facts {
    fn clear(&mut self) {
        self.new_networks.clear();
        self.far_networks.clear();
        self.seen.clear();
        self.silence_s = 0;
    }
}

/// The clocks that learned hours follow.
#[derive(Debug)]
pub struct Clockwork {
    /// The zone.
    pub zone: Tz,
    /// How long a key is learned before it is judged, in seconds.
    pub learn_s: i64,
    /// The hour asked for last, with its place in the week and its day.
    last: Cell<(i64, usize, i32)>,
}

impl Clockwork {
    /// Clocks of a zone.
    pub fn new(zone: Tz, learn_s: i64) -> Self {
        Self { zone, learn_s, last: Cell::new((i64::MIN, 0, 0)) }
    }

    /// The hour of the week and the day of an hour counted from 1970.
    fn at(&self, hour: i64) -> (usize, i32) {
        let (last, week, day) = self.last.get();
        if last == hour {
            return (week, day);
        }
        let (week, day) = (hour_of_week(hour, self.zone), local_day(hour, self.zone));
        self.last.set((hour, week, day));
        (week, day)
    }
}

/// One key's memory: about 350 bytes, 950 once it has a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyState {
    /// The label's type: `OPENAI_API_KEY`.
    pub kind: Box<str>,
    /// First event time, also of a line that came late.
    pub first_seen: Timestamp,
    /// Last event time.
    pub last_seen: Timestamp,
    /// All uses.
    pub total: u64,
    /// Newest bucket.
    pub(super) head: i64,
    pub(super) ring: [Counts; RING],
    /// The hour before, which late lines may still reach, and the one that is filling.
    pub(super) hours: [Hour; 2],
    pub(super) profile: Option<Box<Profile>>,
    pub(super) day: Day,
    pub(super) active_hours: u32,
    pub(super) longest_gap_s: u32,
    pub(super) networks: Vec<Known>,
    pub(super) new_networks: u32,
    /// Decayed sums of (uses, errors, refused); half-life 7 days.
    pub(super) base: [f32; 3],
    pub(super) habits: Habits,
    pub(super) extra: Option<Box<Extra>>,
}

/// An hour that is not learned yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Hour {
    /// Counted from 1970.
    pub at: i64,
    pub sum: Counts,
    /// Uses in its busiest bucket.
    pub peak: u32,
}

impl Hour {
    fn empty(at: i64) -> Self {
        Self { at, ..Self::default() }
    }
}

/// The hour of a bucket, counted from 1970.
fn hour_of_bucket(bucket: i64) -> i64 {
    bucket.div_euclid(RING as i64)
}

/// The hour of the week of an hour counted from 1970, Monday 00:00 first, on the clocks of `zone`.
pub fn hour_of_week(hour: i64, zone: Tz) -> usize {
    let local = Timestamp::from_secs(hour * 3600).to_utc().with_timezone(&zone);
    local.weekday().num_days_from_monday() as usize * 24 + local.hour() as usize
}

/// The day, counted from 1970 by the calendar of `zone`, of an hour counted from 1970.
pub fn local_day(hour: i64, zone: Tz) -> i32 {
    let local = Timestamp::from_secs(hour * 3600).to_utc().with_timezone(&zone).date_naive();
    local.num_days_from_ce() - 719_163
}

impl KeyState {
    /// A key seen for the first time.
    pub fn new(kind: &str, at: Timestamp) -> Self {
        let head = bucket(at);
        let hour = hour_of_bucket(head);
        Self {
            kind: kind.into(),
            first_seen: at,
            last_seen: at,
            total: 0,
            head,
            ring: [Counts::default(); RING],
            hours: [Hour::empty(hour - 1), Hour::empty(hour)],
            profile: None,
            day: Day::default(),
            active_hours: 0,
            longest_gap_s: 0,
            networks: Vec::new(),
            new_networks: 0,
            base: [0.0; 3],
            habits: Habits::default(),
            extra: None,
        }
    }

    /// The newest bucket.
    pub fn head(&self) -> i64 {
        self.head
    }

    /// A number made of something of each cache line of its own.
    pub(super) fn touch(&self) -> u64 {
        let ring = self.ring[0].uses ^ self.ring[5].uses ^ self.ring[10].uses ^ self.active_hours;
        self.total ^ u64::from(ring) ^ self.networks.len() as u64
    }

    /// The same of what it holds elsewhere.
    pub(super) fn touch_far(&self) -> u64 {
        let profile = self.profile.as_ref().map_or(0, |p| p.touch());
        let networks = self.networks.last().map_or(0, |n| u64::from(n.hour));
        let habits = self.habits.all().first().map_or(0, |h| u64::from(h.hour));
        profile ^ networks ^ habits
    }

    /// Moves on to `bucket`: empties the ring's passed places and learns the hours that are over.
    pub fn advance(&mut self, bucket: i64, clock: &Clockwork) {
        if self.total == 0 {
            // Only heard of until now (found in a log): its time begins with its first use.
            let extra = self.extra.take();
            *self = Self { extra, ..Self::new(&self.kind, bucket_start(bucket)) };
        }
        if bucket <= self.head {
            return;
        }
        for b in (self.head + 1)..=bucket.min(self.head + RING as i64) {
            self.ring[b.rem_euclid(RING as i64) as usize] = Counts::default();
        }
        self.head = bucket;
        let hour = hour_of_bucket(bucket);
        let [before, filling] = self.hours;
        if hour <= filling.at {
            return;
        }
        self.close(before, clock);
        if hour == filling.at + 1 {
            self.hours = [filling, Hour::empty(hour)];
            return;
        }
        self.close(filling, clock);
        for quiet in (filling.at + 1).max(hour - 1 - MAX_QUIET_HOURS)..hour - 1 {
            self.close(Hour::empty(quiet), clock);
        }
        self.hours = [Hour::empty(hour - 1), Hour::empty(hour)];
    }

    /// Learns a finished hour; hours before the first use are none.
    fn close(&mut self, hour: Hour, clock: &Clockwork) {
        if hour.at < self.first_seen.secs().div_euclid(3600) {
            return;
        }
        let counts = hour.sum;
        self.day.close(hour.at, counts.uses);
        self.active_hours += u32::from(counts.uses > 0);
        let young = self.age_s(hour.at * RING as i64) < clock.learn_s;
        let profile = self.profile.get_or_insert_default();
        let (week, day) = clock.at(hour.at);
        profile.learn(week, counts.uses, hour.peak, young);
        profile.learn_day(day, counts.uses);
        for (sum, n) in self.base.iter_mut().zip([counts.uses, counts.errors, counts.refused]) {
            *sum = *sum * BASE_DECAY + n as f32;
        }
    }

    /// Adds what happened in a bucket that is at most [`LATE_BUCKETS`] behind, and says in `facts` what is new about it.
    /// `first` and `newest` are the oldest and the newest event time among it.
    pub fn add(
        &mut self,
        slice: &Slice,
        visits: &[Visit],
        sightings: &[Sighting],
        (first, newest): (Timestamp, Timestamp),
        clock: &Clockwork,
        facts: &mut Facts,
    ) {
        facts.clear();
        let Slice { bucket, counts, amounts, .. } = *slice;
        facts.longest_s = i64::from(self.longest_gap_s);
        if self.total == 0 {
            self.first_seen = first;
        } else {
            // lines may come in another order than they were written
            self.first_seen = self.first_seen.min(first);
        }
        // pauses within a bucket depend on how its lines were cut into pieces, so they are none
        if self.total > 0 && self.last_seen < bucket_start(bucket) {
            facts.silence_s = (first.secs() - self.last_seen.secs()).max(0);
            self.longest_gap_s = self.longest_gap_s.max(u32::try_from(facts.silence_s).unwrap_or(u32::MAX));
        }
        let slot = &mut self.ring[bucket.rem_euclid(RING as i64) as usize];
        slot.add(counts);
        let at = hour_of_bucket(bucket);
        if let Some(hour) = self.hours.iter_mut().find(|h| h.at == at) {
            hour.sum.add(counts);
            hour.peak = hour.peak.max(slot.uses);
        }
        self.total += u64::from(counts.uses);
        self.last_seen = self.last_seen.max(newest);
        facts.had_networks = !self.networks.is_empty();
        facts.new_before = self.new_networks;
        let young = self.age_s(bucket) < clock.learn_s;
        for visit in visits {
            self.visit(visit, young, facts);
        }
        facts.seen.extend(sightings.iter().map(|s| self.habits.see(s)));
        let consumed = if amounts.tokens > 0 { amounts.tokens as f32 } else { amounts.cost as f32 };
        if consumed > 0.0 || self.extra.as_ref().is_some_and(|e| e.tokens.is_some()) {
            let meter = self.extra().tokens.get_or_insert_with(|| Box::new(Meter::new(bucket)));
            meter.add(bucket, consumed, counts.uses, clock.zone, young);
        }
        if amounts.bytes > 0 {
            let meter = self.extra().bytes.get_or_insert_with(|| Box::new(Meter::new(bucket)));
            meter.add(bucket, amounts.bytes as f32, counts.uses, clock.zone, young);
        }
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    fn visit(&mut self, visit: &Visit, young: bool, facts: &mut Facts) {
        let network = Network::of(visit.ip);
        let hour = u32::try_from(visit.last.secs().div_euclid(3600)).unwrap_or(0);
        if let Some(fan) = self.extra.as_mut().and_then(|e| e.fan.as_mut()) {
            fan.add(network, hour);
        }
        if let Some(at) = self.networks.iter().rposition(|k| k.network == network) {
            self.networks[at].hour = self.networks[at].hour.max(hour);
            self.networks[at..].rotate_left(1);
            return;
        }
        facts.new_networks.push((network, visit.first));
        if !self.networks.iter().any(|k| k.network.near(network)) {
            facts.far_networks.push(network);
        }
        // The networks of its first day are not news: they are where it belongs.
        self.new_networks = self.new_networks.saturating_add(u32::from(!young));
        if self.networks.len() == MAX_KNOWN {
            let known: Vec<Known> = self.networks.iter().filter(|k| k.hour == hour).copied().collect();
            let fan = self.extra().fan.get_or_insert_with(|| {
                let mut fan = Box::<super::networks::Fan>::default();
                known.iter().for_each(|k| fan.add(k.network, k.hour));
                fan
            });
            fan.add(network, hour);
            self.networks.remove(0);
        }
        if self.networks.len() == self.networks.capacity() {
            // Most keys have one or two.
            self.networks.reserve_exact(self.networks.len().max(1));
        }
        self.networks.push(Known { network, hour });
    }

    /// The sum of the last `buckets` buckets up to `now`, at most an hour.
    pub fn window(&self, now: i64, buckets: i64) -> Counts {
        let mut sum = Counts::default();
        if now == self.head && buckets >= RING as i64 {
            self.ring.iter().for_each(|c| sum.add(*c));
            return sum;
        }
        for b in (now - buckets + 1)..=now {
            if b <= self.head && b > self.head - RING as i64 {
                sum.add(self.ring[b.rem_euclid(RING as i64) as usize]);
            }
        }
        sum
    }

    /// Buckets of the last hour up to `now`, oldest first.
    pub fn last_hour(&self, now: i64) -> impl Iterator<Item = (i64, Counts)> {
        ((now - RING as i64 + 1)..=now).map(|b| (b, self.window(b, 1)))
    }

    /// The two newest hours that are not learned yet, each counted from 1970, with what happened in them.
    pub fn newest_hours(&self) -> [(i64, Counts); 2] {
        self.hours.map(|hour| (hour.at, hour.sum))
    }

    /// Requests in each of the last 24 hours up to that of the bucket `now`, oldest first; right to 5 %. Empty for a key
    /// that was first used less than two hours ago.
    pub fn last_day(&self, now: i64) -> Vec<u32> {
        let (last, first) = (hour_of_bucket(now), self.first_seen.secs().div_euclid(3600));
        if last < first + 2 {
            return Vec::new();
        }
        let uses = |at: i64| match self.hours.iter().find(|h| h.at == at) {
            Some(open) => open.sum.uses,
            None if at < first || at > self.hours[1].at || at <= self.hours[1].at - 24 => 0,
            None => self.day.uses(at),
        };
        (last - 23..=last).map(uses).collect()
    }

    /// What is usual; `None` in the key's first hours.
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// Hours in which the key was used.
    pub fn active_hours(&self) -> u32 {
        self.active_hours
    }

    /// The longest silence between two uses, in seconds.
    pub fn longest_gap_s(&self) -> u32 {
        self.longest_gap_s
    }

    /// The remembered networks, the one used last at the end.
    pub fn networks(&self) -> &[Known] {
        &self.networks
    }

    /// From how many networks the key was used in the hour of `now`, and the most in an hour before.
    pub fn fan(&self, now: Timestamp) -> (f64, f64) {
        let hour = u32::try_from(now.secs().div_euclid(3600)).unwrap_or(0);
        match self.extra.as_ref().and_then(|e| e.fan.as_ref()) {
            Some(fan) => fan.at(hour),
            None => (self.networks.iter().filter(|k| k.hour == hour).count() as f64, 0.0),
        }
    }

    /// What it was used for and how.
    pub fn habits(&self) -> &[Habit] {
        self.habits.all()
    }

    /// Adds a sighting that comes from looking something up, and compares it with what was known.
    pub fn see(&mut self, sighting: &Sighting) -> Seen {
        self.habits.see(sighting)
    }

    /// How much it uses of tokens (or of cost, when the log tells no tokens).
    pub fn tokens(&self) -> Option<&Meter> {
        self.extra.as_ref()?.tokens.as_deref()
    }

    /// How many bytes it is sent.
    pub fn bytes(&self) -> Option<&Meter> {
        self.extra.as_ref()?.bytes.as_deref()
    }

    /// When it was first found leaked in a log, and where.
    pub fn leak(&self) -> Option<(Timestamp, &str)> {
        let extra = self.extra.as_ref()?;
        Some((extra.leaked_at?, &*extra.leaked_in))
    }

    /// Notes that it was found leaked; the first time counts.
    pub fn leaked(&mut self, at: Timestamp, place: &str) {
        let extra = self.extra();
        if extra.leaked_at.is_none_or(|t| at < t) {
            (extra.leaked_at, extra.leaked_in) = (Some(at), place.into());
        }
    }

    /// When a signal about the key was last raised.
    pub fn signal_at(&self) -> Option<Timestamp> {
        self.extra.as_ref()?.signal_at
    }

    /// Notes that a signal about the key was raised.
    pub fn signalled(&mut self, at: Timestamp) {
        self.extra().signal_at = Some(at);
    }

    /// Where it was used last, and how often it was farther away than anybody travels.
    pub fn place(&self) -> (Option<Place>, u32) {
        self.extra.as_ref().map_or((None, 0), |e| (e.place, e.jumps))
    }

    /// Notes where it was used last.
    pub fn moved(&mut self, place: Place, jumped: bool) {
        let extra = self.extra();
        extra.place = Some(place);
        extra.jumps = extra.jumps.saturating_add(u32::from(jumped));
    }

    /// Uses after the operator retired it.
    pub fn since_retired(&self) -> u32 {
        self.extra.as_ref().map_or(0, |e| e.since_retired)
    }

    /// Adds uses after the operator retired it.
    pub fn used_retired(&mut self, uses: u32) {
        let extra = self.extra();
        extra.since_retired = extra.since_retired.saturating_add(uses);
    }

    /// The usual share of requests that fail (first) and that are refused (second); 0 until 20 requests were learned.
    pub fn usual_shares(&self) -> (f64, f64) {
        let [uses, errors, refused] = self.base.map(f64::from);
        if uses < 20.0 { (0.0, 0.0) } else { (errors / uses, refused / uses) }
    }

    /// Seconds between the bucket of the first use and the bucket `now`.
    pub fn age_s(&self, now: i64) -> i64 {
        (now - bucket(self.first_seen)) * BUCKET_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Amounts, Aspect, Where, Word};

    /// Adds uses to a key in UTC.
    fn add(s: &mut KeyState, bucket: i64, n: u32, visits: &[Visit], at: Timestamp) -> Facts {
        let mut facts = Facts::default();
        let counts = Counts { uses: n, ..Counts::default() };
        let slice = Slice { bucket, counts, ..Slice::default() };
        s.add(&slice, visits, &[], (at, at), &utc(), &mut facts);
        facts
    }

    fn utc() -> Clockwork {
        Clockwork::new(Tz::UTC, 0)
    }

    fn visit(ip: &str, at: Timestamp) -> Visit {
        Visit { ip: ip.parse().unwrap(), first: at, last: at, uses: 1, refused: 0 }
    }

    #[test]
    fn windows_slide() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        let b0 = bucket(t);
        for i in 0..20 {
            s.advance(b0 + i, &utc());
            add(&mut s, b0 + i, 10, &[], bucket_start(b0 + i));
        }
        assert_eq!(s.window(b0 + 19, 12).uses, 120);
        assert_eq!(s.window(b0 + 19, 1).uses, 10);
        // An hour later nothing is left, although the state has not moved.
        assert_eq!(s.window(b0 + 31, 12).uses, 0);
        assert_eq!(s.window(b0 + 25, 12).uses, 60);
        // A line ten minutes late still counts.
        add(&mut s, b0 + 17, 5, &[], bucket_start(b0 + 17));
        assert_eq!(s.window(b0 + 19, 12).uses, 125);
    }

    #[test]
    fn hours_are_learned_with_the_quiet_ones_between() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        add(&mut s, bucket(t), 60, &[], t);
        s.advance(bucket(t) + 12 * 5, &utc());
        let p = s.profile().unwrap();
        assert_eq!((p.hours(), s.active_hours()), (4, 1));
        s.advance(bucket(t) + 12 * 24 * 365, &utc());
        assert!(s.profile().unwrap().hours() < 500);
    }

    #[test]
    fn first_use_and_longest_silence_are_known_to_the_second() {
        let t = Timestamp::from_secs(1_777_636_800);
        let after = |s: u64| t.plus(std::time::Duration::from_secs(s));
        // first heard of when it was found in a log, before any use
        let mut s = KeyState::new("K", t);
        let used = |s: &mut KeyState, first: u64, newest: u64| {
            let slice = Slice {
                bucket: bucket(after(first)),
                counts: Counts { uses: 2, ..Counts::default() },
                ..Slice::default()
            };
            s.advance(slice.bucket, &utc());
            let mut facts = Facts::default();
            s.add(&slice, &[], &[], (after(first), after(newest)), &utc(), &mut facts);
            facts.silence_s
        };
        assert_eq!(used(&mut s, 1_017, 1_100), 0);
        assert_eq!((s.first_seen, s.age_s(bucket(t) + 3)), (after(1_017), 0));
        assert_eq!(used(&mut s, 1_150, 1_199), 0, "a pause within a bucket is none");
        assert_eq!(used(&mut s, 1_499, 1_499), 300, "between the bucket at 900 and that at 1,200");
        assert_eq!(used(&mut s, 9_999, 9_999), 8_500);
        assert_eq!(used(&mut s, 9_600, 9_650), 0, "late");
        assert_eq!((s.longest_gap_s(), s.last_seen), (8_500, after(9_999)));
        // a line that was late by less than that counts as the first
        let mut s = KeyState::new("", after(1_017));
        used(&mut s, 1_017, 1_017);
        used(&mut s, 700, 700);
        assert_eq!(s.first_seen, after(700));
    }

    #[test]
    fn networks_are_new_once() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        let facts = add(&mut s, bucket(t), 1, &[visit("203.0.113.7", t)], t);
        assert_eq!((facts.new_networks.len(), facts.had_networks), (1, false));
        let facts =
            add(&mut s, bucket(t), 1, &[visit("203.0.113.9", t), visit("203.0.1.1", t), visit("198.51.100.1", t)], t);
        assert_eq!(facts.new_networks.len(), 2);
        assert_eq!(facts.far_networks, [Network::of("198.51.100.1".parse().unwrap())]);
        for i in 0..40 {
            add(&mut s, bucket(t), 1, &[visit(&format!("10.{i}.0.1"), t)], t);
        }
        assert_eq!(s.networks().len(), MAX_KNOWN);
    }

    #[test]
    fn the_stored_form_comes_back_whole() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("OPENAI_API_KEY", t);
        let clock = Clockwork::new("Europe/Berlin".parse().unwrap(), 3600);
        for i in 0..200 {
            let at = bucket_start(bucket(t) + i);
            s.advance(bucket(at), &clock);
            let counts = Counts { uses: i as u32, errors: 1, refused: 2 };
            let amounts = Amounts { tokens: 1000 + i as u64, cost: 0, bytes: 0 };
            let word = Word::of(&[i as u8 % 3]);
            let seen = Sighting { aspect: Aspect::Model, word, first: at, last: at, uses: 1 };
            let slice = Slice::at(at, counts, amounts);
            s.add(&slice, &[visit("2001:db8::1", at)], &[seen], (at, at), &clock, &mut Facts::default());
        }
        s.leaked(t, "app /msg");
        s.moved(Place { at: Where { latitude: 52.5, longitude: 13.4 }, time: t }, true);
        let bytes = s.to_bytes();
        assert!(bytes.len() < 1500, "{}", bytes.len());
        assert_eq!(KeyState::from_bytes(&bytes), Some(s));
        assert_eq!(KeyState::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(KeyState::from_bytes(b"\x63"), None);
        for cut in 0..bytes.len() {
            KeyState::from_bytes(&bytes[..cut]);
        }
    }
}
