//! `key_age`: a key is in use for longer than the time after which it should be replaced.
//!
//! The age counts from `created` in `[keys.NAME]`, else from the first use that was seen. The time is `rotate_after` of
//! the policy, else that of its group in `groups` here, else `rotate_after` here; without any, nothing fires. Said once
//! in 30 days, and only of keys that are used.

use std::collections::BTreeMap;

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{DAY, kind_settings};
use super::super::values::Span;
use super::super::words;
use crate::units::format_duration;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyAge,
    name: "key_age",
    urgency: Urgency::Digest,
    doc: "a key is in use for longer than the time after which it should be replaced",
    causes: &["nobody replaced it in time"],
    steps: &[
        "Give its users a new key, then retire this one",
        "Set `retired` in its policy to see whether it is still used",
    ],
    tune: "Set `rotate_after` by your rule; give short times to groups that can do more.",
};

kind_settings! {
    /// Keys that should have been replaced (`created` and `rotate_after` in `[keys.NAME]`).
    KeyAgeConfig {
        Digest, for 0, resolve DAY, renotify 0, mute 30 * DAY;
        /// After which time keys should be replaced; left out: only keys whose policy or group says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(example = &"90d"))]
        rotate_after: Option<Span> = None,
        /// The same for the keys of a group, for example of an environment.
        #[cfg_attr(test, schemars(example = BTreeMap::from([("prod", "90d"), ("dev", "365d")])))]
        groups: BTreeMap<String, Span> = BTreeMap::new(),
    }
}

impl KeyAgeConfig {
    /// After which time a key with this policy should be replaced.
    pub fn rotate_after(&self, policy: &Policy) -> Option<std::time::Duration> {
        let group = policy.group.as_ref().and_then(|g| self.groups.get(g).copied());
        policy.config.rotate_after.or(group).or(self.rotate_after).map(|s| s.0)
    }
}

/// See the module.
pub(super) struct KeyAge {
    pub(super) config: KeyAgeConfig,
}

impl Detector for KeyAge {
    fn kind(&self) -> Kind {
        Kind::KeyAge
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let after = self.config.rotate_after(view.policy)?;
        let created = view.policy.config.created.map(|d| d.0);
        let age = view.now.since(created.unwrap_or(view.state.first_seen));
        (age > after).then(|| Signal {
            observed: age.as_secs_f64(),
            threshold: Some(after.as_secs_f64()),
            unit: "seconds",
            networks: view.networks(),
            summary: format!("is {} old and should have been replaced", words::span(age.as_secs() as i64)),
            why: format!(
                "{} {}; keys like it should be replaced after {}",
                if created.is_some() { "made" } else { "first seen" },
                created.unwrap_or(view.state.first_seen),
                format_duration(after)
            ),
            ..Signal::default()
        })
    }
}
