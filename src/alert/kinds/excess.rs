//! What the detectors of far too much share: requests, tokens, bytes.
//!
//! Two windows of event time, 5 and 60 minutes, against the expectation mu = [`Profile::expected`] × fleet + 1, for the
//! 5-minute window [`Profile::expected_burst`]. The score is the log likelihood ratio of negative binomials with the
//! key's own over-dispersion alpha ([`excess_score`]), at least 0.03 over 60 minutes and 0.2 over 5.

use super::super::detector::View;
use super::super::stats::excess_score;
use crate::units::Tz;
use crate::window::{BUCKET_S, Profile, RING, hour_of_week};

/// When too much is far too much.
pub(super) struct Bounds {
    pub score_60m: f64,
    pub score_5m: f64,
    pub min_excess: f64,
}

/// The window that shows the most.
pub(super) struct Excess {
    pub n: f64,
    pub mu: f64,
    pub score: f64,
    pub needed: f64,
    pub window_s: u64,
}

/// The excess of `hour` (60 minutes) or `five` (5 minutes) over what is usual, when it is far too much.
pub(super) fn find(view: &View<'_>, profile: &Profile, zone: Tz, [hour, five]: [f64; 2], b: &Bounds) -> Option<Excess> {
    let ease = if view.firing { 0.5 } else { 1.0 };
    let at = hour_of_week(view.bucket.div_euclid(RING as i64), zone);
    let (usual, burst) = (profile.expected(at) * view.fleet, profile.expected_burst(at) * view.fleet);
    let wide = (hour, usual + 1.0, profile.alpha().max(0.03), b.score_60m, 3600);
    let short = (five, burst + 1.0, profile.alpha().max(0.2), b.score_5m, BUCKET_S as u64);
    let hits = [short, wide].into_iter().filter_map(|(n, mu, alpha, needed, window_s)| {
        let score = excess_score(n, mu, alpha);
        let far = n - mu >= b.min_excess * ease && score >= needed * ease;
        far.then_some(Excess { n, mu, score, needed, window_s })
    });
    hits.max_by(|a, b| (a.score / a.needed).total_cmp(&(b.score / b.needed)))
}
