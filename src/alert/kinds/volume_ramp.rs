//! `volume_ramp`: a key's use grows from week to week, too slowly for a spike.
//!
//! Once a day by the local calendar: the mean of the last three days is at least 2.5 times the mean of the same weekdays
//! of the three weeks before, and at least 100 requests a day. Needs 25 days of history. A key about which something
//! else was told in the last four days is left out: its spike is known.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::VolumeRamp,
    name: "volume_ramp",
    urgency: Urgency::Digest,
    doc: "a key is used much more over days than in the weeks before",
    causes: &["growth", "a stolen key that is used carefully", "a client that calls more often than it needs"],
    steps: &["Ask the key's owner whether they expect it", "Give the key a limit that fits its duty"],
    tune: "Raise `times_usual` for services that grow by plan.",
};

kind_settings! {
    /// Growth over days.
    VolumeRampConfig {
        Digest, for 0, resolve DAY, renotify 0, mute 7 * DAY;
        /// How many times the mean of the three weeks before.
        times_usual: f64 = 2.5,
        /// Requests a day, below which nothing fires.
        min_per_day: f64 = 100.0,
    }
}

/// How long after another alert about the key it is not told again as growth.
const AFTER: u64 = 4 * DAY;

/// See the module.
pub(super) struct VolumeRamp {
    pub(super) config: VolumeRampConfig,
}

impl Detector for VolumeRamp {
    fn kind(&self) -> Kind {
        Kind::VolumeRamp
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (now, before) = view.state.profile()?.ramp()?;
        if view.state.signal_at().is_some_and(|t| view.now.since(t).as_secs() <= AFTER) {
            return None;
        }
        let (c, ease) = (&self.config, if view.firing { 0.8 } else { 1.0 });
        if now < c.min_per_day || before * view.fleet <= 0.0 || now < c.times_usual * ease * before * view.fleet {
            return None;
        }
        Some(Signal {
            observed: now,
            expected: Some(before),
            threshold: Some(c.times_usual),
            score: Some(now / before),
            window_s: Some(3 * DAY),
            unit: "requests",
            networks: view.networks(),
            summary: format!(
                "makes {} requests a day, {} the weeks before",
                words::count(now),
                words::times(now / before)
            ),
            why: format!(
                "{} requests a day in the last three days; {} on the same weekdays of the three weeks before, fires at {}",
                words::count(now),
                words::count(before),
                words::times(c.times_usual)
            ),
            ..Signal::default()
        })
    }
}
