//! `key_dormant`: a key is used again after a silence of at least 14 days and twice its longest silence before.

use super::config::KeyDormantConfig;
use super::detector::{Detector, Signal, View};
use super::kind::Kind;
use super::words;

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
            networks: view.state.networks().iter().rev().take(5).map(|k| k.network).collect(),
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
