//! `geo_change`: a key is used from a country that is new for it.
//!
//! Needs a database with countries in `[geoip]`. As with networks, a first sight is weighed against the key's own
//! habits: it fires when the key knows at least one country and (known − 1 + 0.5) / (active hours + 20) is at most 2 %.
//! A policy with `countries` is `ip_not_allowed`'s business.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::GeoChange,
    name: "geo_change",
    urgency: Urgency::Ticket,
    doc: "a key is used from a country that is new for it",
    causes: &["use by somebody who should not have the key", "a journey, a move of servers, or a proxy abroad"],
    steps: &["Ask the key's owner whether they use it from there", "Allow only the countries that you know"],
    tune: "Raise `max_novelty` to hear of countries also for keys that travel.",
};

kind_settings! {
    /// Use from a country that is new for the key; needs `[geoip]`.
    GeoChangeConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Most new countries per active hour that a key may have had.
        max_novelty: f64 = 0.02,
    }
}

/// See the module.
pub(super) struct GeoChange {
    pub(super) config: GeoChangeConfig,
}

impl Detector for GeoChange {
    fn kind(&self) -> Kind {
        Kind::GeoChange
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let seen = view.seen(Aspect::Country).find(|s| s.new && s.known > 0)?;
        let active = view.state.active_hours();
        let novelty = (f64::from(seen.known) - 0.5) / (f64::from(active) + 20.0);
        if novelty > self.config.max_novelty || !view.policy.config.countries.is_empty() {
            return None;
        }
        let known = view.state.habits().iter().filter(|h| h.aspect == Aspect::Country && h.word != seen.sighting.word);
        let known: Vec<String> = known.map(|h| view.name(h.word).to_owned()).collect();
        Some(Signal {
            observed: known.len() as f64 + 1.0,
            expected: Some(known.len() as f64),
            threshold: Some(self.config.max_novelty),
            score: Some(novelty),
            unit: "countries",
            networks: view.visited(),
            summary: format!("was used from {}, a country that is new for it", view.name(seen.sighting.word)),
            why: format!(
                "until now it was used from {} only, over {} active hours (novelty {}, fires up to {})",
                words::list(&known, 5),
                words::count(f64::from(active)),
                words::percent(novelty),
                words::percent(self.config.max_novelty)
            ),
            ..Signal::default()
        })
    }
}
