//! `model_not_allowed`: a key is used with a language model that its policy does not name.
//!
//! The policy is `models = [...]` in `[keys.NAME]`, patterns in which `*` stands for any text; without it everything is
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
    kind: Kind::ModelNotAllowed,
    name: "model_not_allowed",
    urgency: Urgency::Page,
    doc: "a key is used with a language model that its policy does not name",
    causes: &["somebody uses the key for what it was not given out for", "a client that was switched to a new model"],
    steps: &[
        "Ask the key's owner whether the model is meant",
        "Add the model to the policy when it is, or limit the key where it was issued",
    ],
    tune: "Change the policy rather than the kind: `models` takes patterns.",
};

kind_settings! {
    /// Use with a model that the key's policy does not name (`models` in `[keys.NAME]`).
    ModelNotAllowedConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 0;
    }
}

/// See the module.
pub(super) struct ModelNotAllowed;

impl Detector for ModelNotAllowed {
    fn kind(&self) -> Kind {
        Kind::ModelNotAllowed
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.models.is_empty()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let allowed = &view.policy.config.models;
        let (names, uses) = named::outside(view, Aspect::Model, allowed);
        (uses > 0).then(|| named::signal(view, "was used with model", &names, uses, allowed))
    }
}
