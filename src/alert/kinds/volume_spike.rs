//! `volume_spike`: a key is used far more often than its own past explains.
//!
//! The formula is in [`super::excess`]. It fires when the excess is at least 30 and either the 60-minute score reaches 10
//! or the 5-minute score reaches 16; half of each keeps it firing. Keys younger than the learning time are not scored.

use std::time::Duration;

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, MINUTE, kind_settings};
use super::super::words;
use super::excess::{self, Bounds, Excess};
use crate::units::Tz;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::VolumeSpike,
    name: "volume_spike",
    urgency: Urgency::Page,
    doc: "a key is used far more often in 5 or 60 minutes than its own past explains",
    causes: &[
        "a compromised key",
        "a client that retries or loops because of a bug",
        "a planned load that was not announced",
    ],
    steps: &["Ask the key's owner whether the load is theirs", "Limit the key's rate until the cause is known"],
    tune: "Raise both scores together when pages come from load that is right; `replay --budget` proposes how far. Lower `min_excess` for keys that are used only a few times an hour.",
};

kind_settings! {
    /// Far more requests than a key's own past explains.
    VolumeSpikeConfig {
        Page, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
        /// Score that the last 60 minutes must reach: the log of how much better "more than usual" explains them.
        score_60m: f64 = 10.0,
        /// Score that the last 5 minutes must reach.
        score_5m: f64 = 16.0,
        /// Requests above what is expected, below which nothing fires.
        min_excess: f64 = 30.0,
        /// How long a key is watched before it can fire.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        learn: Duration = Duration::from_secs(DAY),
    }
}

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
        let hour = view.hour.uses;
        if f64::from(hour) < c.min_excess * ease || view.state.age_s(view.bucket) < c.learn.as_secs() as i64 {
            return None;
        }
        let profile = view.state.profile()?;
        let seen = [f64::from(hour), f64::from(view.five.uses)];
        let bounds = Bounds { score_60m: c.score_60m, score_5m: c.score_5m, min_excess: c.min_excess };
        let Excess { n, mu, score, needed, window_s } = excess::find(view, profile, self.zone, seen, &bounds)?;
        let (span, factor) = (words::span(window_s as i64), words::times(n / mu));
        Some(Signal {
            observed: n,
            expected: Some(mu),
            threshold: Some(needed),
            score: Some(score),
            window_s: Some(window_s),
            unit: "requests",
            networks: view.networks(),
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
