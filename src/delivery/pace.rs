//! How much people are told at once: a budget for storms, a time of day for the digest.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{Days, NaiveTime, TimeZone, Utc};
#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::alert::{Rate, Zone};
use crate::store::{Lane, Settle};
use crate::units::Timestamp;

/// A storm is watched for this long before its summary goes out.
pub(super) const STORM: Duration = Duration::from_secs(60);

/// A token bucket over the times at which messages were written, so that a receiver that was down for an hour still
/// gets each of a modest number, while ten thousand in a minute become one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Messages that may come at once before a storm is summarised.
    burst: f64,
    /// Messages more each second.
    rate: f64,
    tokens: f64,
    at: Timestamp,
}

impl Budget {
    fn new(allowance: &Allowance) -> Self {
        let burst = f64::from(allowance.burst.get());
        Self { burst, rate: allowance.rate.per_second(), tokens: burst, at: Timestamp(i64::MIN) }
    }

    /// Whether a message written at `created` may go by itself.
    pub(super) fn take(&mut self, created: Timestamp) -> bool {
        let passed = created.since(self.at);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(created);
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }
}

/// What a message stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParcelKind {
    /// Itself.
    One,
    /// What a storm held back in this lane.
    Storm(Lane),
    /// The items of a day.
    Digest,
}

/// What a storm holds back.
#[derive(Clone, Copy, Debug)]
struct Storm {
    /// Messages up to this moment are told together.
    until: Timestamp,
    /// When to try.
    due: Timestamp,
}

/// How much a receiver that people read is told at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// When its digest leaves.
    pub digest: (DayTime, Zone),
    /// Whether it leaves also when there is nothing to say.
    pub when_quiet: bool,
    /// Messages that may come one by one, on average.
    pub rate: Rate,
    /// Messages that may come at once.
    pub burst: NonZeroU32,
}

/// How people are told: what may go by itself, what is held for a summary, when the digest leaves.
#[derive(Debug)]
pub(super) struct Pace {
    digest: (DayTime, Zone),
    when_quiet: bool,
    began: Timestamp,
    /// Digest items are looked for from this moment on.
    pub(super) digest_due: Timestamp,
    /// For lanes `Normal` and `Urgent`.
    lanes: [LanePace; 2],
}

#[derive(Debug)]
struct LanePace {
    budget: Budget,
    /// The newest message that was counted, so that a second attempt costs nothing.
    counted: i64,
    storm: Option<Storm>,
}

impl Pace {
    /// A pace after `allowance`; digest items that waited for an earlier one are due `now`.
    pub(super) fn new(allowance: &Allowance, now: Timestamp) -> Self {
        let lane = || LanePace { budget: Budget::new(allowance), counted: 0, storm: None };
        let Allowance { digest, when_quiet, .. } = *allowance;
        Self { digest, when_quiet, began: now, digest_due: now, lanes: [lane(), lane()] }
    }

    fn lane(&mut self, lane: Lane) -> &mut LanePace {
        &mut self.lanes[usize::from(lane == Lane::Urgent)]
    }

    /// The lanes whose messages may go one by one.
    pub(super) fn lanes(&self) -> Option<RangeInclusive<Lane>> {
        match (self.lanes[0].storm, self.lanes[1].storm) {
            (None, None) => Some(Lane::Normal..=Lane::Urgent),
            (Some(_), None) => Some(Lane::Urgent..=Lane::Urgent),
            (None, Some(_)) => Some(Lane::Normal..=Lane::Normal),
            (Some(_), Some(_)) => None,
        }
    }

    /// Whether message `seq`, written at `created`, may go by itself; if not, its lane is held until the storm is over.
    pub(super) fn admit(&mut self, seq: i64, lane: Lane, created: Timestamp, now: Timestamp) -> bool {
        let lane = self.lane(lane);
        if seq <= lane.counted {
            return true;
        }
        if lane.budget.take(created) {
            lane.counted = seq;
            return true;
        }
        let until = now.plus(STORM);
        lane.storm = Some(Storm { until, due: until });
        false
    }

    /// The lane whose storm is to be summarised at `now` (or at once, when everything ends), and up to which moment. A
    /// second attempt tells the same messages.
    pub(super) fn storm_due(&self, now: Timestamp, ending: bool) -> Option<(Lane, Timestamp)> {
        let due = |n: usize, lane| self.lanes[n].storm.filter(|s| ending || s.due <= now).map(|s| (lane, s.until));
        due(1, Lane::Urgent).or_else(|| due(0, Lane::Normal))
    }

    /// The storm in `lane` has been told.
    pub(super) fn storm_over(&mut self, lane: Lane) {
        self.lane(lane).storm = None;
    }

    /// Takes note of what became of a message.
    pub(super) fn settled(&mut self, kind: ParcelKind, settle: &Settle, now: Timestamp) {
        match (kind, settle) {
            (ParcelKind::One, _) | (_, Settle::Release { .. }) => {}
            (ParcelKind::Digest, Settle::Retry { due, .. }) => self.digest_due = *due,
            (ParcelKind::Digest, _) => self.digest_done(now),
            (ParcelKind::Storm(lane), Settle::Retry { due, .. }) => {
                self.lane(lane).storm.iter_mut().for_each(|s| s.due = *due);
            }
            (ParcelKind::Storm(lane), _) => self.storm_over(lane),
        }
    }

    /// The last moment at which a digest was to leave.
    pub(super) fn last_digest(&self, now: Timestamp) -> Timestamp {
        self.digest.0.last(self.digest.1, now)
    }

    /// Whether a digest leaves at `now` even though there is nothing to say; the last one before the start does not.
    pub(super) fn tells_of_quiet(&self, now: Timestamp) -> bool {
        self.when_quiet && self.last_digest(now) > self.began
    }

    /// The digest up to `now` is done.
    pub(super) fn digest_done(&mut self, now: Timestamp) {
        self.digest_due = self.digest.0.next(self.digest.1, now);
    }

    /// The next moment at which something is to be done.
    pub(super) fn next(&self) -> Timestamp {
        let storms = self.lanes.iter().filter_map(|l| l.storm.map(|s| s.due));
        storms.fold(self.digest_due, Timestamp::min)
    }
}

/// A time of day: `08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTime(NaiveTime);

impl Default for DayTime {
    fn default() -> Self {
        Self(NaiveTime::MIN + chrono::TimeDelta::hours(8))
    }
}

impl DayTime {
    /// The last moment up to `now` at which clocks in `zone` showed this time. Where they skipped it, an hour later.
    pub(super) fn last(self, zone: Zone, now: Timestamp) -> Timestamp {
        let today = zone.0.from_utc_datetime(&now.to_utc().naive_utc()).date_naive();
        let on = |date: chrono::NaiveDate| {
            let local = date.and_time(self.0);
            let found = zone.0.from_local_datetime(&local).earliest();
            let found = found.or_else(|| zone.0.from_local_datetime(&(local + chrono::TimeDelta::hours(1))).earliest());
            found.map(|t| Timestamp::from(t.with_timezone(&Utc)))
        };
        let days = (0..3).filter_map(|back| today.checked_sub_days(Days::new(back)).and_then(on));
        days.into_iter().find(|t| *t <= now).unwrap_or(now)
    }

    /// The first moment after `now` at which clocks in `zone` show this time.
    pub(super) fn next(self, zone: Zone, now: Timestamp) -> Timestamp {
        let hour = Duration::from_secs(3_600);
        let mut ahead = now;
        // A day has 25 hours at most, bar a country that changes its zone.
        for _ in 0..50 {
            ahead = ahead.plus(hour);
            let last = self.last(zone, ahead);
            if last > now {
                return last;
            }
        }
        now.plus(24 * hour)
    }
}

impl Serialize for DayTime {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0.format("%H:%M"))
    }
}

impl<'de> Deserialize<'de> for DayTime {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let time = NaiveTime::parse_from_str(&text, "%H:%M");
        time.map(Self)
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a time of day; write it like `08:00`")))
    }
}

#[cfg(test)]
impl JsonSchema for DayTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DayTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$", "description": "A time of day, such as 08:00."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn a_burst_passes_a_storm_does_not_and_a_slow_hour_does() {
        let start = at("2026-05-01T12:00:00Z");
        let of = |burst, rate: &str| {
            let (burst, rate) = (NonZeroU32::new(burst).unwrap(), Rate::parse(rate).unwrap());
            Budget::new(&Allowance { digest: Default::default(), when_quiet: false, rate, burst })
        };
        let mut few = of(2, "1/h");
        assert_eq!((0..100).filter(|n| few.take(start.plus(Duration::from_secs(n * 60)))).count(), 3);
        let mut storm = of(60, "10/min");
        assert_eq!((0..10_000).filter(|_| storm.take(start)).count(), 60);
        assert_eq!((0..1_000).filter(|_| storm.take(start.plus(STORM))).count(), 10);
        let mut hour = of(60, "10/min");
        assert_eq!((0..500).filter(|n| hour.take(start.plus(Duration::from_secs(n * 7)))).count(), 500);
        assert!(!(0..70).all(|_| hour.take(start)), "time that runs backwards earns nothing");
    }

    #[test]
    fn the_digest_leaves_at_its_local_time_in_every_season() {
        let berlin: Zone = serde_json::from_value("Europe/Berlin".into()).unwrap();
        let eight = DayTime::default();
        assert_eq!(eight.last(berlin, at("2026-05-01T05:59:59Z")), at("2026-04-30T06:00:00Z"));
        assert_eq!(eight.last(berlin, at("2026-05-01T06:00:00Z")), at("2026-05-01T06:00:00Z"));
        assert_eq!(eight.next(berlin, at("2026-05-01T06:00:00Z")), at("2026-05-02T06:00:00Z"));
        assert_eq!(eight.next(berlin, at("2026-10-24T06:00:00Z")), at("2026-10-25T07:00:00Z"));
        let skipped: DayTime = serde_json::from_value("02:30".into()).unwrap();
        assert_eq!(skipped.last(berlin, at("2026-03-29T12:00:00Z")), at("2026-03-29T01:30:00Z"));
        let doubled = skipped.last(berlin, at("2026-10-25T12:00:00Z"));
        assert_eq!(doubled, at("2026-10-25T00:30:00Z"), "once, the first time");
        assert!(serde_json::from_value::<DayTime>("24:00".into()).is_err());
        assert_eq!(serde_json::to_value(eight).unwrap(), "08:00");
    }
}
