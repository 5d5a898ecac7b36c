//! `leaked_key_used`: a credential that stood in a log is used from a network that was never seen with it.

use super::config::LeakedKeyUsedConfig;
use super::detector::{Detector, Signal, View};
use super::kind::Kind;
use super::words;
use crate::window::Network;

/// See the module.
pub(super) struct LeakedKeyUsed {
    pub(super) config: LeakedKeyUsedConfig,
}

impl Detector for LeakedKeyUsed {
    fn kind(&self) -> Kind {
        Kind::LeakedKeyUsed
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let leaked = view.state.leaked_at?;
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
