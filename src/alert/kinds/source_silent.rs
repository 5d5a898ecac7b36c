//! `source_silent`: a source that always has events has none.
//!
//! The formula is that of [`super::volume_drop`], over the events of a configured source: the score must reach 10 and the
//! silence 30 minutes and twice the longest so far. A sensor that went blind looks like peace; this tells the two apart.

use std::time::Duration;

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, MINUTE, kind_settings};
use super::volume_drop::VolumeDropConfig;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::SourceSilent,
    name: "source_silent",
    urgency: Urgency::Ticket,
    doc: "a source that always has events has none",
    causes: &[
        "the service that writes the log is down",
        "rotation or a new path took the log away",
        "the shipper stopped",
    ],
    steps: &["Check that the service writes, and where", "Compare with the paths of the source in the configuration"],
    tune: "Lower `silence` for sources that must never pause.",
};

kind_settings! {
    /// Expected events of a source that are absent.
    SourceSilentConfig {
        Ticket, for 0, resolve 15 * MINUTE, renotify 24 * HOUR, mute 0;
        /// Score that the silence must reach: the negative logarithm of its chance.
        score: f64 = 10.0,
        /// Silence that counts at least.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        silence: Duration = Duration::from_secs(30 * MINUTE),
        /// How many times the longest silence so far.
        times_longest: f64 = 2.0,
    }
}

impl SourceSilentConfig {
    /// The same bounds as those of a key.
    pub(in crate::alert) fn as_drop(&self) -> VolumeDropConfig {
        let (score, silence, times_longest) = (self.score, self.silence, self.times_longest);
        VolumeDropConfig { score, silence, times_longest, ..Default::default() }
    }
}
