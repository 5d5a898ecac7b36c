//! `region_not_allowed`: a key is used in a serving region that its policy does not name.
//!
//! The policy is `regions = [...]` in `[keys.NAME]`, patterns in which `*` stands for any text; without it everything is
//! allowed. Every use counts; nothing is learned.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{HOUR, kind_settings};
use super::named;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::RegionNotAllowed,
    name: "region_not_allowed",
    urgency: Urgency::Ticket,
    doc: "a key is used in a serving region that its policy does not name",
    causes: &["use by somebody who starts things where you do not look", "a client that was moved to another region"],
    steps: &["Look at what was started or stored in that region", "Disable regions that you do not use"],
    tune: "Change the policy rather than the kind: `regions` takes patterns.",
};

kind_settings! {
    /// Use in a region that the key's policy does not name (`regions` in `[keys.NAME]`).
    RegionNotAllowedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
    }
}

/// See the module.
pub(super) struct RegionNotAllowed;

impl Detector for RegionNotAllowed {
    fn kind(&self) -> Kind {
        Kind::RegionNotAllowed
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.regions.is_empty()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let allowed = &view.policy.config.regions;
        let (names, uses) = named::outside(view, Aspect::Region, allowed);
        (uses > 0).then(|| named::signal(view, "was served in region", &names, uses, allowed))
    }
}
