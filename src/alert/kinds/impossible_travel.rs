//! `impossible_travel`: a key is used from two places with less time between than anybody travels.
//!
//! Needs a database with coordinates in `[geoip]`. The way is the great circle between the places of the last use and
//! this one (haversine), the time what lies between, at least a minute. It fires above 1000 km/h and 500 km, when the
//! key's share of such jumps, (jumps + 0.5) / (active hours + 20), is at most 2 %: a key that several places share jumps
//! all the time.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::ImpossibleTravel,
    name: "impossible_travel",
    urgency: Urgency::Ticket,
    doc: "a key is used from two places with less time between than anybody travels",
    causes: &["two people use the key, and one should not have it", "a VPN or proxy that was switched on"],
    steps: &["Ask the key's owner about both places", "Look at what was done from each network"],
    tune: "Raise `min_km` when your database is coarse; switch it off where clients change VPN exits all day.",
};

kind_settings! {
    /// Use from two places that nobody can reach in the time between; needs `[geoip]`.
    ImpossibleTravelConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Kilometres an hour that are possible.
        max_km_h: f64 = 1000.0,
        /// Kilometres below which nothing fires: databases err by as much.
        min_km: f64 = 500.0,
        /// Most jumps per active hour that a key may have had.
        max_novelty: f64 = 0.02,
    }
}

/// See the module.
pub(super) struct ImpossibleTravel {
    pub(super) config: ImpossibleTravelConfig,
}

impl Detector for ImpossibleTravel {
    fn kind(&self) -> Kind {
        Kind::ImpossibleTravel
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (travel, c) = (view.travel?, &self.config);
        let (_, jumps) = view.state.place();
        let active = view.state.active_hours();
        // This jump is counted already.
        let novelty = (f64::from(jumps) - 0.5) / (f64::from(active) + 20.0);
        if travel.km < c.min_km || travel.km_h < c.max_km_h || novelty > c.max_novelty {
            return None;
        }
        let (way, speed) = (words::count(travel.km), words::count(travel.km_h));
        Some(Signal {
            observed: travel.km_h,
            threshold: Some(c.max_km_h),
            score: Some(novelty),
            unit: "km/h",
            networks: vec![travel.to],
            summary: format!("was used {way} km away from its last use, which would take {speed} km/h"),
            why: format!(
                "{way} km lie between its last two uses, the second from {}; {speed} km/h would be needed, {} are possible",
                travel.to,
                words::count(c.max_km_h)
            ),
            ..Signal::default()
        })
    }
}
