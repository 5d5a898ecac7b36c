//! `after_hours`: a key is used outside the hours of its calendar, at least 5 times within 60 minutes.
//!
//! The calendar's zone decides, so a change of the clocks moves the hours with it. A 5-minute bucket counts by its
//! start.
//!
//! Keys without a calendar are held to the hours that they keep themselves, for the digest: of the 168 hours of the local
//! week, those with a mean of at least 0.05 requests and the two hours to each side are theirs. The means forget a quarter
//! a week, so an hour used once is forgotten within months. At least 48 hours of the week must be quiet, 14 days learned
//! and 40 hours used, else the key keeps no hours.

use super::super::calendar::Calendar;
use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use crate::units::Tz;
use crate::window::{RING, bucket_start, hour_of_week};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::AfterHours,
    name: "after_hours",
    urgency: Urgency::Page,
    doc: "a key is used outside the hours of its calendar",
    causes: &["unauthorised use while nobody watches", "a job that was scheduled without changing the calendar"],
    steps: &["Ask the key's owner whether they were at work", "Extend the calendar if the use is right"],
    tune: "Give the key a calendar to make it a page; set `learned = false` to be told of calendars only; raise `min_events` when a stray job runs at night.",
};

kind_settings! {
    /// Use outside the hours of a calendar.
    AfterHoursConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 12 * HOUR;
        /// The calendar of keys that name none; without one, only keys that name a calendar are watched.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(example = &"office"))]
        calendar: Option<String> = None,
        /// Requests within 60 minutes outside the hours, below which nothing fires.
        min_events: u32 = 5,
        /// Whether keys without a calendar that keep hours of their own are watched as well; for the digest.
        learned: bool = true,
    }
}

/// See the module.
pub(super) struct AfterHours {
    pub(super) config: AfterHoursConfig,
    pub(super) zone: Tz,
}

/// Hours around a learned one that belong to it.
const NEAR: usize = 2;

/// Requests in an hour of the week, on average, that make it one of the key's hours.
const LEAST: f32 = 0.05;

/// Hours of the week that must be quiet before a key counts as one that keeps hours: two nights of five.
const QUIET: usize = 48;

impl Detector for AfterHours {
    fn kind(&self) -> Kind {
        Kind::AfterHours
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        match view.calendar {
            Some((name, calendar)) => self.by_calendar(view, name, calendar),
            None if self.config.learned => self.by_habit(view),
            None => None,
        }
    }
}

impl AfterHours {
    fn by_calendar(&self, view: &View<'_>, name: &str, calendar: &Calendar) -> Option<Signal> {
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
            networks: view.networks(),
            summary: format!("was used {n} times outside its hours, {local} in {zone}"),
            why: format!(
                "{n} requests within 60 minutes outside the hours of calendar `{name}`; the last at {local} ({zone}); fires at {}",
                self.config.min_events
            ),
            ..Signal::default()
        })
    }

    /// The same for hours that the key itself keeps.
    fn by_habit(&self, view: &View<'_>) -> Option<Signal> {
        let hour = view.hour.uses;
        let profile = view.state.profile()?;
        if hour < self.config.min_events || view.state.active_hours() < 40 || !profile.is_settled() {
            return None;
        }
        let active = profile.active(NEAR, LEAST);
        let at = hour_of_week(view.bucket.div_euclid(RING as i64), self.zone);
        let quiet = active.iter().filter(|a| !**a).count();
        if active[at] || quiet < QUIET {
            return None;
        }
        let local = view.now.to_utc().with_timezone(&self.zone).format("%a %H:%M").to_string();
        let (n, zone) = (words::count(f64::from(hour)), self.zone.name());
        Some(Signal {
            observed: f64::from(hour),
            expected: Some(0.0),
            threshold: Some(f64::from(self.config.min_events)),
            window_s: Some(3600),
            unit: "requests",
            networks: view.networks(),
            summary: format!("was used {n} times at an hour at which it never is, {local} in {zone}"),
            why: format!(
                "{n} requests within 60 minutes, the last at {local} ({zone}); in the weeks before it was silent then, and in {quiet} of the week's 168 hours; fires at {}",
                self.config.min_events
            ),
            urgency: Some(Urgency::Digest),
            ..Signal::default()
        })
    }
}
