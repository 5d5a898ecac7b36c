//! `rate_limit`: a key is used more often than its policy allows.
//!
//! The policy is `limit = "600/min"` and `burst = 200` in `[keys.NAME]`. Counting is in 5-minute buckets: limits per
//! second and minute are compared over 5 minutes (limit × 5 minutes + burst), limits per hour over 60 minutes, limits per
//! day over the day of the local calendar. `logwarden keys show` proposes a limit from what was observed.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{DAY, HOUR, MINUTE, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::RateLimit,
    name: "rate_limit",
    urgency: Urgency::Ticket,
    doc: "a key is used more often than its policy allows",
    causes: &["a client that loops or retries", "growth that nobody announced", "a compromised key"],
    steps: &[
        "Ask the key's owner about the load",
        "Raise the limit in the policy, or enforce it where the key was issued",
    ],
    tune: "Set `limit` above what `logwarden keys show` proposes; `burst` covers what comes at once.",
};

kind_settings! {
    /// Use above the limit of the key's policy (`limit` and `burst` in `[keys.NAME]`).
    RateLimitConfig {
        Ticket, for 0, resolve 15 * MINUTE, renotify 24 * HOUR, mute 0;
    }
}

/// See the module.
pub(super) struct RateLimit;

impl Detector for RateLimit {
    fn kind(&self) -> Kind {
        Kind::RateLimit
    }

    fn concerns(&self, policy: &Policy) -> bool {
        policy.config.limit.is_some()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let rate = view.policy.config.limit?;
        let burst = f64::from(view.policy.config.burst);
        let (seen, allowed, window_s) = match rate.per_s {
            0..=60 => (f64::from(view.five.uses), rate.per_second() * 300.0 + burst, 300),
            61..=3600 => (f64::from(view.hour.uses), f64::from(rate.count) + burst, 3600),
            _ => {
                let learned = view.state.profile().map_or(0.0, |p| p.today().1);
                let open = view.hour.uses;
                (learned + f64::from(open), f64::from(rate.count) + burst, DAY)
            }
        };
        (seen > allowed).then(|| Signal {
            observed: seen,
            expected: Some(allowed),
            threshold: Some(allowed),
            window_s: Some(window_s),
            unit: "requests",
            networks: view.networks(),
            summary: format!(
                "made {} requests in {}, above its limit of {rate}",
                words::count(seen),
                words::span(window_s as i64)
            ),
            why: format!(
                "{} requests in {}; {rate} and a burst of {} allow {}",
                words::count(seen),
                words::span(window_s as i64),
                words::count(burst),
                words::count(allowed)
            ),
            ..Signal::default()
        })
    }
}
