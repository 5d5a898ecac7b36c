//! `endpoint_sensitive`: a sensitive endpoint is called with a key that may not call it.
//!
//! `endpoints` here lists what is sensitive, as patterns over `METHOD /path` with `*` for any text and ids in paths
//! written as `*`: `DELETE *`, `* /admin/*`. A key may call those that `may_call` in its `[keys.NAME]` fits. A key
//! whose policy has `endpoints` may call nothing else at all. Every use counts; nothing is learned.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::{Policy, like};
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use super::named;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::EndpointSensitive,
    name: "endpoint_sensitive",
    urgency: Urgency::Page,
    doc: "a sensitive endpoint is called with a key that may not call it",
    causes: &["somebody tries out what the key can do", "a new duty of the client that the policy does not know yet"],
    steps: &["Look at what the call changed", "Take the right away from the key where it was issued"],
    tune: "List here what destroys, exports or gives rights. Nothing is sensitive until you say so.",
};

kind_settings! {
    /// Calls of sensitive endpoints with keys that may not call them (`may_call` and `endpoints` in `[keys.NAME]`).
    EndpointSensitiveConfig {
        Page, for 0, resolve HOUR, renotify 4 * HOUR, mute 0;
        /// What is sensitive, as patterns over `METHOD /path` with `*` for any text.
        #[cfg_attr(test, schemars(example = ["DELETE *", "* /admin/*"]))]
        endpoints: Vec<String> = Vec::new(),
    }
}

/// See the module.
pub(super) struct EndpointSensitive {
    pub(super) config: EndpointSensitiveConfig,
}

impl Detector for EndpointSensitive {
    fn kind(&self) -> Kind {
        Kind::EndpointSensitive
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.endpoints.is_empty() || !self.config.endpoints.is_empty()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let policy = &view.policy.config;
        let (names, uses) = named::outside(view, Aspect::Endpoint, &policy.endpoints);
        if uses > 0 {
            return Some(named::signal(view, "called", &names, uses, &policy.endpoints));
        }
        if self.config.endpoints.is_empty() {
            return None;
        }
        let fits = |patterns: &[String], name: &str| patterns.iter().find(|p| like(p, name)).cloned();
        let (mut names, mut uses, mut by) = (Vec::new(), 0, String::new());
        for seen in view.seen(Aspect::Endpoint) {
            let name = view.name(seen.sighting.word);
            if let Some(pattern) = fits(&self.config.endpoints, name).filter(|_| fits(&policy.may_call, name).is_none())
            {
                names.push(name.to_owned());
                uses += seen.sighting.uses;
                by = pattern;
            }
        }
        (uses > 0).then(|| Signal {
            observed: f64::from(uses),
            expected: Some(0.0),
            threshold: Some(1.0),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: format!("called {}, which is sensitive", words::list(&names, 3)),
            why: format!(
                "{} uses within 5 minutes of {}, which `{by}` makes sensitive; the key's policy does not allow it",
                words::count(f64::from(uses)),
                words::list(&names, 5)
            ),
            ..Signal::default()
        })
    }
}
