//! `key_dormant`: a key is used again after a silence of at least 14 days and twice its longest silence before.

use std::time::Duration;

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyDormant,
    name: "key_dormant",
    urgency: Urgency::Page,
    doc: "a key is used again after a silence far longer than any before",
    causes: &["an old key found by somebody else", "a rare job, such as a yearly report"],
    steps: &["Ask the key's owner whether it is still needed", "Retire keys that nobody uses"],
    tune: "Raise `silence` for keys of monthly or yearly jobs, best by a policy of their own group.",
};

kind_settings! {
    /// Use after a long silence.
    KeyDormantConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Silence that counts at least.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        silence: Duration = Duration::from_secs(14 * DAY),
        /// How many times the key's longest silence so far.
        times_longest: f64 = 2.0,
    }
}

/// See the module.
pub(super) struct KeyDormant {
    pub(super) config: KeyDormantConfig,
}

impl Detector for KeyDormant {
    fn kind(&self) -> Kind {
        Kind::KeyDormant
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (silence, longest) = (view.facts.silence_s, view.facts.longest_s);
        let least = self.config.silence.as_secs() as f64;
        let bound = least.max(self.config.times_longest * longest as f64);
        if silence <= 0 || (silence as f64) < bound {
            return None;
        }
        let silent = words::span(silence);
        Some(Signal {
            observed: silence as f64,
            expected: Some(longest as f64),
            threshold: Some(bound),
            unit: "seconds",
            networks: view.networks(),
            summary: format!("is used again after {silent} of silence"),
            why: format!(
                "no use for {silent}; its longest silence before was {}, fires at {}",
                words::span(longest),
                words::span(bound as i64)
            ),
            ..Signal::default()
        })
    }
}
