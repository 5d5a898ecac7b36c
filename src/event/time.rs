//! Reading times as logs write them.
//!
//! Known: RFC 3339 and its relatives (space or `T`, comma or point, any number of decimals, `Z`, `+00:00`, `+0000`,
//! ` UTC`, no zone at all, no separators), `2026/05/01 12:00:00`, the common log format `01/May/2026:12:00:00 +0000`,
//! RFC 2822 dates, `asctime`, syslog's `May  1 12:00:00` (year of arrival), US dates with AM and PM, and seconds,
//! milliseconds, microseconds or nanoseconds since 1970, told apart by magnitude, with or without decimals.

use chrono::{Datelike, NaiveDate, TimeZone};

use crate::units::{Timestamp, Tz};

/// 2000-01-01 and 2100-01-01: numbers that mean an instant outside are no time.
const EARLIEST: i64 = 946_684_800;
const LATEST: i64 = 4_102_444_800;

/// A time as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// An instant.
    Instant(Timestamp),
    /// A time on a clock without a zone, as microseconds since 1970 on that clock.
    Local(i64),
}

impl Parsed {
    /// The instant, with zone-less times taken to be in `zone`; `None` when there is no zone either.
    ///
    /// A clock time that occurs twice (clocks set back) is its first occurrence; one that never occurs (clocks set
    /// forward) is moved forward by the gap.
    pub(super) fn instant(self, zone: Option<Tz>) -> Option<Timestamp> {
        let local = match self {
            Self::Instant(t) => return Some(t),
            Self::Local(local) => local,
        };
        let zone = zone?;
        if zone == Tz::UTC {
            return Some(Timestamp(local));
        }
        let naive = chrono::DateTime::from_timestamp_micros(local)?.naive_utc();
        let gap = chrono::TimeDelta::hours(3);
        let found = zone
            .from_local_datetime(&naive)
            .earliest()
            .or_else(|| zone.from_local_datetime(&(naive - gap)).earliest().map(|before| before + gap));
        found.map(|t| Timestamp(t.timestamp_micros()))
    }
}

/// Reads a time; formats that leave the year out are taken to be of the year of `arrived`.
pub(super) fn parse(text: &[u8], arrived: Timestamp) -> Option<Parsed> {
    if let [b'0'..=b'9', .., b'0'..=b'9'] = text
        && (10..=19).contains(&text.len())
        && let Some(found) = bare(text)
    {
        return Some(found);
    }
    let text = text.trim_ascii();
    if text.len() < 8 || text.len() > 64 {
        return None;
    }
    let found = match text[0] {
        b'0'..=b'9' => numeric(text),
        b'A'..=b'Z' | b'a'..=b'z' => worded(text, arrived),
        b'/' => dotnet(text),
        b'[' => parse(text.strip_prefix(b"[")?.strip_suffix(b"]")?, arrived),
        _ => None,
    }?;
    let micros = match found {
        Parsed::Instant(t) => t.0,
        Parsed::Local(t) => t,
    };
    (EARLIEST..LATEST).contains(&micros.div_euclid(1_000_000)).then_some(found)
}

/// Whether a text is a time, in whatever year it came.
pub(super) fn is_time(text: &[u8]) -> bool {
    // Of a leap year, which has every day.
    const LEAP: Timestamp = Timestamp::from_secs(951_782_400);
    parse(text, LEAP).is_some()
}

/// Nothing but digits, which is the shortest way to write a time, and the most frequent.
fn bare(text: &[u8]) -> Option<Parsed> {
    let mut number = 0u64;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    let t = by_magnitude(i64::try_from(number).ok()?, text.len(), 0)?;
    (EARLIEST * 1_000_000..LATEST * 1_000_000).contains(&t).then_some(Parsed::Instant(Timestamp(t)))
}

/// A cursor over the text; each step returns `None` when the text is not of that form.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn eat(&mut self, set: &[u8]) -> Option<u8> {
        let b = self.peek().filter(|b| set.contains(b))?;
        self.0 = &self.0[1..];
        Some(b)
    }

    /// Exactly `n` digits.
    fn digits(&mut self, n: usize) -> Option<i64> {
        let d = self.0.get(..n)?;
        let value = d.iter().try_fold(0, |v, b| b.is_ascii_digit().then(|| v * 10 + i64::from(b - b'0')))?;
        self.0 = &self.0[n..];
        Some(value)
    }

    /// One or two digits.
    fn short(&mut self) -> Option<i64> {
        let n = self.0.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
        if n == 0 { None } else { self.digits(n) }
    }

    /// Decimals behind a point or comma as microseconds; none is zero.
    fn fraction(&mut self) -> i64 {
        if self.0.is_empty() || self.eat(b".,").is_none() {
            return 0;
        }
        let n = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let micros =
            self.0[..n].iter().chain(std::iter::repeat(&b'0')).take(6).fold(0, |v, b| v * 10 + i64::from(b - b'0'));
        self.0 = &self.0[n..];
        micros
    }

    /// `hh:mm:ss[.fraction]` as microseconds of the day.
    fn clock(&mut self) -> Option<i64> {
        let h = self.short()?;
        self.eat(b":")?;
        let m = self.digits(2)?;
        let s = if self.eat(b":").is_some() { self.digits(2)? } else { 0 };
        if h > 23 || m > 59 || s > 60 {
            return None;
        }
        Some(((h * 60 + m) * 60 + s) * 1_000_000 + self.fraction())
    }

    /// A zone at the end: its offset in seconds, `Some(None)` when there is none, `None` when something else follows.
    fn zone(&mut self) -> Option<Option<i64>> {
        while self.eat(b" ").is_some() {}
        let offset = match self.peek() {
            None => return Some(None),
            Some(b'Z' | b'z') => {
                self.0 = &self.0[1..];
                0
            }
            Some(b'U' | b'G') => {
                self.0 = self.0.strip_prefix(b"UTC").or(self.0.strip_prefix(b"GMT"))?;
                0
            }
            Some(sign @ (b'+' | b'-')) => {
                self.0 = &self.0[1..];
                let h = self.digits(2)?;
                let m = if self.0.is_empty() || self.peek() == Some(b' ') {
                    0
                } else {
                    self.eat(b":");
                    self.digits(2)?
                };
                // Go prints its zone's name behind the offset; both say the same.
                while self.peek().is_some_and(|b| b == b' ' || b.is_ascii_uppercase()) {
                    self.0 = &self.0[1..];
                }
                if h > 18 || m > 59 {
                    return None;
                }
                (h * 60 + m) * 60 * if sign == b'-' { -1 } else { 1 }
            }
            Some(_) => return None,
        };
        self.0.is_empty().then_some(Some(offset))
    }
}

fn at(date: i64, clock: i64, zone: Option<i64>) -> Parsed {
    let local = date * 86_400_000_000 + clock;
    match zone {
        Some(offset) => Parsed::Instant(Timestamp(local - offset * 1_000_000)),
        None => Parsed::Local(local),
    }
}

/// Days since 1970-01-01; `None` for a date that does not exist.
fn days(y: i64, m: i64, d: i64) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(y).ok()?, u32::try_from(m).ok()?, u32::try_from(d).ok()?)?;
    Some(i64::from(date.to_epoch_days()))
}

#[inline(always)]
fn month(text: &[u8]) -> Option<i64> {
    const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let three = text.get(..3)?;
    (0..12).find(|i| MONTHS[i * 3..i * 3 + 3].eq_ignore_ascii_case(three)).map(|i| i as i64 + 1)
}

fn numeric(text: &[u8]) -> Option<Parsed> {
    let run = text.iter().take_while(|b| b.is_ascii_digit()).count();
    match (run, text.get(run)) {
        (4, Some(b'-' | b'/')) => iso(text),
        (8, Some(b'T')) => compact(text),
        (1 | 2, Some(b'/')) if text.get(run + 1).is_some_and(u8::is_ascii_alphabetic) => clf(text),
        (1 | 2, Some(b'/')) => us(text),
        (9.., None | Some(b'.')) => epoch(text, run),
        _ => None,
    }
}

/// `2026-05-01T12:00:00.250Z` and relatives.
fn iso(text: &[u8]) -> Option<Parsed> {
    let mut c = Cursor(text);
    let y = c.digits(4)?;
    let sep = c.eat(b"-/")?;
    let m = c.digits(2)?;
    c.eat(&[sep])?;
    let date = days(y, m, c.digits(2)?)?;
    c.eat(b"Tt _")?;
    while c.eat(b" ").is_some() {}
    let clock = c.clock()?;
    Some(at(date, clock, c.zone()?))
}

/// `20260501T120000Z`.
fn compact(text: &[u8]) -> Option<Parsed> {
    let mut c = Cursor(text);
    let date = days(c.digits(4)?, c.digits(2)?, c.digits(2)?)?;
    c.eat(b"T")?;
    let (h, m, s) = (c.digits(2)?, c.digits(2)?, c.digits(2)?);
    let clock = ((h * 60 + m) * 60 + s) * 1_000_000 + c.fraction();
    if h > 23 || m > 59 || s > 60 {
        return None;
    }
    Some(at(date, clock, c.zone()?))
}

/// `01/May/2026:12:00:00 +0000`.
fn clf(text: &[u8]) -> Option<Parsed> {
    let mut c = Cursor(text);
    let d = c.short()?;
    c.eat(b"/")?;
    let m = month(c.0)?;
    c.0 = &c.0[3..];
    c.eat(b"/")?;
    let date = days(c.digits(4)?, m, d)?;
    c.eat(b": ")?;
    let clock = c.clock()?;
    Some(at(date, clock, c.zone()?))
}

/// `5/31/2026, 3:13:14 PM`: month first, as JavaScript's `toLocaleString` writes it in the US.
fn us(text: &[u8]) -> Option<Parsed> {
    let mut c = Cursor(text);
    let m = c.short()?;
    c.eat(b"/")?;
    let d = c.short()?;
    c.eat(b"/")?;
    let date = days(c.digits(4)?, m, d)?;
    while c.eat(b", ").is_some() {}
    let mut clock = c.clock()?;
    while c.eat(b" ").is_some() || c.0.strip_prefix("\u{202f}".as_bytes()).map(|r| c.0 = r).is_some() {}
    const HOUR: i64 = 3_600_000_000;
    if let Some(half) = c.eat(b"AaPp") {
        c.eat(b"Mm")?;
        clock = clock % (12 * HOUR) + if half.eq_ignore_ascii_case(&b'p') { 12 * HOUR } else { 0 };
    }
    Some(at(date, clock, c.zone()?))
}

/// Seconds to nanoseconds since 1970 by the number of digits, as microseconds. Bounds: 10^11 s is the year 5138, 10^11 ms
/// is 1973.
fn by_magnitude(whole: i64, digits: usize, micros: i64) -> Option<i64> {
    Some(match digits {
        ..=11 => whole.checked_mul(1_000_000)?.checked_add(micros)?,
        12..=14 => whole.checked_mul(1_000)?.checked_add(micros / 1_000)?,
        15..=17 => whole,
        _ => whole / 1_000,
    })
}

/// Such a number, with or without decimals.
fn epoch(text: &[u8], run: usize) -> Option<Parsed> {
    if run > 19 {
        return None;
    }
    let whole = text[..run].iter().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
    let whole = i64::try_from(whole).ok()?;
    let mut c = Cursor(&text[run..]);
    let micros = c.fraction();
    if !c.0.is_empty() {
        return None;
    }
    Some(Parsed::Instant(Timestamp(by_magnitude(whole, run, micros)?)))
}

/// `Fri, 01 May 2026 12:00:00 GMT`, `Fri May  1 12:00:00 2026`, `May  1 12:00:00`.
fn worded(text: &[u8], arrived: Timestamp) -> Option<Parsed> {
    let mut c = Cursor(text);
    if month(c.0).is_none() || c.0.get(3).is_some_and(u8::is_ascii_alphabetic) {
        let word = c.0.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if !(3..=9).contains(&word) {
            return None;
        }
        c.0 = &c.0[word..];
        while c.eat(b", ").is_some() {}
    }
    if c.peek()?.is_ascii_digit() {
        let d = c.short()?;
        c.eat(b" -")?;
        let m = month(c.0)?;
        c.0 = &c.0[3..];
        c.eat(b" -")?;
        let date = days(c.digits(4)?, m, d)?;
        c.eat(b" ")?;
        let clock = c.clock()?;
        return Some(at(date, clock, c.zone()?));
    }
    let m = month(c.0)?;
    c.0 = &c.0[3..];
    while c.eat(b" ").is_some() {}
    let d = c.short()?;
    c.eat(b" ")?;
    let clock = c.clock()?;
    if c.0.is_empty() {
        return Some(at(days(i64::from(arrived.to_utc().year()), m, d)?, clock, None));
    }
    c.eat(b" ")?;
    Some(at(days(c.digits(4)?, m, d)?, clock, c.zone()?))
}

/// `/Date(1777636800250)/`.
fn dotnet(text: &[u8]) -> Option<Parsed> {
    let inner = text.strip_prefix(b"/Date(")?.strip_suffix(b")/")?;
    inner.iter().all(u8::is_ascii_digit).then(|| epoch(inner, inner.len()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the year 2026.
    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    const NOON: i64 = 1_777_636_800; // 2026-05-01T12:00:00Z

    fn instant(text: &str) -> Option<Timestamp> {
        match parse(text.as_bytes(), NOW)? {
            Parsed::Instant(t) => Some(t),
            Parsed::Local(_) => None,
        }
    }

    #[test]
    fn instants_in_every_dress() {
        for text in [
            "2026-05-01T12:00:00Z",
            "2026-05-01t12:00:00z",
            "2026-05-01T12:00:00.000000000Z",
            "2026-05-01T14:00:00+02:00",
            "2026-05-01T12:00:00.000+0000",
            "2026-05-01 12:00:00 +0000",
            "2026-05-01 12:00:00,000+0000",
            "2026-05-01 12:00:00.000 UTC",
            "2026-05-01 12:00:00.0 +0000 UTC",
            "2026/05/01 12:00:00 +00",
            "20260501T120000Z",
            "01/May/2026:12:00:00 +0000",
            "[01/May/2026:07:00:00 -0500]",
            "Fri, 01 May 2026 12:00:00 GMT",
            "Fri, 1 May 2026 12:00:00 +0000",
            "Friday, 01-May-2026 12:00:00 GMT",
            "1777636800",
            "1777636800.0",
            "1777636800000",
            "1777636800000000",
            "1777636800000000000",
            "1777636800000.25",
            "/Date(1777636800000)/",
        ] {
            assert_eq!(instant(text).map(Timestamp::secs), Some(NOON), "{text}");
        }
        assert_eq!(instant("1777636800.250").unwrap(), Timestamp::from_millis(NOON * 1000 + 250));
        assert_eq!(instant("2026-05-01T12:00:00.1234567Z").unwrap(), Timestamp(NOON * 1_000_000 + 123_456));
    }

    #[test]
    fn clocks_without_a_zone_stay_local() {
        for text in [
            "2026-05-01 12:00:00,000",
            "2026-05-01T12:00:00.000",
            "2026-05-01T12:00",
            "2026/05/01 12:00:00",
            "5/1/2026, 12:00:00 PM",
            "Fri May  1 12:00:00 2026",
            "May  1 12:00:00",
            "20260501T120000",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(Parsed::Local(NOON * 1_000_000)), "{text}");
        }
        let midnight = parse(b"11/22/2026, 12:13:14 AM", NOW).unwrap();
        assert_eq!(midnight.instant(Some(Tz::UTC)).unwrap().rfc3339(), "2026-11-22T00:13:14.000Z");
    }

    #[test]
    fn zones_are_applied_across_clock_changes() {
        let at = |text: &str| {
            parse(text.as_bytes(), NOW).unwrap().instant(Some("Europe/Berlin".parse().unwrap())).unwrap().rfc3339()
        };
        assert_eq!(at("2026-01-01 12:00:00"), "2026-01-01T11:00:00.000Z");
        assert_eq!(at("2026-07-01 12:00:00"), "2026-07-01T10:00:00.000Z");
        assert_eq!(at("2026-10-25 02:30:00"), "2026-10-25T00:30:00.000Z");
        assert_eq!(at("2026-03-29 02:30:00"), "2026-03-29T01:30:00.000Z");
        assert_eq!(parse(b"2026-05-01 12:00:00", NOW).unwrap().instant(None), None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "12",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-05-01T25:00:00Z",
            "123.4",
            "99999999999999999999",
            "1970-01-01T00:00:00Z",
            "request completed",
            "May be later on",
            "2026-05-01T12:00:00 nonsense",
            "0",
            "/Date(x)/",
            "123456789",
            "12:00:00",
            "Monday",
            "01/Foo/2026:12:00:00 +0000",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text}");
        }
    }
}
