//! What is usual for a key: how busy it is in each hour of the week, its level these days, its record, its unrest.

use super::pack::{Pack, Unpack};

/// Hours in a week.
pub const WEEK: usize = 168;

/// Learned volume of one key. All numbers are requests an hour unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Mean of each hour of the week, learned at 1/visits down to 1/4.
    mean: [f32; WEEK],
    /// How often each hour of the week was seen, up to 255.
    visits: [u8; WEEK],
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
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            mean: [0.0; WEEK],
            visits: [0; WEEK],
            level: 1.0,
            record: 0.0,
            burst: 0.0,
            waiting: [0.0; 2],
            alpha: 0.5,
            hours: 0,
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

    /// Over-dispersion: the variance of the counts is mean + alpha × mean².
    pub fn alpha(&self) -> f64 {
        f64::from(self.alpha)
    }

    /// The mean of an hour of the week; for one never seen, the largest mean of the same hour on other days.
    fn usual(&self, hour: usize) -> f32 {
        if self.visits[hour] > 0 {
            return self.mean[hour];
        }
        (0..7).map(|d| (hour + d * 24) % WEEK).filter(|h| self.visits[*h] > 0).map(|h| self.mean[h]).fold(0.0, f32::max)
    }

    /// Requests to be expected in an hour around this hour of the week: the largest of it and its neighbours times the
    /// level, or half of the record when that is more.
    pub fn expected(&self, hour: usize) -> f64 {
        let near = [WEEK - 1, 0, 1].map(|d| self.usual((hour + d) % WEEK)).into_iter().fold(0.0, f32::max);
        f64::from((near * self.level).max(0.5 * self.record))
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
        let visits = self.visits[hour];
        // One wild hour must not become the norm: at most four times what was usual, and fifty more.
        let cap = if young && visits == 0 { f32::INFINITY } else { 4.0 * before + 50.0 };
        let held = seen.min(cap);
        let rate = (1.0 / (f32::from(visits) + 1.0)).max(0.25);
        self.mean[hour] = if visits == 0 { held } else { self.mean[hour] + rate * (held - self.mean[hour]) };
        self.visits[hour] = visits.saturating_add(1);
        let ratio = (held + 1.0) / (before + 1.0);
        if self.hours >= 24 {
            self.level = (self.level + 0.03 * (ratio - self.level)).clamp(0.2, 5.0);
        }
        self.learn_records([seen, peak as f32], young);
        self.hours = self.hours.saturating_add(1);
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
        let mu = (self.usual(hour) * self.level).max(1.0);
        let held = seen.min(4.0 * mu + 50.0);
        let now = (((held - mu).powi(2) - mu) / (mu * mu)).clamp(0.0, 4.0);
        let rate = (1.0 / (48.0 + self.hours as f32)).max(0.005);
        self.alpha += rate * (now - self.alpha);
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        for (mean, visits) in self.mean.iter().zip(self.visits) {
            p.uint(u64::from(visits));
            if visits > 0 {
                p.float(*mean);
            }
        }
        for f in [self.level, self.record, self.burst, self.waiting[0], self.waiting[1], self.alpha] {
            p.float(f);
        }
        p.uint(u64::from(self.hours));
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let mut this = Self::default();
        for hour in 0..WEEK {
            this.visits[hour] = u8::try_from(u.uint()?).ok()?;
            if this.visits[hour] > 0 {
                this.mean[hour] = u.float()?;
            }
        }
        let [hour, peak] = &mut this.waiting;
        for f in [&mut this.level, &mut this.record, &mut this.burst, hour, peak, &mut this.alpha] {
            *f = u.float()?;
        }
        this.hours = u.small()?;
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
