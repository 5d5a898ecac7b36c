//! `new_ip`: a key is used from a network that does not fit it.
//!
//! The bare first sight of a network is noise for keys that move. Mode `novel` weighs it against the key's own habits:
//! novelty = (new networks so far + 0.5) / (active hours + 20). It fires for a new /16 (IPv6 /32) at novelty ≤ 2 %, and
//! for a new /24 (IPv6 /64) near known ones at ≤ 1 %. The networks of a key's first day are where it belongs and do not
//! count; in its first week nothing fires. Mode `exact` fires at every first sight but the key's first.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use crate::window::Network;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::NewIp,
    name: "new_ip",
    urgency: Urgency::Digest,
    doc: "a key that keeps to few networks is used from a new one",
    causes: &["use by somebody who should not have the key", "a move to another host, office or provider"],
    steps: &["Check whether the network belongs to the key's owner", "Allow only known networks for this key"],
    tune: "`mode = \"exact\"` when every first sight should be told, for few keys only. Lower the novelties when the digest is too long.",
};

/// When a network is news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NewIpMode {
    /// When the key keeps to few networks, so that a new one does not fit it.
    #[default]
    Novel,
    /// Every network that the key was not used from before.
    Exact,
}

kind_settings! {
    /// Use from a new network (IPv4 /24, IPv6 /64).
    NewIpConfig {
        Digest, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// `novel`: only networks that do not fit the key's own habits; `exact`: every first sight.
        mode: NewIpMode = NewIpMode::Novel,
        /// Most new networks per active hour that a key may have had, for one in a new /16 (IPv6 /32).
        max_novelty_far: f64 = 0.02,
        /// The same for a new /24 (IPv6 /64) in a known neighbourhood.
        max_novelty_near: f64 = 0.01,
    }
}

/// See the module.
pub(super) struct NewIp {
    pub(super) config: NewIpConfig,
}

impl Detector for NewIp {
    fn kind(&self) -> Kind {
        Kind::NewIp
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let facts = view.facts;
        let young = view.state.age_s(view.bucket) < 7 * DAY as i64 && self.config.mode == NewIpMode::Novel;
        if facts.new_networks.is_empty() || !facts.had_networks || young {
            return None;
        }
        let active = view.state.active_hours();
        let novelty = (f64::from(facts.new_before) + 0.5) / (f64::from(active) + 20.0);
        let c = &self.config;
        let near: Vec<Network> = facts.new_networks.iter().map(|(n, _)| *n).collect();
        let (networks, bound) = match c.mode {
            NewIpMode::Exact => (near, 1.0),
            NewIpMode::Novel if !facts.far_networks.is_empty() && novelty <= c.max_novelty_far => {
                (facts.far_networks.clone(), c.max_novelty_far)
            }
            NewIpMode::Novel if novelty <= c.max_novelty_near => (near, c.max_novelty_near),
            NewIpMode::Novel => return None,
        };
        let names: Vec<String> = networks.iter().map(Network::to_string).collect();
        let hours = words::count(f64::from(active));
        Some(Signal {
            observed: networks.len() as f64,
            expected: Some(novelty),
            threshold: Some(bound),
            score: Some(novelty),
            unit: "networks",
            summary: format!("was used from {}, a network that is new for it", words::list(&names, 3)),
            why: format!(
                "{} was never seen with this key, which has shown {} new networks in {hours} active hours (novelty {}, fires up to {})",
                words::list(&names, 3),
                words::count(f64::from(facts.new_before)),
                words::percent(novelty),
                words::percent(bound),
            ),
            networks,
            escalate: view.policy.sensitive,
            ..Signal::default()
        })
    }
}
