//! When to try again: pure arithmetic, randomness and time passed in.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};

use crate::units::Timestamp;

/// How attempts are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Upper end of the wait after the first failure.
    pub first: Duration,
    /// Upper end of every wait.
    pub longest: Duration,
    /// A message is given up this long after it was written.
    pub give_up_after: Duration,
}

/// No wait is shorter.
const SHORTEST: Duration = Duration::from_secs(1);

/// A receiver that asks for more than this is asked again after this.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Timestamp),
    /// The deadline is past.
    GiveUp,
}

impl Schedule {
    /// The schedule of a receiver: waits up to 5 s, doubling to 10 min.
    pub fn new(give_up_after: Duration) -> Self {
        Self { first: Duration::from_secs(5), longest: Duration::from_secs(600), give_up_after }
    }

    /// How long to wait after the `failures`-th failure in a row (from 1): exponential with full jitter, a random share
    /// (`random` in 0..1) of min(longest, first × 2^(failures-1)), but no less than a second. What the receiver asked for
    /// (`asked`) is the least, up to an hour.
    pub fn wait(&self, failures: u32, random: f64, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let share = doubled.min(self.longest).mul_f64(random.clamp(0.0, 1.0));
        share.max(SHORTEST).max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    /// What to do with a message written at `created` after its `failures`-th failure.
    pub fn next(
        &self,
        created: Timestamp,
        failures: u32,
        random: f64,
        asked: Option<Duration>,
        now: Timestamp,
    ) -> Next {
        if self.expired(created, now) { Next::GiveUp } else { Next::At(now.plus(self.wait(failures, random, asked))) }
    }

    /// Whether a message written at `created` is past its deadline.
    pub fn expired(&self, created: Timestamp, now: Timestamp) -> bool {
        now.since(created) >= self.give_up_after
    }
}

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, or an HTTP date.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let rfc2822 = || DateTime::parse_from_rfc2822(value).ok().map(|t| t.to_utc());
    let http = || NaiveDateTime::parse_from_str(value, "%a, %d %b %Y %H:%M:%S GMT").ok().map(|t| t.and_utc());
    http().or_else(rfc2822).map(|t| Timestamp::from(t).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    fn schedule() -> Schedule {
        Schedule::new(Duration::from_secs(86_400))
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..=10).map(|n| schedule().wait(n, 1.0, None).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(schedule().wait(8, 0.5, None).as_secs(), 300);
        assert_eq!(schedule().wait(1, 0.0, None), SHORTEST);
    }

    #[test]
    fn the_receiver_may_ask_for_more_within_reason() {
        assert_eq!(schedule().wait(1, 0.0, Some(Duration::from_secs(90))).as_secs(), 90);
        assert_eq!(schedule().wait(1, 0.0, Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
    }

    #[test]
    fn a_message_is_given_up_at_its_deadline() {
        let late = NOW.plus(Duration::from_secs(86_400));
        assert_eq!(schedule().next(NOW, 3, 0.0, None, NOW), Next::At(NOW.plus(SHORTEST)));
        assert_eq!(schedule().next(NOW, 3, 0.0, None, late), Next::GiveUp);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Fri, 01 May 2026 12:01:00 GMT", NOW), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Fri, 01 May 2026 11:00:00 GMT", NOW), Some(Duration::ZERO));
        for bad in ["", "soon", "-5", "Fri, 99 May 2026 12:01:00 GMT"] {
            assert_eq!(retry_after(bad, NOW), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_leaves_its_bounds(failures: u32, random in 0.0..1.0, asked: Option<u64>) {
            let wait = schedule().wait(failures, random, asked.map(Duration::from_secs));
            prop_assert!(wait >= SHORTEST && wait <= LONGEST_ASKED);
        }
    }
}
