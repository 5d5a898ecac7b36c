//! Values of policies: days, spans of time, rates.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{Timestamp, format_duration, parse_duration};

/// A span of time, written `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A day, written `2026-12-31` (from its midnight in UTC on), or an instant after RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub Timestamp, bool);

impl Day {
    /// Reads a day or an instant.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Some(Self(Timestamp::from(day.and_hms_opt(0, 0, 0)?.and_utc()), true));
        }
        DateTime::parse_from_rfc3339(text).ok().map(|t| Self(Timestamp::from(t.to_utc()), false))
    }

    /// When it is over: its next midnight, or the instant itself.
    pub fn end(self) -> Timestamp {
        if self.1 { self.0.plus(Duration::from_secs(86_400)) } else { self.0 }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.1 { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%SZ" };
        write!(f, "{}", self.0.to_utc().format(form))
    }
}

/// So many requests in a time, written `600/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: u32,
    /// The time in seconds: 1, 60, 3600 or 86,400.
    pub per_s: u32,
}

impl Rate {
    /// Reads `COUNT/UNIT`.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let per_s = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return None,
        };
        Some(Self { count: count.trim().parse().ok().filter(|n| *n > 0)?, per_s })
    }

    /// Requests a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / f64::from(self.per_s)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per_s {
            1 => "s",
            60 => "min",
            3_600 => "h",
            _ => "day",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

macro_rules! as_text {
    ($name:ident, $write:expr, $read:expr, $wrong:literal, $doc:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&$write(self))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                $read(&text).ok_or_else(|| serde::de::Error::custom(format!($wrong, text)))
            }
        }

        #[cfg(test)]
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $doc })
            }
        }
    };
}

as_text!(
    Span,
    |s: &Span| format_duration(s.0),
    |t: &str| parse_duration(t).ok().map(Span),
    "`{}` is not a duration; write a number and a unit, such as `90d`",
    "duration, for example 90d"
);
as_text!(
    Day,
    |d: &Day| d.to_string(),
    Day::parse,
    "`{}` is not a day; write it in quotes like `2026-12-31`, or with a time like `2026-12-31T18:00:00Z`",
    "day, for example 2026-12-31"
);
as_text!(
    Rate,
    |r: &Rate| r.to_string(),
    Rate::parse,
    "`{}` is not a rate; write it like `600/min` (s, min, h or day)",
    "rate, for example 600/min"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written() {
        for text in ["2026-12-31", "2026-12-31T18:00:00Z"] {
            assert_eq!(Day::parse(text).unwrap().to_string(), text);
        }
        let day = Day::parse("2026-12-31").unwrap();
        assert_eq!(day.end().rfc3339()[..19], *"2027-01-01T00:00:00");
        for text in ["600/min", "5/s", "100/h", "10000/day"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "5", "5/week", "-1/s", "0/s", "x/min"] {
            assert!(Rate::parse(bad).is_none(), "{bad}");
        }
        assert!(serde_json::from_str::<Day>("\"tomorrow\"").unwrap_err().to_string().contains("2026-12-31"));
    }
}
