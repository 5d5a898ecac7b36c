//! Plain quantities that every room shares: instants, durations and sizes.
//!
//! Nothing here reads a clock. A [`Timestamp`] is made where bytes arrive or where the monitor ticks, and is passed
//! on as a value, so that every behaviour in time can be tested without waiting.

mod tz;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use tz::{Tz, UnknownZone, ZoneOffset};

/// An instant in microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `s` seconds after the epoch.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The instant as a UTC calendar time. Instants outside chrono's range (about ±262,000 years) give the epoch.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC with milliseconds, for example `2026-05-01T12:00:00.250Z`.
    pub fn rfc3339(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// `self + d`, saturating.
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// `self - d`, saturating.
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(t: DateTime<Utc>) -> Self {
        Self(t.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let t = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(t.with_timezone(&Utc).into())
    }
}

/// A number with a unit that could not be read; the message says what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("`{0}` is not a duration; write a number and a unit, such as `250ms`, `30s`, `5m`, `1h30m` or `14d`")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size; write a number and a unit, such as `512 B`, `64 KiB`, `8 MiB` or `1 GiB`")]
    Size(String),
}

/// Reads a duration written as one or more number-unit pairs: `250ms`, `30s`, `5m`, `1h30m`, `14d`, `2w`.
///
/// # Errors
/// [`UnitError::Duration`] for anything else, including an empty text and a number without a unit.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let bad = || UnitError::Duration(text.to_owned());
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            "h" => Duration::from_secs(3_600),
            "d" => Duration::from_secs(86_400),
            "w" => Duration::from_secs(7 * 86_400),
            _ => return Err(bad()),
        };
        let number = u32::try_from(number).map_err(|_| bad())?;
        total = unit.checked_mul(number).and_then(|d| total.checked_add(d)).ok_or_else(bad)?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

/// Writes a duration the way [`parse_duration`] reads it, largest unit first: `1h30m`.
pub fn format_duration(d: Duration) -> String {
    let mut ms = d.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if ms >= size {
            out.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    out
}

/// Reads a size in bytes: `512`, `512 B`, `64 KiB`, `8MiB`, `1 GiB`; `kB`, `MB` and `GB` are powers of 1000.
///
/// # Errors
/// [`UnitError::Size`] for anything else.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let bad = || UnitError::Size(text.to_owned());
    let t = text.trim();
    let digits = t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let number: u64 = t[..digits].parse().map_err(|_| bad())?;
    let unit: u64 = match t[digits..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).ok_or_else(bad)
}

/// Serde adapter for a [`Duration`] written as text; use with `#[serde(with = "crate::units::duration")]`.
pub mod duration {
    use super::*;

    /// Writes `5m` and the like.
    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format_duration(*d))
    }

    /// Reads `5m` and the like; a bare number is refused with a word about units.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        parse_duration(&TextOrNumber::deserialize(d)?.text()).map_err(serde::de::Error::custom)
    }
}

/// Serde adapter for a size in bytes written as text; use with `#[serde(with = "crate::units::size")]`.
pub mod size {
    use super::*;

    /// Writes the largest binary unit that divides the size.
    pub fn serialize<S: Serializer>(n: &u64, s: S) -> Result<S::Ok, S::Error> {
        let (unit, by) = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, by)| *n >= *by && n.is_multiple_of(*by))
            .unwrap_or(("B", 1));
        s.serialize_str(&format!("{} {unit}", n / by))
    }

    /// Reads `8 MiB` and the like; a bare number is a number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        parse_size(&TextOrNumber::deserialize(d)?.text()).map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number and a unit as text, such as \"30s\" or \"8 MiB\"")]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

impl TextOrNumber {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// `bytes` in lower-case hex, two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

/// The same, behind what `text` holds already.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(b"0123456789abcdef"[usize::from(n)])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5_400));
        assert_eq!(parse_duration(" 250 ms ").unwrap(), Duration::from_millis(250));
        assert_eq!(format_duration(Duration::from_secs(5_400)), "1h30m");
        assert_eq!(format_duration(Duration::ZERO), "0s");
        for bad in ["", "5", "m", "5 parsecs", "99999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hex_has_two_digits_a_byte() {
        assert_eq!(hex(&[0, 9, 0xAF, 0xFF]), "0009afff");
    }

    #[test]
    fn sizes_read() {
        assert_eq!(parse_size("8 MiB").unwrap(), 8 << 20);
        assert_eq!(parse_size("1kB").unwrap(), 1_000);
        assert!(parse_size("8 MiBs").is_err());
        assert!(parse_size("99999999999 GiB").is_err());
    }

    #[test]
    fn numbers_without_a_unit_are_bytes_but_no_duration() {
        let read = |text| size::deserialize(&serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!((read("512").unwrap(), read("\"1 KiB\"").unwrap()), (512, 1024));
        assert!(read("-1").is_err() && read("[]").is_err());
        let read = |text| duration::deserialize(&serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert!(read("5").unwrap_err().to_string().contains("a number and a unit"));
    }

    #[test]
    fn timestamps_are_rfc3339_in_utc() {
        let t = Timestamp::from_millis(1_777_636_800_250);
        assert_eq!(t.rfc3339(), "2026-05-01T12:00:00.250Z");
        assert_eq!(serde_json::from_str::<Timestamp>("\"2026-05-01T14:00:00.250+02:00\"").unwrap(), t);
    }
}
