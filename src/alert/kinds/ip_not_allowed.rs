//! `ip_not_allowed`: a key is used from an address that its policy does not name.
//!
//! The policy is `networks = ["192.0.2.0/24", ...]` (and `countries`, when a `[geoip]` database is configured) in
//! `[keys.NAME]`. Every use counts; nothing is learned. A policy without networks allows all.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::IpNotAllowed,
    name: "ip_not_allowed",
    urgency: Urgency::Page,
    doc: "a key is used from an address or a country that its policy does not name",
    causes: &["use by somebody who should not have the key", "a new host or office that the policy does not know yet"],
    steps: &["Check whether the address belongs to the key's owner", "Add its network to the policy when it does"],
    tune: "Raise `min_events` only when single strays are expected, such as health checks from elsewhere.",
};

kind_settings! {
    /// Use from an address that the key's policy does not name (`networks` and `countries` in `[keys.NAME]`).
    IpNotAllowedConfig {
        Page, for 0, resolve HOUR, renotify 4 * HOUR, mute 0;
        /// Uses within 5 minutes, below which nothing fires.
        min_events: u32 = 1,
    }
}

/// See the module.
pub(super) struct IpNotAllowed {
    pub(super) config: IpNotAllowedConfig,
}

impl Detector for IpNotAllowed {
    fn kind(&self) -> Kind {
        Kind::IpNotAllowed
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.networks.is_empty() || !policy.config.countries.is_empty()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let allowed = &view.policy.config.networks;
        let countries = &view.policy.config.countries;
        let outside = view.visits.iter().filter(|v| !allowed.is_empty() && !allowed.iter().any(|n| n.contains(&v.ip)));
        let (mut names, mut uses) = (Vec::new(), 0);
        for visit in outside {
            names.push(visit.ip.to_string());
            uses += visit.uses;
        }
        let abroad = view.seen(Aspect::Country).filter(|s| {
            let name = view.name(s.sighting.word);
            !countries.is_empty() && !countries.iter().any(|c| c.eq_ignore_ascii_case(name))
        });
        for seen in abroad {
            names.push(view.name(seen.sighting.word).to_owned());
            uses = uses.max(seen.sighting.uses);
        }
        if uses < self.config.min_events.max(1) {
            return None;
        }
        let may = allowed.iter().map(ToString::to_string).chain(countries.iter().cloned()).collect::<Vec<_>>();
        Some(Signal {
            observed: f64::from(uses),
            expected: Some(0.0),
            threshold: Some(f64::from(self.config.min_events)),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: format!("was used from {}, which its policy does not allow", words::list(&names, 3)),
            why: format!(
                "{} uses from {} within 5 minutes; the policy allows {}",
                words::count(f64::from(uses)),
                words::list(&names, 5),
                words::list(&may, 5)
            ),
            ..Signal::default()
        })
    }
}
