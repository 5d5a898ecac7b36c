//! How much a key uses of something that comes in amounts: tokens, cost, bytes.
//!
//! Amounts are measured in the key's own usual amount per request, so that the formulas for requests hold for them.

use super::pack::{Pack, Unpack};
use super::profile::Profile;
use super::state::{RING, hour_of_week};
use crate::units::Tz;

/// Amounts in a ring of 5-minute buckets, and what is usual of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    ring: [f32; RING],
    /// Newest bucket.
    head: i64,
    /// The hour that is filling, counted from 1970, its sum and its busiest bucket.
    hour: (i64, f32, f32),
    /// The usual amount of one request; fixed when learning is over.
    unit: f32,
    /// Amount and requests in the time of learning.
    learned: [f32; 2],
    profile: Profile,
}

impl Meter {
    /// Nothing was used before `bucket`.
    pub(super) fn new(bucket: i64) -> Self {
        let hour = (bucket.div_euclid(RING as i64), 0.0, 0.0);
        Self { ring: [0.0; RING], head: bucket, hour, unit: 0.0, learned: [0.0; 2], profile: Profile::default() }
    }

    /// Adds an amount used by `requests` in `bucket`. `young`: the key is still in its learning period.
    pub(super) fn add(&mut self, bucket: i64, amount: f32, requests: u32, zone: Tz, young: bool) {
        if bucket > self.head {
            for b in (self.head + 1)..=bucket.min(self.head + RING as i64) {
                self.ring[b.rem_euclid(RING as i64) as usize] = 0.0;
            }
            self.head = bucket;
        }
        if bucket <= self.head - RING as i64 {
            return;
        }
        let hour = bucket.div_euclid(RING as i64);
        if hour > self.hour.0 {
            self.close(hour, zone, young);
        }
        let slot = &mut self.ring[bucket.rem_euclid(RING as i64) as usize];
        *slot += amount;
        if hour == self.hour.0 {
            self.hour.1 += amount;
            self.hour.2 = self.hour.2.max(*slot);
        }
        if young {
            self.learned[0] += amount;
            self.learned[1] += requests as f32;
        }
    }

    /// Learns the hour that is over and the quiet ones up to `next`.
    fn close(&mut self, next: i64, zone: Tz, young: bool) {
        if (young || self.unit == 0.0) && self.learned[1] > 0.0 {
            let unit = (self.learned[0] / self.learned[1]).max(1e-6);
            if self.unit > 0.0 {
                self.profile.scale(self.unit / unit);
            }
            self.unit = unit;
        }
        let unit = if self.unit > 0.0 { self.unit } else { 1.0 };
        let count = |amount: f32| (amount / unit).round().clamp(0.0, 4e9) as u32;
        let (at, sum, peak) = self.hour;
        self.profile.learn(hour_of_week(at, zone), count(sum), count(peak), young);
        for quiet in (at + 1).max(next - 336)..next {
            self.profile.learn(hour_of_week(quiet, zone), 0, 0, young);
        }
        self.hour = (next, 0.0, 0.0);
    }

    /// The amount in the last `buckets` up to `now`, in requests' usual amounts.
    pub fn window(&self, now: i64, buckets: i64) -> f64 {
        if self.unit <= 0.0 {
            return 0.0;
        }
        let kept = ((now - buckets + 1)..=now).filter(|b| *b <= self.head && *b > self.head - RING as i64);
        let sum: f32 = kept.map(|b| self.ring[b.rem_euclid(RING as i64) as usize]).sum();
        f64::from(sum / self.unit)
    }

    /// The usual amount of one request.
    pub fn unit(&self) -> f64 {
        f64::from(self.unit)
    }

    /// What is usual.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        self.ring.iter().for_each(|n| p.float(*n));
        p.int(self.head);
        p.int(self.hour.0);
        [self.hour.1, self.hour.2, self.unit, self.learned[0], self.learned[1]].iter().for_each(|n| p.float(*n));
        self.profile.pack(p);
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let mut this = Self::new(0);
        for n in &mut this.ring {
            *n = u.float()?;
        }
        this.head = u.int()?;
        this.hour.0 = u.int()?;
        let [amount, requests] = &mut this.learned;
        for n in [&mut this.hour.1, &mut this.hour.2, &mut this.unit, amount, requests] {
            *n = u.float()?;
        }
        this.profile = Profile::unpack(u)?;
        Some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_measured_in_requests() {
        let mut m = Meter::new(0);
        for b in 0..12 * 24 * 10 {
            m.add(b, 5_000.0, 5, Tz::UTC, b < 12 * 24);
        }
        let now = 12 * 24 * 10 - 1;
        assert!((m.unit() - 1000.0).abs() < 1.0, "{}", m.unit());
        assert!((m.window(now, 12) - 60.0).abs() < 0.1);
        let usual = m.profile().expected(3);
        assert!((55.0..70.0).contains(&usual), "{usual}");
        let mut p = Pack::default();
        m.pack(&mut p);
        assert_eq!(Meter::unpack(&mut Unpack(&p.0)), Some(m));
    }
}
