//! `bytes_spike`: a key is sent far more bytes than its own past explains.
//!
//! Amounts are measured in the key's usual amount per request, learned over its first day, so that the formula in
//! [`super::excess`] holds for them as it does for requests. It fires when the excess is at least 30 such amounts and either
//! the 60-minute score reaches 10 or the 5-minute score reaches 16; half of each keeps it firing.

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
    kind: Kind::BytesSpike,
    name: "bytes_spike",
    urgency: Urgency::Ticket,
    doc: "a key is sent far more bytes than its own past explains",
    causes: &["somebody copies everything that the key can read", "an export that was not announced"],
    steps: &["Look at the endpoints in the evidence", "Limit how much the key can read at once"],
    tune: "Raise both scores where exports are daily business.",
};

kind_settings! {
    /// Far more bytes sent to a key's caller than its own past explains.
    BytesSpikeConfig {
        Ticket, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
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
pub(super) struct BytesSpike {
    pub(super) config: BytesSpikeConfig,
    pub(super) zone: Tz,
}

impl Detector for BytesSpike {
    fn kind(&self) -> Kind {
        Kind::BytesSpike
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (meter, c) = (view.state.bytes()?, &self.config);
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
            unit: "bytes",
            networks: view.networks(),
            summary: format!("was sent {} bytes in {span}, {factor} what is usual", words::amount(n * unit)),
            why: format!(
                "{} bytes in {span}; at most {} were to be expected at this hour; score {score:.1}, fires at {needed}; one request usually takes {}",
                words::amount(n * unit),
                words::amount(mu * unit),
                words::amount(unit)
            ),
            ..Signal::default()
        })
    }
}
