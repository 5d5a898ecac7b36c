//! Where addresses are, from the operator's own databases (MaxMind DB format, `.mmdb`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use maxminddb::Reader;
use serde::Deserialize;

use super::detector::Travel;
use crate::units::Timestamp;
use crate::window::{KeyState, Network, Place, Visit, Where};

/// Networks whose place is remembered.
const MAX: usize = 65_536;

/// The databases: any of city, country and autonomous system.
pub struct Geo {
    readers: Vec<Database>,
    systems: bool,
}

/// One database. The library trusts the inside of its file; one that is damaged is not asked again.
struct Database {
    reader: Reader<Vec<u8>>,
    damaged: AtomicBool,
}

impl Database {
    fn find(&self, ip: IpAddr) -> Option<Row> {
        if self.damaged.load(Ordering::Relaxed) {
            return None;
        }
        let look = AssertUnwindSafe(|| self.reader.lookup(ip).ok()?.decode().ok().flatten());
        catch_unwind(look).unwrap_or_else(|_| {
            self.damaged.store(true, Ordering::Relaxed);
            None
        })
    }
}

/// What is read of an entry, whichever database it is of.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    country: Country,
    location: Location,
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Country {
    iso_code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl std::fmt::Debug for Geo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.readers.iter().map(|d| &d.reader.metadata.database_type)).finish()
    }
}

impl Geo {
    /// Databases from the bytes of their files.
    ///
    /// # Errors
    /// The position of one that is no such database, and what is wrong with it.
    pub fn new(files: Vec<Vec<u8>>) -> Result<Self, (usize, String)> {
        let mut readers = Vec::new();
        for (at, bytes) in files.into_iter().enumerate() {
            let open = catch_unwind(AssertUnwindSafe(|| Reader::from_source(bytes)));
            let reader = open.map_err(|_| (at, "it is damaged".to_owned()))?.map_err(|e| (at, e.to_string()))?;
            readers.push(Database { reader, damaged: AtomicBool::new(false) });
        }
        let systems = readers.iter().any(|d| {
            let kind = d.reader.metadata.database_type.as_str();
            kind.contains("ASN") || kind.contains("ISP") || kind.contains("Enterprise")
        });
        Ok(Self { readers, systems })
    }

    /// What is known of an address.
    pub fn find(&self, ip: IpAddr) -> Found {
        let mut found = Found::default();
        for row in self.readers.iter().filter_map(|d| d.find(ip)) {
            found.country = found.country.or(row.country.iso_code);
            let at = row.location.latitude.zip(row.location.longitude);
            found.at = found.at.or(at.map(|(n, e)| Where { latitude: n as f32, longitude: e as f32 }));
            if let Some(number) = row.autonomous_system_number {
                let name = row.autonomous_system_organization.unwrap_or_default();
                found.system = found.system.or(Some(format!("AS{number} {name}").trim_end().to_owned()));
            }
        }
        found
    }
}

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// ISO code of the country.
    pub country: Option<String>,
    /// Number and name of the autonomous system.
    pub system: Option<String>,
    /// Coordinates.
    pub at: Option<Where>,
}

/// The databases with what was looked up lately.
pub(super) struct Places {
    geo: Option<Arc<Geo>>,
    found: HashMap<Network, Arc<Found>>,
}

impl Places {
    pub(super) fn new(geo: Option<Arc<Geo>>) -> Self {
        Self { geo, found: HashMap::new() }
    }

    /// Whether there is a database.
    pub(super) fn any(&self) -> bool {
        self.geo.is_some()
    }

    /// Whether autonomous systems are known.
    pub(super) fn has_systems(&self) -> bool {
        self.geo.as_ref().is_some_and(|g| g.systems)
    }

    /// What is known of an address' network, by the address that came first from it.
    pub(super) fn find(&mut self, ip: IpAddr) -> Arc<Found> {
        let Some(geo) = &self.geo else { return Arc::default() };
        if self.found.len() >= MAX {
            self.found.clear();
        }
        Arc::clone(self.found.entry(Network::of(ip)).or_insert_with(|| Arc::new(geo.find(ip))))
    }
}

/// Moves a key to `here` and says how it must have travelled, when it came from elsewhere.
pub(super) fn travel(state: &mut KeyState, here: Where, visit: &Visit, at: Timestamp) -> Option<Travel> {
    let (before, _) = state.place();
    let time = visit.last.min(at);
    let Some(before) = before else {
        state.moved(Place { at: here, time }, false);
        return None;
    };
    if before.at == here {
        state.moved(Place { at: here, time: before.time.max(time) }, false);
        return None;
    }
    let km = distance_km(before.at, here);
    let hours = (visit.first.since(before.time).as_secs_f64() / 3600.0).max(1.0 / 60.0);
    let travel = Travel { km, km_h: km / hours, to: Network::of(visit.ip) };
    // What counts as a jump is fixed here, so that a key's habit does not depend on its settings.
    state.moved(Place { at: here, time: before.time.max(time) }, travel.km_h > 1000.0 && km > 500.0);
    Some(travel)
}

/// Great-circle distance by the haversine formula, on a sphere with the earth's mean radius (6371.0088 km, IUGG).
fn distance_km(a: Where, b: Where) -> f64 {
    let [lat_a, lon_a, lat_b, lon_b] =
        [a.latitude, a.longitude, b.latitude, b.longitude].map(|d| f64::from(d).to_radians());
    let h = ((lat_b - lat_a) / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * ((lon_b - lon_a) / 2.0).sin().powi(2);
    2.0 * 6_371.008_8 * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_map() {
        let place = |latitude, longitude| Where { latitude, longitude };
        let (berlin, new_york) = (place(52.52, 13.405), place(40.7128, -74.006));
        assert!((distance_km(berlin, new_york) - 6385.0).abs() < 10.0, "{}", distance_km(berlin, new_york));
        assert!(distance_km(berlin, berlin) < 0.01);
        let antipodes = distance_km(place(0.0, 0.0), place(0.0, 180.0));
        assert!((antipodes - 20_015.0).abs() < 5.0, "{antipodes}");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let (at, why) = Geo::new(vec![b"not a database".to_vec()]).unwrap_err();
        assert!(at == 0 && !why.is_empty());
    }
}
