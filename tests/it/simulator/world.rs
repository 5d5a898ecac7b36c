//! The keys of a made-up company, what they do in peace, and what is done with them.
//!
//! Nothing here knows how the detectors work: rhythms, unrest and accidents are those that operators report (nights,
//! weekends, cron, deploys, campaigns, holidays, changes of the clocks, moves, late lines, wrong clocks).

use chrono::{Datelike, TimeZone, Timelike};
use chrono_tz::Tz;

use super::dice::Dice;

pub const BUCKET: i64 = 300;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;

/// When a key is busy.
#[derive(Clone, Copy, PartialEq)]
pub enum Rhythm {
    /// Day and night, a little more by day.
    Service,
    /// People at work: little at night, nothing at weekends and on holidays.
    Office,
    /// Once an hour.
    Hourly,
    /// Once a night.
    Nightly,
    /// A few uses a day at any time.
    Sparse,
    /// Now and then a few minutes of much work, by day.
    Builds,
    /// Many people at home: evenings and weekends more, from ever new networks.
    App,
}

/// One key in peace.
pub struct Key {
    pub rhythm: Rhythm,
    /// Requests in a busy hour.
    rate: f64,
    /// How much more than chance its hours vary.
    alpha: f64,
    /// Growth a day.
    growth: f64,
    zone: Tz,
    /// Usual share of failures.
    errors: f64,
    /// Its networks; each use takes one.
    networks: Vec<u32>,
    /// New networks a day, for keys that move.
    moves: f64,
    pub tokens: f64,
    /// Day on which its servers move to another network.
    moved: i64,
    /// From when to when it is not used at all.
    pub asleep: (i64, i64),
    minute: i64,
}

impl Key {
    /// Its people's time zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attack {
    Spike100,
    Spike10,
    Stuffing,
    ErrorStorm,
    AfterHours,
    Dormant,
    SlowTheft,
    Costly,
    Published,
}

impl Attack {
    pub const ALL: [Self; 9] = [
        Self::Spike100,
        Self::Spike10,
        Self::Stuffing,
        Self::ErrorStorm,
        Self::AfterHours,
        Self::Dormant,
        Self::SlowTheft,
        Self::Costly,
        Self::Published,
    ];

    /// The kinds of alert that say what happened.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Spike100 | Self::Spike10 => &["volume_spike"],
            Self::Stuffing => &["auth_failures"],
            Self::ErrorStorm => &["error_rate"],
            Self::AfterHours => &["after_hours"],
            Self::Dormant => &["key_dormant"],
            Self::SlowTheft => &["new_ip"],
            Self::Costly => &["cost_spike"],
            Self::Published => &["key_fanout"],
        }
    }

    fn lasts(self) -> i64 {
        match self {
            Self::SlowTheft => 3 * DAY,
            Self::Dormant => 2 * HOUR,
            _ => HOUR,
        }
    }
}

/// A labelled attack.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub key: usize,
    pub attack: Attack,
    pub start: i64,
    pub end: i64,
}

/// A time at which all keys do something for one reason.
pub struct Event {
    pub start: i64,
    pub end: i64,
    /// How many times their traffic.
    pub volume: f64,
    /// Share of requests that fail.
    pub errors: f64,
}

pub struct World {
    pub start: i64,
    pub learn: i64,
    pub end: i64,
    pub keys: Vec<Key>,
    pub labels: Vec<Label>,
    pub events: Vec<Event>,
    holidays: Vec<i64>,
}

/// What one key did in one bucket.
#[derive(Default)]
pub struct Use {
    pub requests: u32,
    pub errors: u32,
    pub refused: u32,
    pub tokens: u64,
    /// Networks as /24 numbers, with uses and refusals.
    pub from: Vec<(u32, u32, u32)>,
}

/// How large a world is.
#[derive(Clone, Copy)]
pub struct Size {
    pub keys: usize,
    pub learn_days: i64,
    pub days: i64,
}

impl World {
    /// A world from a seed. It begins on 2026-03-09, so that summer time begins within.
    pub fn new(seed: u64, size: Size) -> Self {
        let dice = Dice::new(seed);
        let start = 1_773_014_400;
        let (learn, end) = (start + size.learn_days * DAY, start + (size.learn_days + size.days) * DAY);
        let mut of_keys = dice.split(1);
        let mut keys: Vec<Key> = (0..size.keys).map(|n| key(n, start, &mut of_keys)).collect();
        let mut labels = Vec::new();
        let mut lot = dice.split(2);
        for (n, key) in keys.iter_mut().enumerate() {
            attacks(n, key, learn, end, &mut lot, &mut labels);
        }
        let mut lot = dice.split(3);
        let mut events = Vec::new();
        for day in 0..(end - start) / DAY {
            let noon = start + day * DAY + lot.below(20 * 12) as i64 * BUCKET;
            if lot.chance(0.5) {
                // A deploy: some minutes of errors.
                events.push(Event {
                    start: noon,
                    end: noon + 2 * BUCKET,
                    volume: 1.0,
                    errors: lot.between(0.02, 0.15),
                });
            }
            if lot.chance(0.05) {
                let length = lot.between(1.0, 6.0) * HOUR as f64;
                events.push(Event {
                    start: noon,
                    end: noon + length as i64,
                    volume: lot.between(1.5, 3.0),
                    errors: 0.0,
                });
            }
        }
        let holidays =
            (0..size.days / 20 + 1).map(|_| start + lot.below((end - start) as u64 / DAY as u64) as i64 * DAY);
        let holidays = holidays.map(|t| t / DAY).collect();
        Self { start, learn, end, keys, labels, events, holidays }
    }

    /// The factor of the rhythm at `t`.
    fn rhythm(&self, key: &Key, t: i64) -> f64 {
        let local = key.zone.timestamp_opt(t, 0).unwrap();
        let (hour, weekday) = (local.hour() as usize, local.weekday().num_days_from_monday());
        let holiday = self.holidays.contains(&i64::from(local.num_days_from_ce() - 719_163));
        let weekend = weekday >= 5 || holiday;
        match key.rhythm {
            Rhythm::Service => [0.6, 0.5, 0.6, 0.9, 1.0, 1.0, 0.9, 0.7][hour / 3],
            Rhythm::Office if weekend => 0.0,
            Rhythm::Office => [0.0, 0.0, 0.0, 0.8, 1.0, 0.9, 0.15, 0.0][hour / 3],
            Rhythm::Hourly => f64::from(u8::from((t % HOUR) / BUCKET == key.minute % 12)) * 1.0,
            Rhythm::Nightly => {
                let at = (t % DAY) / BUCKET;
                f64::from(u8::from((at - 24 - key.minute % 24).rem_euclid(288) < 3))
            }
            Rhythm::Sparse => 1.0,
            Rhythm::Builds => [0.05, 0.0, 0.1, 0.8, 1.0, 1.0, 0.5, 0.2][hour / 3] * if weekend { 0.2 } else { 1.0 },
            Rhythm::App => [0.3, 0.1, 0.3, 0.6, 0.8, 0.9, 1.0, 0.8][hour / 3] * if weekend { 1.3 } else { 1.0 },
        }
    }

    /// What key `n` does in the bucket that starts at `t`.
    pub fn act(&self, n: usize, t: i64, seed: u64) -> Use {
        let key = &self.keys[n];
        let mut dice = Dice::new(seed).split((n as u64) << 32 | (t / BUCKET) as u64);
        let mut of_hour = Dice::new(seed).split((n as u64) << 32 | 1 << 31 | (t / HOUR) as u64);
        let mut used = Use::default();
        let asleep = (key.asleep.0..key.asleep.1).contains(&t);
        let event = self.events.iter().find(|e| (e.start..e.end).contains(&t));
        let days = (t - self.start) as f64 / DAY as f64;
        let unrest = of_hour.gamma(key.alpha);
        let hourly = key.rate * self.rhythm(key, t) * unrest * (1.0 + key.growth).powf(days);
        // A campaign brings customers; it starts no jobs.
        let customers = matches!(key.rhythm, Rhythm::Service | Rhythm::App | Rhythm::Sparse);
        let mut mean = hourly * event.filter(|_| customers).map_or(1.0, |e| e.volume);
        mean /= if matches!(key.rhythm, Rhythm::Hourly | Rhythm::Nightly) { 1.0 } else { 12.0 };
        if key.rhythm == Rhythm::Builds && !dice.chance(0.12) {
            mean = 0.0;
        }
        used.requests = if asleep { 0 } else { dice.poisson(mean) };
        let errors = key.errors + event.map_or(0.0, |e| e.errors);
        used.errors = dice.binomial(used.requests, errors);
        used.refused = dice.binomial(used.requests - used.errors, 0.001);
        let mut networks = vec![0; key.networks.len()];
        let moved = if t >= key.moved { 1 << 16 } else { 0 };
        for _ in 0..used.requests.min(64) {
            networks[dice.below(key.networks.len() as u64) as usize] += 1;
        }
        for (at, n) in networks.iter().enumerate().filter(|(_, n)| **n > 0) {
            used.from.push((key.networks[at].wrapping_add(moved), *n, 0));
        }
        if used.requests > 0 && dice.chance((key.moves / 288.0).min(1.0)) {
            used.from.push((0x64_0000 + dice.below(1 << 20) as u32, 1, 0));
        }
        let mut tokens_each = key.tokens;
        for label in self.labels.iter().filter(|l| l.key == n && (l.start..l.end).contains(&t)) {
            self.attack(label, key, &mut used, &mut tokens_each, &mut dice);
        }
        used.tokens = (f64::from(used.requests) * tokens_each * dice.gamma(0.3)) as u64;
        used
    }

    fn attack(&self, label: &Label, key: &Key, used: &mut Use, tokens: &mut f64, dice: &mut Dice) {
        let usual = key.rate / 12.0;
        let network = 0xcb_0000 + (label.start as u32 / 300) % 0xff00;
        let more = |n: u32, refused: u32, used: &mut Use| {
            used.requests += n;
            used.refused += refused;
            if n > 0 {
                used.from.push((network, n, refused));
            }
        };
        match label.attack {
            Attack::Spike100 => more(dice.poisson(usual.max(1.0) * 100.0), 0, used),
            Attack::Spike10 => more(dice.poisson(usual.max(1.0) * 10.0), 0, used),
            Attack::Stuffing => {
                let n = dice.poisson(usual.max(8.0));
                more(n, dice.binomial(n, 0.8), used);
            }
            Attack::ErrorStorm => {
                let failing = dice.between(0.4, 0.8);
                used.errors = used.errors.max(dice.binomial(used.requests, failing));
            }
            Attack::AfterHours => more(dice.poisson(3.0), 0, used),
            Attack::Dormant => more(dice.poisson(2.0), 0, used),
            Attack::SlowTheft => more(dice.poisson(0.25), 0, used),
            Attack::Costly => *tokens *= 40.0,
            Attack::Published => {
                for n in 0..30 {
                    used.requests += 1;
                    used.from.push((0x2d_0000 + (dice.below(1 << 19) as u32) * 8 + n % 8, 1, 0));
                }
            }
        }
    }
}

fn key(n: usize, start: i64, dice: &mut Dice) -> Key {
    use Rhythm::{App, Builds, Hourly, Nightly, Office, Service, Sparse};
    let rhythm = [Service, Service, Service, Office, Office, Hourly, Nightly, Sparse, Builds, App][n % 10];
    let rate = match rhythm {
        Service => (dice.between(2.5, 6.0)).exp(),
        Office => dice.between(20.0, 200.0),
        Hourly => dice.between(10.0, 80.0),
        Nightly => dice.between(50.0, 300.0),
        Sparse => dice.between(0.02, 0.6),
        Builds => dice.between(60.0, 600.0),
        App => dice.between(100.0, 600.0),
    };
    let base = 0x0a_0000 + (n as u32) * 64;
    let networks = match rhythm {
        App => 40,
        Office => 1 + dice.below(3) as u32,
        _ => 1 + dice.below(2) as u32,
    };
    let spread = |k: u32| if rhythm == App { base + k * 257 } else { base + k };
    Key {
        rhythm,
        rate,
        alpha: dice.between(0.01, 0.25),
        growth: if dice.chance(0.1) { 0.02 } else { 0.0 },
        zone: [Tz::Europe__Berlin, Tz::America__New_York, Tz::UTC][dice.below(3) as usize],
        errors: dice.between(0.0, 0.02),
        networks: (0..networks).map(spread).collect(),
        moves: match rhythm {
            App => 60.0,
            Office => dice.between(0.0, 0.25),
            _ => 0.0,
        },
        tokens: if dice.chance(0.5) { dice.between(200.0, 4000.0) } else { 0.0 },
        moved: if dice.chance(0.1) { start + dice.below(60) as i64 * DAY + 9 * HOUR } else { i64::MAX },
        asleep: (0, 0),
        minute: dice.below(12) as i64,
    }
}

/// One attack in the life of most keys, of a kind that makes sense for it.
fn attacks(n: usize, key: &mut Key, learn: i64, end: i64, dice: &mut Dice, labels: &mut Vec<Label>) {
    use Attack::{AfterHours, Costly, Dormant, ErrorStorm, Published, SlowTheft, Spike10, Spike100, Stuffing};
    let at = |dice: &mut Dice| learn + 2 * DAY + dice.below(((end - learn) / DAY - 6) as u64) as i64 * DAY;
    let noon = |t: i64, dice: &mut Dice| t + (9 + dice.below(8) as i64) * HOUR + dice.below(12) as i64 * BUCKET;
    let lot = dice.below(4);
    let (attack, mut start) = match key.rhythm {
        Rhythm::Service if key.rate < 20.0 => ([Spike100, SlowTheft, Published, Stuffing][lot as usize], at(dice)),
        Rhythm::Service => ([Spike100, Spike10, Stuffing, ErrorStorm][lot as usize], at(dice)),
        Rhythm::Office => ([AfterHours, AfterHours, SlowTheft, Stuffing][lot as usize], at(dice)),
        Rhythm::Hourly => ([Spike10, SlowTheft, Stuffing, Published][lot as usize], at(dice)),
        Rhythm::Nightly => ([SlowTheft, Dormant, Spike100, Stuffing][lot as usize], at(dice)),
        Rhythm::Sparse => ([Dormant, Spike100, SlowTheft, Dormant][lot as usize], at(dice)),
        Rhythm::Builds => ([Stuffing, Spike100, SlowTheft, Spike10][lot as usize], at(dice)),
        Rhythm::App => ([Spike100, Spike10, ErrorStorm, Stuffing][lot as usize], at(dice)),
    };
    let (attack, tokens) = match attack {
        Spike10 if key.tokens > 0.0 && dice.chance(0.5) => (Costly, true),
        other => (other, false),
    };
    if dice.chance(0.2) {
        return;
    }
    start = noon(start, dice);
    match attack {
        // Between one and four in the night by the key's own clock.
        AfterHours => {
            let west = if key.zone == Tz::America__New_York { 6 } else { 0 };
            start = start - start.rem_euclid(DAY) + DAY + (1 + west) * HOUR + dice.below(12) as i64 * BUCKET;
        }
        Dormant => {
            start = end - 2 * DAY + 9 * HOUR;
            key.asleep = (start - (18 + dice.below(8) as i64) * DAY, start);
        }
        ErrorStorm | Spike10 | Costly if !tokens && key.rhythm == Rhythm::Office => return,
        _ => {}
    }
    if attack == AfterHours && (start / DAY - 4 + 7).rem_euclid(7) >= 5 {
        start += 2 * DAY;
    }
    labels.push(Label { key: n, attack, start, end: start + attack.lasts() });
}
