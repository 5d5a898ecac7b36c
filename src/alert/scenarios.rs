//! Whole stories in event time: what fires, what does not, and when.

use std::collections::BTreeMap;

use super::config::DetectConfig;
use super::key_config::KeyConfig;
use super::monitor::Monitor;
use super::object::{Alert, Status, Urgency};
use super::watch::Watch;
use crate::event::{SourceId, Text};
use crate::redact::{PseudonymKey, Redactor};
use crate::units::Timestamp;
use crate::window::{Amounts, Aspect, Counts, KeyDelta, KeyId, Sighting, Slice, Tally, Visit, Word};

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 86_400;

/// Monday, 2026-03-02T00:00:00Z.
pub(super) const START: i64 = 1_772_409_600;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A Poisson number (Knuth), for small means.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut n, mut p) = ((-mean).exp(), 0, self.unit());
        while p > limit {
            n += 1;
            p *= self.unit();
        }
        n
    }
}

/// A monitor that is fed minute by minute.
pub(super) struct Story {
    pub monitor: Monitor,
    pub alerts: Vec<Alert>,
}

impl Story {
    pub(super) fn new(watch: Watch) -> Self {
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        Self { monitor: Monitor::new(watch, &redactor).unwrap(), alerts: Vec::new() }
    }

    pub(super) fn plain() -> Self {
        Self::new(Watch { host: "h".to_owned(), ..Watch::default() })
    }

    /// Feeds what happened in the minute that begins at `t`, then looks.
    pub(super) fn minute(&mut self, t: i64, acts: &[Act]) {
        for act in acts {
            self.monitor.absorb(act.tally(t));
        }
        self.alerts.extend(self.monitor.tick(Timestamp::from_secs(t + MINUTE)));
    }

    pub(super) fn fired(&self, kind: &str) -> Vec<&Alert> {
        self.alerts.iter().filter(|a| a.kind == kind && a.status == Status::Firing).collect()
    }

    pub(super) fn pages(&self) -> Vec<&Alert> {
        self.alerts.iter().filter(|a| a.urgency == Urgency::Page && a.status == Status::Firing).collect()
    }
}

/// Uses of a key within one minute.
#[derive(Clone, Copy)]
pub(super) struct Act {
    pub key: &'static str,
    pub uses: u32,
    pub errors: u32,
    pub refused: u32,
    pub ip: &'static str,
    /// What all of them were used for.
    pub is: &'static [(Aspect, &'static str)],
    pub tokens: u64,
    pub bytes: u64,
}

pub(super) const fn good(key: &'static str, uses: u32) -> Act {
    Act { key, uses, errors: 0, refused: 0, ip: "192.0.2.1", is: &[], tokens: 0, bytes: 0 }
}

impl Act {
    fn id(&self) -> KeyId {
        KeyId::named("API_KEY_ID", Text::plain(self.key.as_bytes()))
    }

    pub(super) fn tally(&self, t: i64) -> Tally {
        let at = Timestamp::from_secs(t + 30);
        let counts = Counts { uses: self.uses, errors: self.errors, refused: self.refused };
        let amounts = Amounts { tokens: self.tokens, cost: 0, bytes: self.bytes };
        let mut tally = Tally::default();
        let mut delta = KeyDelta::new(SourceId(0), at);
        delta.count(Slice::at(at, counts, amounts));
        let ip = self.ip.parse().unwrap();
        delta.visit(Visit { ip, first: at, last: at, uses: self.uses, refused: self.refused });
        for (aspect, name) in self.is {
            let word = Word::of(name.as_bytes());
            tally.words.keep(word, name.as_bytes());
            let sighting = Sighting { aspect: *aspect, word, first: at, last: at, uses: self.uses };
            tally.sightings.note(&mut delta.sightings, sighting);
        }
        if self.uses > 0 {
            tally.keys.insert(self.id(), delta);
            tally.events = u64::from(self.uses);
        }
        tally
    }
}

/// How busy a key is at this hour on working days: little at night, most at noon.
fn by_day(t: i64) -> f64 {
    let (hour, day) = (t.rem_euclid(DAY) / HOUR, t.div_euclid(DAY).rem_euclid(7));
    let weekend = day == 2 || day == 3; // 1970-01-01 was a Thursday.
    if weekend { 0.2 } else { [0.1, 0.1, 0.3, 0.8, 1.0, 0.9, 0.5, 0.2][hour as usize / 3] }
}

/// Who asks about a key waits for about a thousand keys at most, not for all.
#[test]
fn somebody_may_look_in_the_middle_of_many_keys() {
    let mut story = Story::plain();
    for n in 0..5000 {
        story.monitor.absorb(good(Box::leak(format!("key{n}").into_boxed_str()), 1).tally(START));
    }
    let mut known = Vec::new();
    story.monitor.tick_with(Timestamp::from_secs(START + MINUTE), &mut |monitor| known.push(monitor.keys().len()));
    assert_eq!(known, [0, 1023, 2047, 3071, 4095]);
    let mut looks = 0;
    let rows = story.monitor.dirty_with(&mut |_| looks += 1);
    assert_eq!((looks, rows.iter().filter(|(row, _)| row.starts_with("API_KEY_ID:")).count()), (4, 5000));
}

#[test]
fn steady_traffic_fires_nothing() {
    let mut story = Story::plain();
    let mut dice = Dice(1);
    for t in (START..START + 21 * DAY).step_by(MINUTE as usize) {
        let acts = [
            good("steady", dice.poisson(3.0)),
            good("office", dice.poisson(5.0 * by_day(t))),
            good("rare", dice.poisson(0.02)),
            good("hourly", if t % HOUR == 0 { 40 } else { 0 }),
            Act { errors: dice.poisson(0.05).min(2), ..good("flaky", 2) },
        ];
        story.minute(t, &acts);
    }
    assert!(
        story.alerts.is_empty(),
        "{:#?}",
        story.alerts.iter().map(|a| (&a.summary, a.starts_at)).collect::<Vec<_>>()
    );
}

#[test]
fn a_spike_fires_within_its_bucket_and_resolves() {
    let mut story = Story::plain();
    let mut dice = Dice(2);
    let spike = START + 15 * DAY + 10 * HOUR;
    for t in (START..spike + 6 * HOUR).step_by(MINUTE as usize) {
        let factor = if (spike..spike + 20 * MINUTE).contains(&t) { 100.0 } else { 1.0 };
        story.minute(t, &[good("a", dice.poisson(2.0 * factor)), good("b", dice.poisson(2.0))]);
    }
    let fired = story.fired("volume_spike");
    assert!(!fired.is_empty() && fired.iter().all(|a| a.key.as_ref().unwrap().tag == "a"));
    let first = fired[0];
    assert!(first.starts_at.secs() < spike + 300, "{}", first.starts_at);
    assert_eq!((first.urgency, first.severity), (Urgency::Page, crate::rules::Severity::Critical));
    assert!(first.summary.contains("requests in 5 minutes") && first.why.contains("were to be expected"), "{first:#?}");
    assert!(first.runbook[0].step.starts_with("Revoke"));
    let ends: Vec<&Alert> = story.alerts.iter().filter(|a| a.status == Status::Resolved).collect();
    assert_eq!(ends.len(), 1, "one episode");
    assert_eq!((&ends[0].id, ends[0].starts_at), (&first.id, first.starts_at));
    assert!(ends[0].ends_at.unwrap().secs() < spike + 2 * HOUR);
    assert!(ends[0].evidence.observed > first.evidence.observed, "the resolved alert tells the worst of it");
}

#[test]
fn tenfold_fires_soon_and_twice_does_not() {
    for (factor, fires) in [(10.0, true), (2.0, false)] {
        let mut story = Story::plain();
        let mut dice = Dice(3);
        let change = START + 15 * DAY + 10 * HOUR;
        for t in (START..change + HOUR).step_by(MINUTE as usize) {
            let f = if t >= change { factor } else { 1.0 };
            story.minute(t, &[good("a", dice.poisson(3.0 * f))]);
        }
        let fired = story.fired("volume_spike");
        assert_eq!(!fired.is_empty(), fires, "factor {factor}");
        if fires {
            assert!(fired[0].starts_at.secs() < change + 15 * MINUTE, "{}", fired[0].starts_at);
        }
    }
}

#[test]
fn errors_and_refusals_are_told_apart() {
    let mut story = Story::plain();
    let mut dice = Dice(4);
    let storm = START + 3 * DAY;
    for t in (START..storm + HOUR).step_by(MINUTE as usize) {
        let bad = t >= storm;
        let n = dice.poisson(4.0);
        let half = if bad { n.div_ceil(2) } else { 0 };
        let stuffing = Act { refused: half, ..good("stuffed", n) };
        story.minute(t, &[Act { errors: half, ..good("broken", n) }, stuffing, good("fine", n)]);
    }
    let keys = |kind: &str| story.fired(kind).iter().map(|a| a.key.as_ref().unwrap().tag.clone()).collect::<Vec<_>>();
    assert_eq!(keys("error_rate"), ["broken"]);
    assert_eq!(keys("auth_failures"), ["stuffed"]);
    let alert = story.fired("error_rate")[0];
    assert!(alert.starts_at.secs() < storm + 15 * MINUTE);
    assert_eq!((alert.urgency, alert.evidence.unit.as_str()), (Urgency::Ticket, "ratio"));
}

fn berlin() -> Watch {
    let calendars = toml::from_str("[office]\nzone = \"Europe/Berlin\"\nhours = [\"09:00-17:00\"]").unwrap();
    let mut keys = BTreeMap::new();
    let config: KeyConfig = toml::from_str("id = \"desk\"\ncalendar = \"office\"\ngroup = \"staff\"").unwrap();
    keys.insert("desk-key".to_owned(), config);
    Watch { calendars, keys, host: "h".to_owned(), ..Watch::default() }
}

#[test]
fn after_hours_follow_the_clocks_of_the_calendar() {
    // Summer time begins on Sunday, 2026-03-29. 07:30Z is 08:30 in Berlin on Friday and 09:30 on Monday.
    let (friday, monday) = (START + 25 * DAY, START + 28 * DAY);
    for (day, fires) in [(friday, true), (monday, false)] {
        let mut story = Story::new(berlin());
        for t in (day + 7 * HOUR + 1800..day + 7 * HOUR + 2400).step_by(MINUTE as usize) {
            story.minute(t, &[good("desk", 1), good("other", 1)]);
        }
        let fired = story.fired("after_hours");
        assert_eq!(!fired.is_empty(), fires);
        if let Some(alert) = fired.first() {
            let key = alert.key.as_ref().unwrap();
            assert_eq!((key.label.as_deref(), key.group.as_deref()), (Some("desk-key"), Some("staff")));
            assert!(alert.summary.contains("Fri 08:3") && alert.summary.contains("Europe/Berlin"), "{}", alert.summary);
        }
    }
    let mut story = Story::new(berlin());
    story.minute(friday + 7 * HOUR, &[good("desk", 4)]);
    assert!(story.alerts.is_empty(), "four uses are not enough");
}

#[test]
fn lines_that_come_late_are_counted_and_fire_nothing() {
    let mut story = Story::plain();
    for t in (START..START + 15 * DAY).step_by(5 * MINUTE as usize) {
        story.minute(t, &[good("a", 10)]);
    }
    let end = START + 15 * DAY;
    for t in (START..START + 14 * DAY).step_by(HOUR as usize) {
        story.monitor.absorb(good("a", 500).tally(t));
    }
    story.minute(end, &[good("a", 10)]);
    assert!(story.alerts.is_empty(), "{:#?}", story.alerts);
    assert_eq!(story.monitor.counters().late, 14 * 24 * 500);
}

#[test]
fn a_wrong_clock_does_not_blind() {
    let mut story = Story::plain();
    let mut dice = Dice(5);
    let spike = START + 15 * DAY;
    for t in (START..spike + HOUR).step_by(MINUTE as usize) {
        if t % HOUR == 0 {
            // A host whose clock is a year ahead.
            story.monitor.absorb(good("wrong", 1).tally(t + 365 * DAY));
        }
        let factor = if t >= spike { 100.0 } else { 1.0 };
        story.minute(t, &[good("a", dice.poisson(2.0 * factor))]);
    }
    assert_eq!(story.fired("volume_spike").len(), 1);
    assert_eq!(story.monitor.counters().late, 0);
}

#[test]
fn a_network_is_news_for_keys_that_keep_to_few() {
    let mut story = Story::plain();
    let theft = START + 10 * DAY;
    let roads = ["198.51.100.1", "203.0.113.1", "100.64.0.1", "172.16.0.1", "10.1.0.1", "10.2.0.1", "10.3.0.1"];
    for t in (START..theft + HOUR).step_by(10 * MINUTE as usize) {
        let ip = if t >= theft { "198.51.100.77" } else { "192.0.2.1" };
        let road = roads[(t / DAY).rem_euclid(7) as usize];
        let bought = if t >= theft { 300 } else { 1 };
        story.minute(
            t,
            &[
                Act { ip, ..good("still", 1) },
                Act { ip: road, ..good("roaming", 1) },
                Act { ip, ..good("robbed", bought) },
            ],
        );
    }
    let of = |key: &str| -> Vec<&Alert> {
        story.fired("new_ip").into_iter().filter(|a| a.key.as_ref().unwrap().tag == key).collect()
    };
    assert_eq!(of("still").len(), 1);
    let alert = of("still")[0];
    assert_eq!((alert.urgency, &alert.evidence.networks[0][..]), (Urgency::Digest, "198.51.100.0/24"));
    assert!(of("roaming").is_empty(), "a key that moves a lot");
    assert_eq!(of("robbed")[0].urgency, Urgency::Page, "with a spike it is worth a page");
}

#[test]
fn an_old_key_that_wakes_up() {
    let mut story = Story::plain();
    for t in (START..START + 2 * DAY).step_by(HOUR as usize) {
        story.minute(t, &[good("old", 1), good("young", 1)]);
    }
    for t in (START + 2 * DAY..START + 30 * DAY).step_by(HOUR as usize) {
        story.minute(t, &[good("young", 1)]);
    }
    story.minute(START + 30 * DAY, &[good("old", 1)]);
    let fired = story.fired("key_dormant");
    assert_eq!(fired.len(), 1);
    assert!(fired[0].summary.contains("28 days of silence"), "{}", fired[0].summary);
    // Silences of the same kind are then known.
    story.minute(START + 31 * DAY, &[good("old", 1)]);
    assert_eq!(story.fired("key_dormant").len(), 1);
}

#[test]
fn what_is_restored_answers_the_same() {
    let run = |restarts: bool| {
        let mut story = Story::new(berlin());
        let mut stored: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut dice = Dice(6);
        for (n, t) in (START..START + 16 * DAY).step_by(5 * MINUTE as usize).enumerate() {
            let burst = if n % 2500 > 2480 { 60.0 } else { 1.0 };
            let uses = dice.poisson(8.0 * burst * by_day(t));
            let acts = [
                good("desk", dice.poisson(0.2)),
                Act { errors: if n % 1700 > 1690 { uses } else { 0 }, ..good("a", uses) },
                Act { ip: if n % 997 == 0 { "203.0.113.5" } else { "192.0.2.1" }, ..good("b", 1) },
            ];
            story.minute(t, &acts);
            for (row, bytes) in story.monitor.dirty() {
                if bytes.is_empty() {
                    stored.remove(&row)
                } else {
                    stored.insert(row, bytes)
                };
            }
            if restarts && n % 311 == 0 {
                let alerts = std::mem::take(&mut story.alerts);
                story = Story::new(berlin());
                assert_eq!(story.monitor.restore(stored.clone()), 0);
                story.alerts = alerts;
            }
        }
        story.alerts
    };
    let (whole, pieces) = (run(false), run(true));
    assert!(whole.len() > 10, "the story has something to tell: {}", whole.len());
    assert_eq!(whole, pieces);
}

#[test]
fn damaged_rows_are_passed_over() {
    let mut story = Story::plain();
    let rows = [("!monitor", "x"), ("!alert/00", "{}"), ("API_KEY_ID:a", "garbage"), ("", "")];
    let unread = story.monitor.restore(rows.map(|(row, bytes)| (row.to_owned(), bytes.as_bytes().to_vec())));
    assert_eq!(unread, 4);
    story.minute(START, &[good("a", 1)]);
}

#[test]
fn when_all_keys_are_busier_no_single_one_is_to_blame() {
    const NAMES: [&str; 30] = [
        "k00", "k01", "k02", "k03", "k04", "k05", "k06", "k07", "k08", "k09", "k10", "k11", "k12", "k13", "k14", "k15",
        "k16", "k17", "k18", "k19", "k20", "k21", "k22", "k23", "k24", "k25", "k26", "k27", "k28", "k29",
    ];
    let mut story = Story::plain();
    let mut dice = Dice(7);
    let sale = START + 15 * DAY;
    for t in (START..sale + 5 * HOUR).step_by(5 * MINUTE as usize) {
        // Five times as much for all, over an hour.
        let factor = 1.0 + 4.0 * ((t - sale).clamp(0, HOUR) as f64 / HOUR as f64);
        let acts: Vec<Act> = NAMES.iter().map(|k| good(k, dice.poisson(10.0 * factor))).collect();
        story.minute(t, &acts);
    }
    assert!(story.pages().len() <= 1, "{}", story.pages().len());
}

#[test]
fn many_alerts_of_one_cause_are_one() {
    let keys = toml::from_str("[vip]\nid = \"n999\"\nsensitive = true").unwrap();
    let mut story = Story::new(Watch { keys, ..Watch::default() });
    let names: Vec<&'static str> = (0..1000).map(|n| &*Box::leak(format!("n{n}").into_boxed_str())).collect();
    for key in &names {
        story.monitor.absorb(Act { refused: 20, ..good(key, 20) }.tally(START));
    }
    story.minute(START, &[]);
    let fired = story.fired("auth_failures");
    assert_eq!(fired.iter().filter(|a| a.key.is_some()).count(), 26, "25, and the sensitive one");
    let one: Vec<_> = fired.iter().filter(|a| a.key.is_none()).collect();
    assert_eq!(one.len(), 1, "the others are one");
    assert!(one[0].summary.contains("within an hour"), "{}", one[0].summary);
}

#[test]
fn what_is_switched_off_stays_silent() {
    let detect: DetectConfig = toml::from_str("zone = \"Europe/Berlin\"\n[key_dormant]\nenabled = false").unwrap();
    assert_eq!(detect.zone.0, "Europe/Berlin".parse().unwrap());
    let mut story = Story::new(Watch { detect, ..Watch::default() });
    story.minute(START, &[good("a", 1)]);
    story.minute(START + 60 * DAY, &[good("a", 1)]);
    assert!(story.alerts.is_empty());
}
