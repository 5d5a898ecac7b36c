//! `cost_spike`: a key uses far more tokens, or costs far more, than its own past explains.
//!
//! Amounts are measured in the key's usual amount per request, learned over its first day, so that the formula in
//! [`super::excess`] holds for them as it does for requests. It fires when the excess is at least 30 such amounts and either
//! the 60-minute score reaches 10 or the 5-minute score reaches 16; half of each keeps it firing. Tokens count where the log
//! tells them, else the cost in millionths of the log's own unit.

use std::time::Duration;

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, MINUTE, kind_settings};
use super::super::words;
use super::excess::{self, Bounds, Excess};
use crate::units::Tz;
use crate::window::RING;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::CostSpike,
    name: "cost_spike",
    urgency: Urgency::Page,
    doc: "a key uses far more tokens, or costs far more, than its own past explains",
    causes: &[
        "a compromised key sold or used for somebody else's models",
        "prompts that grew: a loop, a whole document in each request",
        "a switch to a model that writes more",
    ],
    steps: &["Set a spending limit where the key was issued", "Look at models and sizes in the evidence"],
    tune: "Raise both scores together; `replay --budget` proposes how far.",
};

kind_settings! {
    /// Far more tokens (or cost) than a key's own past explains.
    CostSpikeConfig {
        Page, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
        /// Score that the last 60 minutes must reach.
        score_60m: f64 = 10.0,
        /// Score that the last 5 minutes must reach.
        score_5m: f64 = 16.0,
        /// Usual amounts above what is expected, below which nothing fires.
        min_excess: f64 = 30.0,
        /// How long a key is watched before it can fire.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        learn: Duration = Duration::from_secs(DAY),
    }
}

/// See the module.
pub(super) struct CostSpike {
    pub(super) config: CostSpikeConfig,
    pub(super) zone: Tz,
}

impl Detector for CostSpike {
    fn kind(&self) -> Kind {
        Kind::CostSpike
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (meter, c) = (view.state.tokens()?, &self.config);
        if view.state.age_s(view.bucket) < c.learn.as_secs() as i64 {
            return None;
        }
        let seen = [meter.window(view.bucket, RING as i64), meter.window(view.bucket, 1)];
        let bounds = Bounds { score_60m: c.score_60m, score_5m: c.score_5m, min_excess: c.min_excess };
        let Excess { n, mu, score, needed, window_s } = excess::find(view, meter.profile(), self.zone, seen, &bounds)?;
        let (span, factor, unit) = (words::span(window_s as i64), words::times(n / mu), meter.unit());
        Some(Signal {
            observed: n * unit,
            expected: Some(mu * unit),
            threshold: Some(needed),
            score: Some(score),
            window_s: Some(window_s),
            unit: "tokens",
            networks: view.networks(),
            summary: format!("used {} tokens in {span}, {factor} what is usual", words::amount(n * unit)),
            why: format!(
                "{} tokens in {span}; at most {} were to be expected at this hour; score {score:.1}, fires at {needed}; one request usually takes {}",
                words::amount(n * unit),
                words::amount(mu * unit),
                words::amount(unit)
            ),
            ..Signal::default()
        })
    }
}
