//! Addresses that try many keys.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;
use crate::window::{Distinct, KeyId, Visit};

/// Addresses that are remembered; the ones of earlier hours make room.
const MAX: usize = 4096;

/// Keys counted exactly.
const EXACT: usize = 16;

/// What one address was refused with in the hour at hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tried {
    /// Counted from 1970.
    hour: i64,
    keys: Vec<u64>,
    more: Option<Distinct>,
    /// Requests that were refused.
    pub refused: u32,
}

impl Tried {
    /// Different keys.
    pub(super) fn keys(&self) -> f64 {
        self.more.as_ref().map_or(self.keys.len() as f64, |d| d.count().max(self.keys.len() as f64))
    }

    fn add(&mut self, key: u64) {
        if self.keys.contains(&key) {
            return;
        }
        if self.keys.len() < EXACT {
            return self.keys.push(key);
        }
        let keys = &self.keys;
        let more = self.more.get_or_insert_with(|| {
            let mut more = Distinct::default();
            keys.iter().for_each(|k| more.add(*k));
            more
        });
        more.add(key);
    }
}

/// All addresses that were refused lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Crowd {
    tried: HashMap<IpAddr, Tried>,
    #[serde(skip)]
    pub(super) changed: bool,
}

impl Crowd {
    /// Counts a key's refused uses by address.
    pub(super) fn note(&mut self, id: &KeyId, visits: &[Visit], at: Timestamp) {
        let hour = at.secs().div_euclid(3600);
        for visit in visits.iter().filter(|v| v.refused > 0) {
            if self.tried.len() >= MAX && !self.tried.contains_key(&visit.ip) {
                self.tried.retain(|_, t| t.hour >= hour);
                if self.tried.len() >= MAX {
                    // All of this hour: the ones with a single key make room.
                    self.tried.retain(|_, t| t.keys.len() > 1);
                }
                if self.tried.len() >= MAX {
                    continue;
                }
            }
            let tried = self.tried.entry(visit.ip).or_default();
            if tried.hour < hour {
                *tried = Tried { hour, ..Tried::default() };
            }
            tried.refused = tried.refused.saturating_add(visit.refused);
            tried.add(id.spread());
            self.changed = true;
        }
    }

    /// What an address was refused with in the hour of `at`.
    pub(super) fn of(&self, ip: IpAddr, at: Timestamp) -> Option<&Tried> {
        self.tried.get(&ip).filter(|t| t.hour == at.secs().div_euclid(3600))
    }
}
