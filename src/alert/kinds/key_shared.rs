//! `key_shared`: one key is used in two environments (`prod` and `staging`), so that a leak in one opens the other.
//!
//! Fires when a key that was used in at least 24 hours is seen in an environment that is new for it, and always when its
//! `[keys.NAME]` has `environments` that do not fit. With `services = true` a second service counts as well; that is
//! off by default, because in the log of a gateway one caller rightly uses many services.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use super::named;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyShared,
    name: "key_shared",
    urgency: Urgency::Ticket,
    doc: "one key is used in two environments, or two services when that is asked for",
    causes: &["settings that were copied from one environment to another", "one key given to several teams"],
    steps: &["Give each environment a key of its own", "Replace this one: who can read one environment has the other"],
    tune: "Set `services = true` where each service should have a key of its own.",
};

kind_settings! {
    /// One key in two environments (`environments` in `[keys.NAME]` says which are right).
    KeySharedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 7 * DAY;
        /// Whether a second service counts as well.
        services: bool = false,
        /// Hours of use before a second environment is news.
        min_hours: u32 = 24,
    }
}

/// See the module.
pub(super) struct KeyShared {
    pub(super) config: KeySharedConfig,
}

impl Detector for KeyShared {
    fn kind(&self) -> Kind {
        Kind::KeyShared
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        if view.facts.seen.is_empty() {
            return None;
        }
        let allowed = &view.policy.config.environments;
        let (names, uses) = named::outside(view, Aspect::Environment, allowed);
        if uses > 0 {
            return Some(named::signal(view, "was used in environment", &names, uses, allowed));
        }
        let old = view.state.active_hours() >= self.config.min_hours;
        let second = |aspect: Aspect| view.seen(aspect).find(|s| s.new && s.known > 0 && old);
        let environment = second(Aspect::Environment).filter(|_| allowed.is_empty());
        let seen = environment.or_else(|| second(Aspect::Service).filter(|_| self.config.services))?;
        let what = if seen.sighting.aspect == Aspect::Environment { "environment" } else { "service" };
        let known =
            view.state.habits().iter().filter(|h| h.aspect == seen.sighting.aspect && h.word != seen.sighting.word);
        let known: Vec<String> = known.map(|h| view.name(h.word).to_owned()).collect();
        let name = view.name(seen.sighting.word);
        Some(Signal {
            observed: known.len() as f64 + 1.0,
            expected: Some(known.len() as f64),
            threshold: Some(2.0),
            unit: "places",
            networks: view.visited(),
            summary: format!("is used in {what} {name} as well as in {}", words::list(&known, 3)),
            why: format!(
                "{} uses in {what} {name} within 5 minutes; until now only in {}, over {} hours of use",
                words::count(f64::from(seen.sighting.uses)),
                words::list(&known, 5),
                words::count(f64::from(view.state.active_hours()))
            ),
            ..Signal::default()
        })
    }
}
