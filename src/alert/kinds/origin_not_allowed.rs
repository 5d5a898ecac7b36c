//! `origin_not_allowed`: a key is used from a web page that its policy does not name.
//!
//! The policy is `origins = [...]` in `[keys.NAME]`, patterns in which `*` stands for any text; without it everything is
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
    kind: Kind::OriginNotAllowed,
    name: "origin_not_allowed",
    urgency: Urgency::Ticket,
    doc: "a key is used from a web page that its policy does not name",
    causes: &[
        "somebody copied the key from a web page into another",
        "a new site of your own that the policy does not know yet",
    ],
    steps: &["Check whether the page is yours", "Restrict the key to your pages where it was issued"],
    tune: "Change the policy rather than the kind: `origins` takes patterns.",
};

kind_settings! {
    /// Use from a web page (`Origin` or `Referer`) that the key's policy does not name (`origins` in `[keys.NAME]`).
    OriginNotAllowedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
    }
}

/// See the module.
pub(super) struct OriginNotAllowed;

impl Detector for OriginNotAllowed {
    fn kind(&self) -> Kind {
        Kind::OriginNotAllowed
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.origins.is_empty()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let allowed = &view.policy.config.origins;
        let (names, uses) = named::outside(view, Aspect::Origin, allowed);
        (uses > 0).then(|| named::signal(view, "was called from the page", &names, uses, allowed))
    }
}
