//! `leaked_key_used`: a credential that stood in a log is used from a network that was never seen with it.

use std::time::Duration;

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use crate::window::Network;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::LeakedKeyUsed,
    name: "leaked_key_used",
    urgency: Urgency::Page,
    doc: "a credential that stood in a log is now used from a network that was never seen with it",
    causes: &["somebody read the key in a log and uses it"],
    steps: &["Look at everything the key did since it leaked", "Find out who can read the log in which it stood"],
    tune: "Shorten `within` when leaked keys are always replaced within days.",
};

kind_settings! {
    /// A leaked credential used from a network never seen with it.
    LeakedKeyUsedConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// How long after the leak.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        within: Duration = Duration::from_secs(90 * DAY),
    }
}

/// See the module.
pub(super) struct LeakedKeyUsed {
    pub(super) config: LeakedKeyUsedConfig,
}

impl Detector for LeakedKeyUsed {
    fn kind(&self) -> Kind {
        Kind::LeakedKeyUsed
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (leaked, _) = view.state.leak()?;
        if !view.facts.had_networks {
            return None;
        }
        let last = leaked.plus(self.config.within);
        let after = |(n, first): &(Network, _)| (*first >= leaked && *first <= last).then_some((*n, *first));
        let networks: Vec<_> = view.facts.new_networks.iter().filter_map(after).collect();
        let first = networks.iter().map(|(_, t)| *t).min()?;
        let names: Vec<String> = networks.iter().map(|(n, _)| n.to_string()).collect();
        let since = words::span(first.since(leaked).as_secs() as i64);
        Some(Signal {
            observed: networks.len() as f64,
            expected: Some(0.0),
            threshold: Some(1.0),
            unit: "networks",
            summary: format!("stood in a log and is now used from {}, which is new for it", words::list(&names, 3)),
            why: format!(
                "the credential was found in a log at {leaked}; {since} later it was used from {}, never seen with it before",
                words::list(&names, 3)
            ),
            networks: networks.into_iter().map(|(n, _)| n).collect(),
            ..Signal::default()
        })
    }
}
