//! When one cause makes many keys alert at once, people get one alert, not hundreds.
//!
//! The first alerts of a kind within an hour of event time go out one by one; further ones become a single alert about
//! all of them. Keys that the operator marked `sensitive` always have their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::detector::Signal;
use crate::units::Timestamp;

/// Alerts of a kind that go out one by one within an hour.
const SINGLE: u32 = 25;

/// What sets the one alert about many keys apart.
pub(super) const POLICY: &str = "many-keys";

/// How many alerts of each kind began in the hour at hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Storm {
    hour: i64,
    begun: BTreeMap<String, u32>,
}

impl Storm {
    /// Counts a sign of a new alert at `at`; gives how many there were within the hour when they are too many.
    pub(super) fn begin(&mut self, kind: &str, at: Timestamp) -> Option<u32> {
        let hour = at.secs().div_euclid(3600);
        if hour > self.hour {
            *self = Self { hour, begun: BTreeMap::new() };
        }
        let n = self.begun.entry(kind.to_owned()).or_default();
        *n += 1;
        (*n > SINGLE).then_some(*n)
    }

    /// Whether there were too many within the hour of `at` already.
    pub(super) fn rages(&self, kind: &str, at: Timestamp) -> bool {
        self.hour == at.secs().div_euclid(3600) && self.begun.get(kind).is_some_and(|n| *n > SINGLE)
    }
}

/// The signal about many keys, told by the latest of them.
pub(super) fn signal(n: u32, latest: &str, signal: &Signal) -> Signal {
    Signal {
        observed: f64::from(n),
        expected: None,
        threshold: Some(f64::from(SINGLE)),
        score: None,
        unit: "alerts",
        summary: format!(
            "more than {SINGLE} alerts of this kind within an hour; the latest: {latest} {}",
            signal.summary
        ),
        why: format!(
            "more than {SINGLE} alerts of one kind within an hour usually have one cause, so they are told as one; the latest: {}",
            signal.why
        ),
        ..signal.clone()
    }
}
