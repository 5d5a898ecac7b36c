//! `after_hours`: a key is used outside the hours of its calendar, at least 5 times within 60 minutes.
//!
//! The calendar's zone decides, so a change of the clocks moves the hours with it. A 5-minute bucket counts by its
//! start.

use super::config::AfterHoursConfig;
use super::detector::{Detector, Signal, View};
use super::kind::Kind;
use super::words;
use crate::window::bucket_start;

/// See the module.
pub(super) struct AfterHours {
    pub(super) config: AfterHoursConfig,
}

impl Detector for AfterHours {
    fn kind(&self) -> Kind {
        Kind::AfterHours
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let (name, calendar) = view.calendar?;
        let used = view.state.last_hour(view.bucket).filter(|(_, c)| c.uses > 0);
        let outside: u32 = used.filter(|(b, _)| !calendar.is_open(bucket_start(*b))).map(|(_, c)| c.uses).sum();
        if outside < self.config.min_events {
            return None;
        }
        let (n, local) = (words::count(f64::from(outside)), calendar.local(view.now));
        let zone = calendar.zone().0.name();
        Some(Signal {
            observed: f64::from(outside),
            expected: Some(0.0),
            threshold: Some(f64::from(self.config.min_events)),
            window_s: Some(3600),
            unit: "requests",
            networks: view.state.networks().iter().rev().take(5).map(|k| k.network).collect(),
            summary: format!("was used {n} times outside its hours, {local} in {zone}"),
            why: format!(
                "{n} requests within 60 minutes outside the hours of calendar `{name}`; the last at {local} ({zone}); fires at {}",
                self.config.min_events
            ),
            ..Signal::default()
        })
    }
}
