//! What is usual for a key: how busy it is in each hour of the week, its level these days, its record, its unrest.

use super::pack::{Pack, Unpack};

/// Hours in a week.
pub const WEEK: usize = 168;

/// Days of which the totals are kept: three weeks to compare with, and the three days compared.
const DAYS: usize = 25;

/// A number kept in 16 bits: the upper half of an `f32` (bfloat16), exact to 0.4 %.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Short(u16);

impl Short {
    fn of(f: f32) -> Self {
        // Rounds to the nearest; the numbers here are never NaN or near the largest.
        Self((f.to_bits().wrapping_add(0x8000) >> 16) as u16)
    }

    fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let short = Self(u16::try_from(u.uint()?).ok()?);
        short.get().is_finite().then_some(short)
    }

    fn get(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// How often each hour of the week was learned, up to 3, in two bits each.
#[derive(Clone, Debug, PartialEq)]
struct Visits([u8; WEEK / 4]);

impl Visits {
    const MOST: u8 = 3;

    fn of(&self, hour: usize) -> u8 {
        self.0[hour / 4] >> (hour % 4 * 2) & Self::MOST
    }

    fn set(&mut self, hour: usize, visits: u8) {
        let (byte, at) = (&mut self.0[hour / 4], hour % 4 * 2);
        *byte = *byte & !(Self::MOST << at) | visits.min(Self::MOST) << at;
    }
}

/// Learned volume of one key. All numbers are requests an hour unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Mean of each hour of the week, learned at 1/visits down to 1/4.
    mean: [Short; WEEK],
    /// How often each hour of the week was learned.
    visits: Visits,
    /// Observed over expected these days: moves 3 % of the way each hour, within 0.2 to 5.
    level: f32,
    /// Decayed maximum; half-life 14 days.
    record: f32,
    /// The same of single 5-minute buckets, so that a job that runs once an hour is known to be one.
    burst: f32,
    /// The hour, and its busiest bucket, that the records learn next: they lag by an hour.
    waiting: [f32; 2],
    /// Over-dispersion: how much more than chance the counts vary; moves 0.5 % an hour from 0.5, which weighs 48 hours.
    alpha: f32,
    /// Hours learned.
    hours: u32,
    /// Hours that told something about unrest.
    told: u16,
    /// Totals of the last days that are over, by day of the local calendar modulo [`DAYS`].
    days: [Short; DAYS],
    /// The day at hand by the local calendar, counted from 1970, and its total.
    today: (i32, f32),
    /// Days that are over and in `days`.
    known_days: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            mean: [Short(0); WEEK],
            visits: Visits([0; WEEK / 4]),
            level: 1.0,
            record: 0.0,
            burst: 0.0,
            waiting: [0.0; 2],
            alpha: 0.5,
            hours: 0,
            told: 0,
            days: [Short(0); DAYS],
            today: (0, 0.0),
            known_days: 0,
        }
    }
}

/// Per-hour factor of a half-life of 14 days.
const RECORD_DECAY: f32 = 0.997_939_2;

impl Profile {
    /// Hours learned so far.
    pub fn hours(&self) -> u32 {
        self.hours
    }

    /// A number made of something of each cache line.
    pub(super) fn touch(&self) -> u64 {
        let means = self.mean.iter().step_by(32).fold(0, |all, mean| all ^ mean.0);
        u64::from(means) ^ u64::from(self.visits.0[20]) ^ u64::from(self.hours)
    }

    /// Over-dispersion: the variance of the counts is mean + alpha × mean².
    pub fn alpha(&self) -> f64 {
        f64::from(self.alpha)
    }

    /// The mean of an hour of the week; for one never seen, the largest mean of the same hour on other days.
    fn usual(&self, hour: usize) -> f32 {
        if self.visits.of(hour) > 0 {
            return self.mean[hour].get();
        }
        let same_hour = (0..7).map(|d| (hour + d * 24) % WEEK).filter(|h| self.visits.of(*h) > 0);
        same_hour.map(|h| self.mean[h].get()).fold(0.0, f32::max)
    }

    /// Requests to be expected in any 60 minutes around this hour of the week: the largest of it and its neighbours times
    /// the level, or half of the record when that is more.
    ///
    /// Work that is done in one go and alone may stand astride two hours of the clock, and 60 minutes then hold what was
    /// learned as two hours: what the second largest has beyond the smallest is added, as far as the key works that way.
    pub fn expected(&self, hour: usize) -> f64 {
        let mut near = [WEEK - 1, 0, 1].map(|d| self.usual((hour + d) % WEEK));
        near.sort_unstable_by(f32::total_cmp);
        let [least, second, most] = near;
        let astride = self.lumpiness() * (second - least);
        f64::from(((most + astride) * self.level).max(0.5 * self.record))
    }

    /// How much of its work the key does in one go, from 0 (spread over the hour) to 1: by what its busiest 5 minutes
    /// are of its busiest hour.
    fn lumpiness(&self) -> f32 {
        if self.record <= 0.0 { 0.0 } else { (4.0 * self.burst / self.record - 1.0).clamp(0.0, 1.0) }
    }

    /// Requests to be expected in 5 minutes of such an hour: its twelfth part, or half of the busiest 5 minutes so far
    /// when that is more.
    pub fn expected_burst(&self, hour: usize) -> f64 {
        (self.expected(hour) / 12.0).max(f64::from(0.5 * self.burst))
    }

    /// Learns a finished hour and its busiest 5 minutes. `young`: the key is still in its learning period, where nothing is held back.
    pub fn learn(&mut self, hour: usize, count: u32, peak: u32, young: bool) {
        let seen = count as f32;
        let before = self.usual(hour);
        if self.hours > 0 {
            self.learn_spread(hour, seen);
        }
        let visits = self.visits.of(hour);
        // One wild hour must not become the norm: at most four times what was usual, and fifty more.
        let cap = if young && visits == 0 { f32::INFINITY } else { 4.0 * before + 50.0 };
        let held = seen.min(cap);
        let rate = 1.0 / (f32::from(visits) + 1.0);
        let mean = self.mean[hour].get();
        self.mean[hour] = Short::of(if visits == 0 { held } else { mean + rate * (held - mean) });
        self.visits.set(hour, visits + 1);
        let ratio = (held + 1.0) / (before + 1.0);
        if self.hours >= 24 {
            self.level = (self.level + 0.03 * (ratio - self.level)).clamp(0.2, 5.0);
        }
        self.learn_records([seen, peak as f32], young);
        self.hours = self.hours.saturating_add(1);
    }

    /// Adds a finished hour to its day, counted from 1970 by the local calendar.
    pub fn learn_day(&mut self, day: i32, count: u32) {
        let (today, sum) = self.today;
        if day > today {
            if self.hours > 1 {
                for d in today..day.min(today + DAYS as i32) {
                    let total = if d == today { sum } else { 0.0 };
                    self.days[d.rem_euclid(DAYS as i32) as usize] = Short::of(total);
                    self.known_days = (self.known_days + 1).min(DAYS as u8);
                }
            }
            self.today = (day, 0.0);
        }
        self.today.1 += count as f32;
    }

    /// The mean of the last three days that are over, and that of the same weekdays of the three weeks before; `None`
    /// while fewer days are known.
    pub fn ramp(&self) -> Option<(f64, f64)> {
        if usize::from(self.known_days) < DAYS {
            return None;
        }
        let ago = |n: i32| f64::from(self.days[(self.today.0 - n).rem_euclid(DAYS as i32) as usize].get());
        let now = (1..=3).map(ago).sum::<f64>() / 3.0;
        let before = [7, 14, 21].iter().flat_map(|w| (1..=3).map(move |d| ago(w + d))).sum::<f64>() / 9.0;
        Some((now, before))
    }

    /// The day at hand by the local calendar, counted from 1970, and what of it was learned.
    pub fn today(&self) -> (i32, f64) {
        (self.today.0, f64::from(self.today.1))
    }

    /// Whether every hour of the week was learned at least twice.
    pub fn is_settled(&self) -> bool {
        (0..WEEK).all(|hour| self.visits.of(hour) >= 2)
    }

    /// The hours of the week in which the key is used, as far as was learned: the mean or that of an hour within `near`
    /// hours is at least `least`.
    pub fn active(&self, near: usize, least: f32) -> [bool; WEEK] {
        let used = self.mean.map(|m| m.get() >= least);
        std::array::from_fn(|h| (0..=2 * near).any(|d| used[(h + WEEK + d - near) % WEEK]))
    }

    /// Requests in a typical hour at this hour of the week, these days.
    pub fn typical(&self, hour: usize) -> f64 {
        f64::from(self.usual(hour) * self.level)
    }

    /// Requests to be expected at least in an hour around this hour of the week: the smallest of it and its neighbours,
    /// times the level when that is below one.
    pub fn expected_at_least(&self, hour: usize) -> f64 {
        let near = [WEEK - 1, 0, 1].map(|d| self.usual((hour + d) % WEEK)).into_iter().fold(f32::INFINITY, f32::min);
        f64::from(near * self.level.min(1.0))
    }

    /// The most requests in an hour so far; halves in 14 days.
    pub fn record(&self) -> f64 {
        f64::from(self.record)
    }

    /// Measures everything in another unit.
    pub(super) fn scale(&mut self, by: f32) {
        self.mean = self.mean.map(|m| Short::of(m.get() * by));
        self.days = self.days.map(|m| Short::of(m.get() * by));
        let [hour, peak] = &mut self.waiting;
        for n in [&mut self.record, &mut self.burst, &mut self.today.1, hour, peak] {
            *n *= by;
        }
    }

    fn learn_records(&mut self, seen: [f32; 2], young: bool) {
        let lagged = std::mem::replace(&mut self.waiting, seen);
        for (record, seen) in [&mut self.record, &mut self.burst].into_iter().zip(lagged) {
            *record *= RECORD_DECAY;
            let cap = if young { f32::INFINITY } else { 1.5 * *record + 20.0 };
            *record = record.max(seen.min(cap));
        }
    }

    /// Method of moments: alpha = ((n − mu)² − mu) / mu², averaged over the hours with the prior's weight first.
    fn learn_spread(&mut self, hour: usize, seen: f32) {
        let mu = self.usual(hour) * self.level;
        if mu < 1.0 {
            // An hour in which nothing is expected says nothing about unrest.
            return;
        }
        let held = seen.min(4.0 * mu + 50.0);
        let now = (((held - mu).powi(2) - mu) / (mu * mu)).clamp(0.0, 4.0);
        self.told = self.told.saturating_add(1);
        let rate = (1.0 / (48.0 + f32::from(self.told))).max(0.005);
        self.alpha += rate * (now - self.alpha);
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        for (hour, mean) in self.mean.iter().enumerate() {
            p.uint(u64::from(self.visits.of(hour)));
            if self.visits.of(hour) > 0 {
                p.uint(u64::from(mean.0));
            }
        }
        for f in [self.level, self.record, self.burst, self.waiting[0], self.waiting[1], self.alpha] {
            p.float(f);
        }
        p.uint(u64::from(self.hours));
        p.uint(u64::from(self.told));
        self.days.iter().for_each(|d| p.uint(u64::from(d.0)));
        p.int(i64::from(self.today.0));
        p.float(self.today.1);
        p.uint(u64::from(self.known_days));
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let mut this = Self::default();
        for hour in 0..WEEK {
            this.visits.set(hour, u8::try_from(u.uint()?).ok()?);
            if this.visits.of(hour) > 0 {
                this.mean[hour] = Short::unpack(u)?;
            }
        }
        let [hour, peak] = &mut this.waiting;
        for f in [&mut this.level, &mut this.record, &mut this.burst, hour, peak, &mut this.alpha] {
            *f = u.float()?;
        }
        this.hours = u.small()?;
        this.told = u16::try_from(u.uint()?).ok()?;
        for day in &mut this.days {
            *day = Short::unpack(u)?;
        }
        this.today = (i32::try_from(u.int()?).ok()?, u.float()?);
        this.known_days = u8::try_from(u.uint()?).ok()?;
        Some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_key_is_expected_to_stay_so() {
        let mut p = Profile::default();
        for h in 0..24 * 21 {
            p.learn(h % WEEK, 100, 9, h < 24);
        }
        let e = p.expected(5);
        assert!((99.0..102.0).contains(&e), "{e}");
        assert!(p.alpha() < 0.2, "{}", p.alpha());
    }

    #[test]
    fn one_wild_hour_is_held_back() {
        let mut p = Profile::default();
        for h in 0..WEEK * 2 {
            p.learn(h % WEEK, 10, 2, h < 24);
        }
        p.learn(0, 100_000, 9_000, false);
        p.learn(1, 10, 2, false);
        assert!(p.expected(0) < 60.0, "{}", p.expected(0));
    }

    #[test]
    fn days_are_compared_with_the_same_days_of_weeks_before() {
        let mut p = Profile::default();
        for day in 0..40 {
            for hour in 0..24 {
                p.learn((day as usize * 24 + hour) % WEEK, 10, 1, day == 0);
                p.learn_day(100 + day, if day >= 37 { 50 } else { 10 });
            }
            assert_eq!(p.ramp().is_some(), day >= 25, "{day}");
        }
        // The day at hand is not over: of the last three, two are busier.
        let (now, before) = p.ramp().unwrap();
        assert!((now - 880.0).abs() < 5.0 && (before - 240.0).abs() < 2.0, "{now} {before}");
        assert_eq!(p.today(), (139, 1200.0));
    }

    #[test]
    fn day_and_night_are_told_apart() {
        let mut p = Profile::default();
        for h in 0..WEEK * 4 {
            p.learn(h % WEEK, if (8..18).contains(&(h % 24)) { 1000 } else { 10 }, 90, h < 24);
        }
        assert!(p.expected(12) > 900.0);
        // Night: half of the record still counts, no more.
        assert!(p.expected(2) < 600.0);
        let mut packed = Pack::default();
        p.pack(&mut packed);
        assert_eq!(Profile::unpack(&mut Unpack(&packed.0)), Some(p));
    }
}
