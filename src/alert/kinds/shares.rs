//! What `error_rate` and `auth_failures` share: the share of a key's requests that fail, or are refused.
//!
//! Over 15 minutes, and over 60 for keys that are used less, the lower end of Wilson's interval at z = 3.29 (one in a
//! thousand, two-sided) must reach max(least share, factor × usual share), with at least 10 such requests. The usual share
//! has a half-life of 7 days. Half of the bound keeps it firing.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::Kind;
use super::super::stats::wilson_lower;
use super::super::words;
use crate::window::Counts;

/// 99.9 %, two-sided.
const Z: f64 = 3.29;

/// See the module.
pub(super) struct Shares {
    pub(super) kind: Kind,
    pub(super) min_ratio: f64,
    pub(super) times_usual: f64,
    pub(super) min_hits: u32,
}

impl Detector for Shares {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        [(view.quarter, 900), (view.hour, 3600)].into_iter().find_map(|(counts, s)| self.window(view, counts, s))
    }
}

impl Shares {
    fn window(&self, view: &View<'_>, counts: Counts, window_s: i64) -> Option<Signal> {
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
        let span = words::span(window_s);
        Some(Signal {
            observed: h / n,
            expected: Some(usual),
            threshold: Some(bound),
            score: Some(lower),
            window_s: Some(window_s as u64),
            unit: "ratio",
            networks: view.networks(),
            summary: format!(
                "{} of {} requests {what} in {span} ({})",
                words::count(h),
                words::count(n),
                words::percent(h / n)
            ),
            why: format!(
                "{} of {} requests in {span} {what}, so the true share is very likely above {}; usual is {}, fires at {}",
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
