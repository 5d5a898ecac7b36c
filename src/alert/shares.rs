//! `error_rate` and `auth_failures`: the share of a key's requests that fail, or are refused, is far above its usual.
//!
//! Over 15 minutes, the lower end of Wilson's interval at z = 3.29 (one in a thousand, two-sided) must reach
//! max(least share, factor × usual share), with at least 10 such requests. The usual share has a half-life of 7 days.
//! Half of the bound keeps it firing.

use super::config::{AuthFailuresConfig, ErrorRateConfig};
use super::detector::{Detector, Signal, View};
use super::kind::Kind;
use super::stats::wilson_lower;
use super::words;

/// Three buckets: 15 minutes.
const BUCKETS: i64 = 3;

/// 99.9 %, two-sided.
const Z: f64 = 3.29;

/// See the module.
pub(super) struct Shares {
    kind: Kind,
    min_ratio: f64,
    times_usual: f64,
    min_hits: u32,
}

impl Shares {
    /// `error_rate`.
    pub(super) fn errors(c: &ErrorRateConfig) -> Self {
        let (min_ratio, times_usual, min_hits) = (c.min_ratio, c.times_usual, c.min_errors);
        Self { kind: Kind::ErrorRate, min_ratio, times_usual, min_hits }
    }

    /// `auth_failures`.
    pub(super) fn refused(c: &AuthFailuresConfig) -> Self {
        let (min_ratio, times_usual, min_hits) = (c.min_ratio, c.times_usual, c.min_failures);
        Self { kind: Kind::AuthFailures, min_ratio, times_usual, min_hits }
    }
}

impl Detector for Shares {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let counts = view.state.window(view.bucket, BUCKETS);
        let (usual_errors, usual_refused) = view.state.usual_shares();
        let (hits, usual, what) = match self.kind {
            Kind::ErrorRate => (counts.errors, usual_errors, "failed"),
            _ => (counts.refused, usual_refused, "were refused"),
        };
        let ease = if view.firing { 0.5 } else { 1.0 };
        if f64::from(hits) < f64::from(self.min_hits) * ease {
            return None;
        }
        let (h, n) = (f64::from(hits), f64::from(counts.uses));
        let bound = self.min_ratio.max(self.times_usual * usual) * ease;
        let lower = wilson_lower(h, n, Z);
        if lower < bound {
            return None;
        }
        Some(Signal {
            observed: h / n,
            expected: Some(usual),
            threshold: Some(bound),
            score: Some(lower),
            window_s: Some(900),
            unit: "ratio",
            networks: view.state.networks().iter().rev().take(5).map(|k| k.network).collect(),
            summary: format!(
                "{} of {} requests {what} in 15 minutes ({})",
                words::count(h),
                words::count(n),
                words::percent(h / n)
            ),
            why: format!(
                "{} of {} requests in 15 minutes {what}, so the true share is very likely above {}; usual is {}, fires at {}",
                words::count(h),
                words::count(n),
                words::percent(lower),
                words::percent(usual),
                words::percent(bound),
            ),
            bad_lines: true,
            ..Signal::default()
        })
    }
}
