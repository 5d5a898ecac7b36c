//! `volume_spike`: a key is used far more often than its own past explains.
//!
//! Two windows of event time, 5 and 60 minutes, against the expectation mu = [`Profile::expected`] × fleet + 1, for the
//! 5-minute window [`Profile::expected_burst`]. The score is the log likelihood ratio of negative binomials with the key's own
//! over-dispersion ([`excess_score`]). It fires when the excess is at least 30 and either the 60-minute score reaches
//! 10 with alpha ≥ 0.03 or the 5-minute score reaches 16 with alpha ≥ 0.2; half of each keeps it firing. Keys younger
//! than the learning time are not scored.
//!
//! [`Profile::expected`]: crate::window::Profile::expected
//! [`Profile::expected_burst`]: crate::window::Profile::expected_burst

use chrono_tz::Tz;

use super::config::VolumeSpikeConfig;
use super::detector::{Detector, Signal, View};
use super::kind::Kind;
use super::stats::excess_score;
use super::words;
use crate::window::{BUCKET_S, RING, hour_of_week};

/// See the module.
pub(super) struct VolumeSpike {
    pub(super) config: VolumeSpikeConfig,
    pub(super) zone: Tz,
}

impl Detector for VolumeSpike {
    fn kind(&self) -> Kind {
        Kind::VolumeSpike
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let c = &self.config;
        let ease = if view.firing { 0.5 } else { 1.0 };
        let hour = view.state.window(view.bucket, RING as i64).uses;
        if f64::from(hour) < c.min_excess * ease || view.state.age_s(view.bucket) < c.learn.as_secs() as i64 {
            return None;
        }
        let profile = view.state.profile()?;
        let at = hour_of_week(view.bucket.div_euclid(RING as i64), self.zone);
        let (usual, burst) = (profile.expected(at) * view.fleet, profile.expected_burst(at) * view.fleet);
        let five = view.state.window(view.bucket, 1).uses;
        let wide = (f64::from(hour), usual + 1.0, profile.alpha().max(0.03), c.score_60m, 3600);
        let short = (f64::from(five), burst + 1.0, profile.alpha().max(0.2), c.score_5m, BUCKET_S as u64);
        let hits = [short, wide].into_iter().filter_map(|(n, mu, alpha, needed, window_s)| {
            let score = excess_score(n, mu, alpha);
            (n - mu >= c.min_excess * ease && score >= needed * ease).then_some((
                score / needed,
                n,
                mu,
                score,
                needed,
                window_s,
            ))
        });
        let (_, n, mu, score, needed, window_s) = hits.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let (span, factor) = (words::span(window_s as i64), words::times(n / mu));
        Some(Signal {
            observed: n,
            expected: Some(mu),
            threshold: Some(needed),
            score: Some(score),
            window_s: Some(window_s),
            unit: "requests",
            networks: view.state.networks().iter().rev().take(5).map(|k| k.network).collect(),
            summary: format!("made {} requests in {span}, {factor} what is usual", words::count(n)),
            why: format!(
                "{} requests in {span}; at most {} were to be expected at this hour, learned over {}; score {score:.1}, fires at {needed}",
                words::count(n),
                words::count(mu),
                words::span(i64::from(profile.hours()) * 3600),
            ),
            ..Signal::default()
        })
    }
}
