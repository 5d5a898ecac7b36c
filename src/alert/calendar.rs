//! Working hours: when use of a key is to be expected.

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Deserializer, Serialize};

use super::zone::Zone;
use crate::units::Timestamp;

/// Working hours, on the clocks of a zone. The zone must be named, because hours without one mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
pub struct CalendarConfig {
    /// The zone that the hours are meant in; an IANA name such as `Europe/Berlin`.
    #[cfg_attr(test, schemars(example = "Europe/Berlin"))]
    pub zone: Zone,
    /// Hours of work on a working day, as `HH:MM-HH:MM`. `22:00-06:00` goes on into the next morning.
    #[cfg_attr(test, schemars(default = "office_hours"))]
    pub hours: Vec<String>,
    /// Working days: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[cfg_attr(test, schemars(default = "office_days"))]
    pub weekdays: Vec<Weekday>,
    /// Days without work, as `YYYY-MM-DD`, or `MM-DD` for every year.
    #[cfg_attr(test, schemars(default))]
    pub holidays: Vec<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// As written in the configuration, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    zone: Option<Zone>,
    #[serde(default = "office_hours")]
    hours: Vec<String>,
    #[serde(default = "office_days")]
    weekdays: Vec<Weekday>,
    #[serde(default)]
    holidays: Vec<String>,
}

fn office_hours() -> Vec<String> {
    vec!["08:00-18:00".to_owned()]
}

fn office_days() -> Vec<Weekday> {
    vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri]
}

impl<'de> Deserialize<'de> for CalendarConfig {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const NO_ZONE: &str =
            "a calendar needs a zone, or its hours mean nothing; add `zone = \"Europe/Berlin\"` or your own";
        let w = Written::deserialize(d)?;
        let zone = w.zone.ok_or_else(|| serde::de::Error::custom(NO_ZONE))?;
        let this = Self { zone, hours: w.hours, weekdays: w.weekdays, holidays: w.holidays };
        Calendar::new(&this).map(|_| this).map_err(serde::de::Error::custom)
    }
}

/// A calendar, ready to be asked.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: Zone,
    /// Minutes of the day; the second may lie beyond 1440.
    hours: Vec<(u32, u32)>,
    weekdays: [bool; 7],
    dates: Vec<NaiveDate>,
    yearly: Vec<(u32, u32)>,
}

impl Calendar {
    /// Prepares a calendar.
    ///
    /// # Errors
    /// A sentence for people when an hour or a holiday cannot be read.
    pub fn new(config: &CalendarConfig) -> Result<Self, String> {
        let mut weekdays = [false; 7];
        config.weekdays.iter().for_each(|d| weekdays[*d as usize] = true);
        let mut this = Self { zone: config.zone, hours: Vec::new(), weekdays, dates: Vec::new(), yearly: Vec::new() };
        for text in &config.hours {
            let span = text.split_once('-').and_then(|(a, b)| Some((minute(a)?, minute(b)?)));
            let (from, to) =
                span.ok_or_else(|| format!("hours `{text}` cannot be read; write them like `08:00-18:00`"))?;
            this.hours.push((from, if to <= from { to + 1440 } else { to }));
        }
        for text in &config.holidays {
            if let Ok(date) = text.parse() {
                this.dates.push(date);
            } else if let Ok(date) = format!("2000-{text}").parse::<NaiveDate>() {
                this.yearly.push((date.month(), date.day()));
            } else {
                return Err(format!(
                    "holiday `{text}` cannot be read; write it like `2026-12-25`, or `12-25` for every year"
                ));
            }
        }
        Ok(this)
    }

    /// Whether this is an hour of work.
    pub fn is_open(&self, t: Timestamp) -> bool {
        let local = t.to_utc().with_timezone(&self.zone.0).naive_local();
        let (day, minute) = (local.date(), local.hour() * 60 + local.minute());
        let yesterday = day - TimeDelta::days(1);
        self.hours.iter().any(|&(from, to)| {
            (self.works(day) && (from..to).contains(&minute)) || (self.works(yesterday) && minute + 1440 < to)
        })
    }

    fn works(&self, day: NaiveDate) -> bool {
        self.weekdays[day.weekday().num_days_from_monday() as usize]
            && !self.dates.contains(&day)
            && !self.yearly.contains(&(day.month(), day.day()))
    }

    /// The zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The local time of an instant, for people: `Fri 21:40`.
    pub fn local(&self, t: Timestamp) -> String {
        t.to_utc().with_timezone(&self.zone.0).format("%a %H:%M").to_string()
    }
}

/// Minutes of `HH:MM`; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u32> {
    let text = text.trim();
    if text == "24:00" {
        return Some(1440);
    }
    let t = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    Some(t.hour() * 60 + t.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(text: &str) -> Result<Calendar, String> {
        let config: CalendarConfig = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        Calendar::new(&config)
    }

    fn open(c: &Calendar, t: &str) -> bool {
        c.is_open(serde_json::from_value(serde_json::Value::String(t.to_owned())).unwrap())
    }

    #[test]
    fn hours_follow_the_clocks_of_the_zone() {
        let c = calendar("zone = \"Europe/Berlin\"\nhours = [\"09:00-17:00\"]").unwrap();
        // Friday before the change to summer time (2026-03-29) and Monday after it.
        assert!(!open(&c, "2026-03-27T07:59:00Z") && open(&c, "2026-03-27T08:00:00Z"));
        assert!(open(&c, "2026-03-30T07:00:00Z") && !open(&c, "2026-03-30T15:00:00Z"));
        assert!(!open(&c, "2026-03-28T10:00:00Z"), "Saturday");
    }

    #[test]
    fn nights_and_holidays() {
        let c = calendar("zone = \"UTC\"\nhours = [\"22:00-06:00\"]\nholidays = [\"2026-05-01\", \"12-25\"]").unwrap();
        assert!(open(&c, "2026-04-30T23:00:00Z"), "Thursday night");
        assert!(open(&c, "2026-05-01T05:59:00Z"), "the same shift on the holiday's morning");
        assert!(!open(&c, "2026-05-01T23:00:00Z"), "the holiday's night");
        assert!(!open(&c, "2026-12-25T23:00:00Z"));
        assert!(open(&c, "2026-05-09T01:00:00Z"), "Saturday morning belongs to Friday");
        assert!(!open(&c, "2026-05-11T01:00:00Z"), "Monday morning belongs to Sunday");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_fix() {
        assert!(calendar("hours = [\"09:00-17:00\"]").unwrap_err().contains("zone = \"Europe/Berlin\""));
        assert!(calendar("zone = \"Berlin\"").unwrap_err().contains("`Berlin` is not an IANA time zone"));
        assert!(calendar("zone = \"UTC\"\nhours = [\"9-5\"]").unwrap_err().contains("08:00-18:00"));
        assert!(calendar("zone = \"UTC\"\nholidays = [\"christmas\"]").unwrap_err().contains("2026-12-25"));
    }
}
