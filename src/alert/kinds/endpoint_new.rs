//! `endpoint_new`: a key that keeps to few endpoints calls one that it never called.
//!
//! As with networks, first sights are weighed against the key's own habits: it fires when the key was used in at least
//! 72 hours, knows at most 5 endpoints, and the share of new endpoints per active hour,
//! (known − 1 + 0.5) / (active hours + 20), is at most 2 %. Requests that failed with 404 and the like count too: trying
//! doors is the point.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::EndpointNew,
    name: "endpoint_new",
    urgency: Urgency::Digest,
    doc: "a key that keeps to few endpoints calls one that it never called",
    causes: &["somebody tries out what the key can do", "a new version of the client"],
    steps: &["Ask the key's owner whether the client changed", "Allow only the endpoints that the client needs"],
    tune: "Raise `max_known` for clients with more endpoints than five that still keep to them.",
};

kind_settings! {
    /// First use of an endpoint by a key that keeps to few.
    EndpointNewConfig {
        Digest, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Hours of use before an endpoint is news.
        min_hours: u32 = 72,
        /// Most endpoints that a key may know, to be one that keeps to few.
        max_known: u32 = 5,
        /// Most new endpoints per active hour that a key may have had.
        max_novelty: f64 = 0.02,
    }
}

/// See the module.
pub(super) struct EndpointNew {
    pub(super) config: EndpointNewConfig,
}

impl Detector for EndpointNew {
    fn kind(&self) -> Kind {
        Kind::EndpointNew
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let new: Vec<_> = view.seen(Aspect::Endpoint).filter(|s| s.new).collect();
        let known = u32::from(new.first()?.known);
        let (c, active) = (&self.config, view.state.active_hours());
        let novelty = (f64::from(known.saturating_sub(1)) + 0.5) / (f64::from(active) + 20.0);
        if active < c.min_hours || known == 0 || known > c.max_known || novelty > c.max_novelty {
            return None;
        }
        let names: Vec<String> = new.iter().map(|s| view.name(s.sighting.word).to_owned()).collect();
        Some(Signal {
            observed: new.len() as f64,
            expected: Some(novelty),
            threshold: Some(c.max_novelty),
            score: Some(novelty),
            unit: "endpoints",
            networks: view.visited(),
            summary: format!("called {}, which it never called before", words::list(&names, 3)),
            why: format!(
                "in {} active hours it kept to {} endpoints (novelty {}, fires up to {})",
                words::count(f64::from(active)),
                words::count(f64::from(known)),
                words::percent(novelty),
                words::percent(c.max_novelty)
            ),
            ..Signal::default()
        })
    }
}
