//! What the monitor is told, and what it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::calendar::CalendarConfig;
use super::config::DetectConfig;
use super::geo::Geo;
use super::key_config::KeyConfig;

/// Everything the monitor is told.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// `[detect]`.
    pub detect: DetectConfig,
    /// `[calendars]`.
    pub calendars: BTreeMap<String, CalendarConfig>,
    /// `[keys]`.
    pub keys: BTreeMap<String, KeyConfig>,
    /// Names of the sources, by [`crate::event::SourceId`].
    pub sources: Vec<String>,
    /// The databases of `[geoip]`.
    pub geo: Option<Arc<Geo>>,
    /// This machine's name.
    pub host: String,
}

/// What the monitor counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events.
    pub events: u64,
    /// Uses that came too late to be scored.
    pub late: u64,
    /// Events from the future.
    pub ahead: u64,
    /// Events without a usable time.
    pub untimed: u64,
    /// Keys that are remembered.
    pub keys: u64,
    /// Keys that had to make room.
    pub evicted: u64,
    /// Alerts that are firing.
    pub firing: u64,
}

impl Counters {
    /// The same, going on from what was counted `before`; what is there now stays as it is.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        Self {
            events: self.events + before.events,
            late: self.late + before.late,
            ahead: self.ahead + before.ahead,
            untimed: self.untimed + before.untimed,
            evicted: self.evicted + before.evicted,
            ..self
        }
    }
}
