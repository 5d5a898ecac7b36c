//! What is remembered of one key.

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;

use super::id::Network;
use super::pack::{Pack, Unpack};
use super::profile::{Profile, WEEK};
use super::tally::{BUCKET_S, Counts, Visit, bucket, bucket_start};
use crate::units::Timestamp;

/// Buckets in the ring: one hour.
pub const RING: usize = 12;

/// Buckets that a line may be behind the newest and still be counted: 10 minutes.
pub const LATE_BUCKETS: i64 = 2;

/// Networks remembered per key.
const MAX_KNOWN: usize = 16;

/// First byte of the stored form.
const VERSION: u8 = 1;

/// Per-hour factor of a half-life of 7 days.
const BASE_DECAY: f32 = 0.995_882_6;

/// Longest silence that is learned hour by hour: two weeks.
const MAX_QUIET_HOURS: i64 = 2 * WEEK as i64;

/// A network that the key was used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The network.
    pub network: Network,
    /// Hour of its last use, counted from 1970.
    pub hour: u32,
}

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
}

/// One key's memory: about 300 bytes, 1,150 once it has a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyState {
    /// The label's type: `OPENAI_API_KEY`.
    pub kind: Box<str>,
    /// First event time.
    pub first_seen: Timestamp,
    /// Last event time.
    pub last_seen: Timestamp,
    /// All uses.
    pub total: u64,
    /// Newest bucket.
    head: i64,
    ring: [Counts; RING],
    /// The hour before, which late lines may still reach, and the one that is filling.
    hours: [Hour; 2],
    profile: Option<Box<Profile>>,
    active_hours: u32,
    longest_gap_s: u32,
    networks: Vec<Known>,
    new_networks: u32,
    /// Decayed sums of (uses, errors, refused); half-life 7 days.
    base: [f32; 3],
    /// When the key was found leaked in a log.
    pub leaked_at: Option<Timestamp>,
    /// When a signal about the key was last raised.
    pub signal_at: Option<Timestamp>,
}

/// An hour that is not learned yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Hour {
    /// Counted from 1970.
    at: i64,
    sum: Counts,
    /// Uses in its busiest bucket.
    peak: u32,
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
            active_hours: 0,
            longest_gap_s: 0,
            networks: Vec::new(),
            new_networks: 0,
            base: [0.0; 3],
            leaked_at: None,
            signal_at: None,
        }
    }

    /// The newest bucket.
    pub fn head(&self) -> i64 {
        self.head
    }

    /// Moves on to `bucket`: empties the ring's passed places and learns the hours that are over.
    pub fn advance(&mut self, bucket: i64, zone: Tz, learn_s: i64) {
        if self.total == 0 {
            // Only heard of until now (found in a log): its time begins with its first use.
            *self = Self { leaked_at: self.leaked_at, ..Self::new(&self.kind, bucket_start(bucket)) };
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
        self.close(before, zone, learn_s);
        if hour == filling.at + 1 {
            self.hours = [filling, Hour::empty(hour)];
            return;
        }
        self.close(filling, zone, learn_s);
        for quiet in (filling.at + 1).max(hour - 1 - MAX_QUIET_HOURS)..hour - 1 {
            self.close(Hour::empty(quiet), zone, learn_s);
        }
        self.hours = [Hour::empty(hour - 1), Hour::empty(hour)];
    }

    /// Learns a finished hour; hours before the first use are none.
    fn close(&mut self, hour: Hour, zone: Tz, learn_s: i64) {
        if hour.at < self.first_seen.secs().div_euclid(3600) {
            return;
        }
        let counts = hour.sum;
        self.active_hours += u32::from(counts.uses > 0);
        let young = hour.at * 3600 - self.first_seen.secs() < learn_s;
        let profile = self.profile.get_or_insert_default();
        profile.learn(hour_of_week(hour.at, zone), counts.uses, hour.peak, young);
        for (sum, n) in self.base.iter_mut().zip([counts.uses, counts.errors, counts.refused]) {
            *sum = *sum * BASE_DECAY + n as f32;
        }
    }

    /// Adds the counts of a bucket that is at most [`LATE_BUCKETS`] behind, and what is new about the networks.
    /// `newest` is the newest event time among them.
    pub fn add(&mut self, bucket: i64, counts: Counts, visits: &[Visit], newest: Timestamp) -> Facts {
        let mut facts = Facts { longest_s: i64::from(self.longest_gap_s), ..Facts::default() };
        if self.total > 0 {
            facts.silence_s = (bucket_start(bucket).max(self.last_seen).secs() - self.last_seen.secs()).max(0);
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
        for visit in visits {
            self.visit(visit, &mut facts);
        }
        facts
    }

    fn visit(&mut self, visit: &Visit, facts: &mut Facts) {
        let hour = u32::try_from(visit.last.secs().div_euclid(3600)).unwrap_or(0);
        if let Some(at) = self.networks.iter().position(|k| k.network == visit.network) {
            let known = self.networks.remove(at);
            self.networks.push(Known { hour: known.hour.max(hour), ..known });
            return;
        }
        facts.new_networks.push((visit.network, visit.first));
        if !self.networks.iter().any(|k| k.network.near(visit.network)) {
            facts.far_networks.push(visit.network);
        }
        self.new_networks = self.new_networks.saturating_add(1);
        if self.networks.len() == MAX_KNOWN {
            self.networks.remove(0);
        }
        self.networks.push(Known { network: visit.network, hour });
    }

    /// The sum of the last `buckets` buckets up to `now`, at most an hour.
    pub fn window(&self, now: i64, buckets: i64) -> Counts {
        let mut sum = Counts::default();
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

    /// What is usual; `None` in the key's first hours.
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// Hours in which the key was used.
    pub fn active_hours(&self) -> u32 {
        self.active_hours
    }

    /// The remembered networks, the one used last at the end.
    pub fn networks(&self) -> &[Known] {
        &self.networks
    }

    /// The usual share of requests that fail (first) and that are refused (second); 0 until 20 requests were learned.
    pub fn usual_shares(&self) -> (f64, f64) {
        let [uses, errors, refused] = self.base.map(f64::from);
        if uses < 20.0 { (0.0, 0.0) } else { (errors / uses, refused / uses) }
    }

    /// Seconds between the first use and `now`.
    pub fn age_s(&self, now: i64) -> i64 {
        now * BUCKET_S - self.first_seen.secs()
    }

    /// Compact bytes for the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut p = Pack(vec![VERSION]);
        p.text(&self.kind);
        p.int(self.first_seen.0);
        p.int(self.last_seen.0);
        p.uint(self.total);
        p.int(self.head);
        let counts = |p: &mut Pack, c: &Counts| [c.uses, c.errors, c.refused].iter().for_each(|n| p.uint((*n).into()));
        self.ring.iter().for_each(|c| counts(&mut p, c));
        for hour in &self.hours {
            p.int(hour.at);
            counts(&mut p, &hour.sum);
            p.uint(hour.peak.into());
        }
        [self.active_hours, self.longest_gap_s, self.new_networks].iter().for_each(|n| p.uint((*n).into()));
        p.uint(self.networks.len() as u64);
        for known in &self.networks {
            let (v6, bits) = known.network.parts();
            p.uint(v6.into());
            p.uint(bits);
            p.uint(known.hour.into());
        }
        self.base.iter().for_each(|f| p.float(*f));
        for t in [self.leaked_at, self.signal_at] {
            p.int(t.map_or(i64::MIN, |t| t.0));
        }
        p.uint(self.profile.is_some().into());
        if let Some(profile) = &self.profile {
            profile.pack(&mut p);
        }
        p.0
    }

    /// Reads what [`KeyState::to_bytes`] wrote; `None` for other bytes and other versions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut u = Unpack(bytes);
        if u.byte()? != VERSION {
            return None;
        }
        let mut this = Self::new(u.text()?, Timestamp(u.int()?));
        this.last_seen = Timestamp(u.int()?);
        this.total = u.uint()?;
        this.head = u.int()?;
        let counts = |u: &mut Unpack<'_>| Some(Counts { uses: u.small()?, errors: u.small()?, refused: u.small()? });
        for c in &mut this.ring {
            *c = counts(&mut u)?;
        }
        for hour in &mut this.hours {
            *hour = Hour { at: u.int()?, sum: counts(&mut u)?, peak: u.small()? };
        }
        for n in [&mut this.active_hours, &mut this.longest_gap_s, &mut this.new_networks] {
            *n = u.small()?;
        }
        for _ in 0..u.uint()?.min(MAX_KNOWN as u64) {
            let network = Network::from_parts(u.uint()? == 1, u.uint()?);
            this.networks.push(Known { network, hour: u.small()? });
        }
        for f in &mut this.base {
            *f = u.float()?;
        }
        for t in [&mut this.leaked_at, &mut this.signal_at] {
            *t = Some(u.int()?).filter(|n| *n != i64::MIN).map(Timestamp);
        }
        if u.uint()? == 1 {
            this.profile = Some(Box::new(Profile::unpack(&mut u)?));
        }
        u.0.is_empty().then_some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(n: u32) -> Counts {
        Counts { uses: n, ..Counts::default() }
    }

    fn visit(ip: &str, at: Timestamp) -> Visit {
        Visit { network: Network::of(ip.parse().unwrap()), first: at, last: at, uses: 1 }
    }

    #[test]
    fn windows_slide() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        let b0 = bucket(t);
        for i in 0..20 {
            s.advance(b0 + i, Tz::UTC, 0);
            s.add(b0 + i, uses(10), &[], bucket_start(b0 + i));
        }
        assert_eq!(s.window(b0 + 19, 12).uses, 120);
        assert_eq!(s.window(b0 + 19, 1).uses, 10);
        // An hour later nothing is left, although the state has not moved.
        assert_eq!(s.window(b0 + 31, 12).uses, 0);
        assert_eq!(s.window(b0 + 25, 12).uses, 60);
        // A line ten minutes late still counts.
        s.add(b0 + 17, uses(5), &[], bucket_start(b0 + 17));
        assert_eq!(s.window(b0 + 19, 12).uses, 125);
    }

    #[test]
    fn hours_are_learned_with_the_quiet_ones_between() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        s.add(bucket(t), uses(60), &[], t);
        s.advance(bucket(t) + 12 * 5, Tz::UTC, 0);
        let p = s.profile().unwrap();
        assert_eq!((p.hours(), s.active_hours()), (4, 1));
        s.advance(bucket(t) + 12 * 24 * 365, Tz::UTC, 0);
        assert!(s.profile().unwrap().hours() < 500);
    }

    #[test]
    fn networks_are_new_once() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("K", t);
        let facts = s.add(bucket(t), uses(1), &[visit("203.0.113.7", t)], t);
        assert_eq!((facts.new_networks.len(), facts.had_networks), (1, false));
        let facts =
            s.add(bucket(t), uses(1), &[visit("203.0.113.9", t), visit("203.0.1.1", t), visit("198.51.100.1", t)], t);
        assert_eq!(facts.new_networks.len(), 2);
        assert_eq!(facts.far_networks, [Network::of("198.51.100.1".parse().unwrap())]);
        for i in 0..40 {
            s.add(bucket(t), uses(1), &[visit(&format!("10.{i}.0.1"), t)], t);
        }
        assert_eq!(s.networks().len(), MAX_KNOWN);
    }

    #[test]
    fn the_stored_form_comes_back_whole() {
        let t = Timestamp::from_secs(1_777_636_800);
        let mut s = KeyState::new("OPENAI_API_KEY", t);
        for i in 0..200 {
            let at = bucket_start(bucket(t) + i);
            s.advance(bucket(at), Tz::Europe__Berlin, 3600);
            s.add(bucket(at), Counts { uses: i as u32, errors: 1, refused: 2 }, &[visit("2001:db8::1", at)], at);
        }
        s.leaked_at = Some(t);
        let bytes = s.to_bytes();
        assert!(bytes.len() < 700, "{}", bytes.len());
        assert_eq!(KeyState::from_bytes(&bytes), Some(s));
        assert_eq!(KeyState::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(KeyState::from_bytes(b"\x63"), None);
        for cut in 0..bytes.len() {
            KeyState::from_bytes(&bytes[..cut]);
        }
    }
}
