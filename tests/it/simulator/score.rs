//! Runs a world through the monitor and counts what was found, missed and invented.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use logwarden::alert::{Alert, Monitor, Status, Urgency, Watch};
use logwarden::event::{SourceId, Text};
use logwarden::redact::{PseudonymKey, Redactor};
use logwarden::units::Timestamp;
use logwarden::window::{Amounts, Counts, KeyDelta, KeyId, Slice, Tally, Visit};

use super::dice::Dice;
use super::world::{Attack, BUCKET, DAY, HOUR, Rhythm, Size, World};

/// What came of some worlds.
#[derive(Default)]
pub struct Score {
    /// Found and all, and how long it took in seconds, per attack.
    pub found: BTreeMap<Attack, (u32, u32, Vec<i64>)>,
    /// Alerts that nothing was behind, by urgency and kind.
    pub false_alarms: BTreeMap<(Urgency, String), u32>,
    pub key_days: u64,
    /// Told for people who look into it.
    pub stories: Vec<String>,
}

impl Score {
    /// False alarms of an urgency.
    pub fn wrong(&self, urgency: Urgency) -> u32 {
        self.false_alarms.iter().filter(|((u, _), _)| *u == urgency).map(|(_, n)| n).sum()
    }

    /// The same for 1000 key-days, with a 95 % interval.
    pub fn rate(&self, urgency: Urgency) -> (f64, f64, f64) {
        let n = f64::from(self.wrong(urgency));
        let (low, high) = poisson_95(n);
        let per = 1000.0 / self.key_days.max(1) as f64;
        (n * per, low * per, high * per)
    }

    pub fn recall(&self, attack: Attack) -> (u32, u32, f64, f64) {
        let (hits, all, _) = self.found.get(&attack).cloned().unwrap_or_default();
        let (low, high) = wilson_95(f64::from(hits), f64::from(all));
        (hits, all, low, high)
    }

    /// Everything as a table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for attack in Attack::ALL {
            let (hits, all, low, high) = self.recall(attack);
            let mut delays = self.found.get(&attack).map(|f| f.2.clone()).unwrap_or_default();
            delays.sort_unstable();
            let median = delays.get(delays.len() / 2).copied().unwrap_or(0) / 60;
            out += &format!(
                "{:12} {hits:4} of {all:4} found, 95 % between {:.0} and {:.0} %, median delay {median} min\n",
                format!("{attack:?}"),
                low * 100.0,
                high * 100.0
            );
        }
        for urgency in [Urgency::Page, Urgency::Ticket, Urgency::Digest] {
            let (rate, low, high) = self.rate(urgency);
            out += &format!(
                "false {urgency:?}s: {} in {} key-days, {rate:.2} per 1000, 95 % between {low:.2} and {high:.2}\n",
                self.wrong(urgency),
                self.key_days
            );
        }
        for ((urgency, kind), n) in &self.false_alarms {
            out += &format!("  {urgency:?} {kind}: {n}\n");
        }
        out
    }
}

/// Wilson's 95 % interval of a share.
pub fn wilson_95(hits: f64, n: f64) -> (f64, f64) {
    if n == 0.0 {
        return (0.0, 1.0);
    }
    let (z, p) = (1.959_964, hits / n);
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let by = 1.0 + z * z / n;
    ((centre - spread) / by, (centre + spread) / by)
}

/// The 95 % interval of a Poisson mean by Byar's approximation (Breslow and Day 1987).
pub fn poisson_95(n: f64) -> (f64, f64) {
    let z = 1.959_964;
    let low = if n > 0.0 { n * (1.0 - 1.0 / (9.0 * n) - z / (3.0 * n.sqrt())).powi(3) } else { 0.0 };
    let m = n + 1.0;
    (low, m * (1.0 - 1.0 / (9.0 * m) + z / (3.0 * m.sqrt())).powi(3))
}

/// A key's name in a world.
pub fn name(n: usize) -> String {
    format!("key-{n:04}")
}

/// Offices have a calendar of their own zone; all else is as it comes.
fn watch(world: &World) -> Watch {
    let mut keys = String::new();
    for (n, key) in world.keys.iter().enumerate().filter(|(_, k)| k.rhythm == Rhythm::Office) {
        keys += &format!("[k{n}]\nid = \"{}\"\ncalendar = \"{}\"\n", name(n), key.zone());
    }
    let calendars = ["Europe/Berlin", "America/New_York", "UTC"]
        .map(|zone| format!("[\"{zone}\"]\nzone = \"{zone}\"\nhours = [\"06:00-22:00\"]\n"));
    Watch {
        keys: toml::from_str(&keys).unwrap(),
        calendars: toml::from_str(&calendars.concat()).unwrap(),
        host: "sim".to_owned(),
        ..Watch::default()
    }
}

/// Runs the world of a seed and adds what came of it.
pub fn run(seed: u64, size: Size, score: &mut Score) {
    let world = World::new(seed, size);
    let redactor = Redactor::new(PseudonymKey::new(0, b"sim"));
    let mut monitor = Monitor::new(watch(&world), &redactor).unwrap();
    let ids: Vec<KeyId> =
        (0..world.keys.len()).map(|n| KeyId::named("API_KEY_ID", Text::plain(name(n).as_bytes()))).collect();
    let mut dice = Dice::new(seed).split(9);
    let mut today: HashSet<usize> = HashSet::new();
    let mut alerts: BTreeMap<String, Alert> = BTreeMap::new();
    for t in (world.start..world.end).step_by(BUCKET as usize) {
        let mut tally = Tally::default();
        for (n, id) in ids.iter().enumerate() {
            let used = world.act(n, t, seed);
            if used.requests == 0 {
                continue;
            }
            today.insert(n);
            // Some lines come up to ten minutes late, some bear a wrong clock.
            let late = if dice.chance(0.01) { BUCKET } else { 0 };
            let ahead = if dice.chance(0.0005) { 400 * DAY } else { 0 };
            let at = Timestamp::from_secs(t + 150 - late + ahead);
            let mut delta = KeyDelta::new(SourceId(0), at);
            let counts = Counts { uses: used.requests, errors: used.errors, refused: used.refused };
            let amounts = Amounts { tokens: used.tokens, ..Amounts::default() };
            delta.count(Slice::at(at, counts, amounts));
            for (network, uses, refused) in used.from {
                let ip = IpAddr::V4(Ipv4Addr::from(network << 8 | 7));
                delta.visit(Visit { ip, first: at, last: at, uses, refused });
            }
            tally.events += u64::from(used.requests);
            tally.keys.insert(*id, delta);
        }
        monitor.absorb(tally);
        for alert in monitor.tick(Timestamp::from_secs(t + BUCKET)) {
            if alert.status == Status::Firing {
                // An alert that grows to a page is one.
                alerts.insert(alert.id.clone(), alert);
            }
        }
        if (t + BUCKET) % DAY == 0 {
            score.key_days += if t >= world.learn { today.len() as u64 } else { 0 };
            today.clear();
        }
    }
    judge(&world, seed, alerts.into_values(), score);
}

fn judge(world: &World, seed: u64, alerts: impl Iterator<Item = Alert>, score: &mut Score) {
    let mut found: Vec<Option<i64>> = vec![None; world.labels.len()];
    for alert in alerts.filter(|a| a.starts_at.secs() >= world.learn) {
        let t = alert.starts_at.secs();
        let key = alert.key.as_ref().map(|k| k.tag.as_str());
        let mut meant = false;
        for (n, label) in world.labels.iter().enumerate() {
            // A key that sleeps is silent first, and has to find its rhythm again.
            let slept = label.attack == Attack::Dormant;
            let from = if slept { world.keys[label.key].asleep.0 } else { label.start - BUCKET };
            let after = if slept { 2 * DAY } else { 2 * HOUR };
            let during = (from..label.end + after).contains(&t);
            if during && key == Some(name(label.key).as_str()) {
                // What else is said of a key under attack is no false alarm.
                meant = true;
                if label.attack.kinds().contains(&alert.kind.as_str()) {
                    let delay = (t - label.start).max(0);
                    found[n] = Some(found[n].map_or(delay, |d| d.min(delay)));
                }
            }
        }
        // One cause for all keys, told as one, is no false alarm when there is one.
        let shared = world.events.iter().any(|e| (e.start..e.end + 2 * HOUR).contains(&t));
        if !(meant || key.is_none() && shared) {
            *score.false_alarms.entry((alert.urgency, alert.kind.clone())).or_default() += 1;
            score.stories.push(format!(
                "seed {seed:#x} {:?} {} {} {}: {}",
                alert.urgency,
                alert.kind,
                alert.starts_at,
                key.unwrap_or("-"),
                alert.why
            ));
        }
    }
    for (label, delay) in world.labels.iter().zip(found) {
        let entry = score.found.entry(label.attack).or_default();
        entry.1 += 1;
        if let Some(delay) = delay {
            entry.0 += 1;
            entry.2.push(delay);
        } else {
            let rhythm = label.key % 10;
            score.stories.push(format!(
                "seed {seed:#x} missed {:?} on {} ({rhythm}) at {}",
                label.attack,
                name(label.key),
                Timestamp::from_secs(label.start)
            ));
        }
    }
}
