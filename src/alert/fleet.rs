//! Whether all keys change at once, which is no key's own doing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::detector::Signal;
use super::words;
use crate::units::Tz;
use crate::window::{KeyId, KeyState, Keys, RING, hour_of_week};

/// Keys that must take part.
const MIN_KEYS: usize = 20;

/// Requests an hour that a key must expect to take part.
const MIN_EXPECTED: f64 = 36.0;

/// Keys younger than a day are not known well enough to take part.
const MIN_AGE_S: i64 = 86_400;

/// Medians up to this are chance.
const MIN_FACTOR: f64 = 1.15;

/// Buckets for which a key that began to fail counts: 15 minutes.
const RECENT: i64 = 3;

/// Failing keys that are remembered.
const MAX_ERRING: usize = 10_000;

/// What all keys do together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Fleet {
    factor: f64,
    /// Keys that took part in the factor.
    took_part: usize,
    /// Keys used in the last 15 minutes.
    active: usize,
    /// Keys that began to fail, with their bucket.
    erring: BTreeMap<String, i64>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { factor: 1.0, took_part: 0, active: 0, erring: BTreeMap::new() }
    }
}

impl Fleet {
    /// The median of observed over typical requests in the last hour, or in the last 15 minutes when that is more, over
    /// keys that make at least 36 an hour; 1 when there are fewer than 20 of them or the median is not above 1.15.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }

    /// The bucket after `bucket` begins.
    pub(super) fn turn(&mut self, keys: &Keys, bucket: i64, zone: Tz) {
        self.erring.retain(|_, b| *b > bucket - RECENT);
        let hour = hour_of_week(bucket.div_euclid(RING as i64), zone);
        let ratios = |s: &KeyState| {
            if s.age_s(bucket) < MIN_AGE_S {
                return None;
            }
            let expected = s.profile()?.typical(hour);
            let seen = |buckets: i64| f64::from(s.window(bucket, buckets).uses) * RING as f64 / buckets as f64;
            (expected >= MIN_EXPECTED).then(|| [seen(RING as i64) / expected, seen(RECENT) / expected])
        };
        (self.active, self.factor, self.took_part) = (0, 1.0, 0);
        let (mut hour, mut recent) = (Vec::new(), Vec::new());
        for (_, state) in keys.iter().filter(|(_, s)| s.head() > bucket - RING as i64) {
            self.active += usize::from(state.head() > bucket - RECENT);
            if let Some([of_hour, of_recent]) = ratios(state) {
                hour.push(of_hour);
                recent.push(of_recent);
            }
        }
        if hour.len() < MIN_KEYS {
            return;
        }
        // Of 15 minutes as well, so that a sudden change is seen before an hour is over.
        let median = median(&mut hour).max(median(&mut recent));
        (self.factor, self.took_part) = (if median > MIN_FACTOR { median } else { 1.0 }, hour.len());
    }

    /// A key begins to fail; gives how many do at once and of how many, when they are too many.
    pub(super) fn errs(&mut self, id: &KeyId, bucket: i64, share: f64, least: u32) -> Option<(usize, usize)> {
        if self.erring.len() < MAX_ERRING {
            self.erring.insert(id.to_string(), bucket);
        }
        let (n, active) = (self.erring.len(), self.active.max(self.erring.len()));
        (active >= MIN_KEYS && n >= least as usize && n as f64 >= share * active as f64).then_some((n, active))
    }

    /// The signal that all keys are busier than usual, from `bound` times on.
    pub(super) fn busier(&self, bound: f64) -> Option<Signal> {
        (self.took_part > 0 && self.factor >= bound).then(|| Signal {
            observed: self.factor,
            expected: Some(1.0),
            threshold: Some(bound),
            score: Some(self.factor),
            window_s: Some(3600),
            unit: "ratio",
            summary: format!("all keys make {} their usual requests", words::times(self.factor)),
            why: format!(
                "the median of {} keys made {} the requests that were to be expected in the last hour, fires at {}; what is expected of single keys was raised by as much",
                self.took_part,
                words::times(self.factor),
                words::times(bound)
            ),
            ..Signal::default()
        })
    }
}

fn median(of: &mut [f64]) -> f64 {
    let middle = of.len() / 2;
    *of.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The signal that many keys fail at once.
pub(super) fn erring(n: usize, active: usize) -> Signal {
    Signal {
        observed: n as f64,
        expected: None,
        threshold: None,
        score: Some(n as f64 / active.max(1) as f64),
        window_s: Some(900),
        unit: "keys",
        summary: format!("{n} keys fail at once"),
        why: format!(
            "the requests of {n} of {active} active keys began to fail within 15 minutes; one cause is likelier than many, so further keys are not told one by one"
        ),
        ..Signal::default()
    }
}
