//! The narrowest policy that a key's own use supports, as configuration to be read and pasted.

use std::fmt::Write;

use super::policy::Policy;
use crate::units::{Timestamp, Tz};
use crate::window::{Aspect, KeyId, KeyState, WEEK, Words};

/// Networks that are remembered at most; a key with as many may have had more.
const MAX_NETWORKS: usize = 16;

/// Days of use before a proposal means anything.
const MIN_DAYS: i64 = 7;

/// A proposal, and what speaks against taking it as it stands.
pub struct Narrow {
    /// TOML.
    pub toml: String,
    /// In words.
    pub notes: Vec<String>,
}

/// What a key was used for of an aspect; `None` when more was seen than is remembered.
pub fn used_for(state: &KeyState, words: &Words, aspect: Aspect) -> Option<Vec<String>> {
    let all: Vec<_> = state.habits().iter().filter(|h| h.aspect == aspect).collect();
    let names: Option<Vec<String>> = all.iter().map(|h| words.get(h.word).map(str::to_owned)).collect();
    let mut names = names.filter(|_| all.len() < aspect.remembered())?;
    names.sort();
    Some(names)
}

/// The narrowest policy for a key; `name` is that of its section.
pub fn narrowest(name: &str, id: &KeyId, state: &KeyState, words: &Words, zone: Tz, now: Timestamp) -> Narrow {
    let (mut toml, mut notes) = (String::new(), Vec::new());
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let section = quoted(name);
    let by = if id.space().is_some() { "id" } else { "tag" };
    let _ = writeln!(toml, "[keys.{section}]\n{by} = {}", quoted(id.name()));
    let list = |names: &[String]| format!("[{}]", names.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", "));
    let networks: Vec<String> = state.networks().iter().map(|k| k.network.to_string()).collect();
    match networks.len() {
        0 => {}
        MAX_NETWORKS.. => notes.push("it is used from too many networks to list them".to_owned()),
        _ => {
            let _ = writeln!(toml, "networks = {}", list(&networks));
        }
    }
    let aspects = [
        (Aspect::Model, "models"),
        (Aspect::Endpoint, "endpoints"),
        (Aspect::Origin, "origins"),
        (Aspect::Region, "regions"),
        (Aspect::Environment, "environments"),
        (Aspect::Country, "countries"),
    ];
    for (aspect, field) in aspects {
        match used_for(state, words, aspect) {
            Some(names) if names.is_empty() => {}
            Some(names) => {
                let _ = writeln!(toml, "{field} = {}", list(&names));
            }
            None => notes.push(format!("it has more {field} than are remembered")),
        }
    }
    if state.habits().iter().any(|h| h.aspect == Aspect::Endpoint) {
        let browser = state.habits().iter().any(|h| h.aspect == Aspect::Browser);
        let _ = writeln!(toml, "browser = {browser}");
    }
    if let Some(profile) = state.profile() {
        // Half as much again as the busiest hour, in round numbers.
        let most = (profile.record() * 1.5).max(10.0);
        let unit = 10f64.powf(most.log10().floor() - 1.0);
        let _ = writeln!(toml, "limit = \"{:.0}/h\"", (most / unit).ceil() * unit);
        hours(&section, &profile.active(1, 0.05), zone, &mut toml, &mut notes);
    }
    let days = now.secs().saturating_sub(state.first_seen.secs()) / 86_400;
    if days < MIN_DAYS {
        notes.push(format!("it is known for {days} days only: wait for a month's use"));
    }
    Narrow { toml, notes }
}

/// Hours and weekdays, when the key keeps some.
fn hours(section: &str, active: &[bool; WEEK], zone: Tz, toml: &mut String, notes: &mut Vec<String>) {
    let day = |d: usize| &active[d * 24..(d + 1) * 24];
    let days: Vec<usize> = (0..7).filter(|d| day(*d).contains(&true)).collect();
    let used: Vec<usize> = (0..24).filter(|h| days.iter().any(|d| day(*d)[*h])).collect();
    let (Some(first), Some(last)) = (used.first(), used.last()) else { return };
    if last - first >= 20 && days.len() == 7 {
        return;
    }
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekdays: Vec<String> = days.iter().map(|d| format!("\"{}\"", names[*d])).collect();
    let end = if *last == 23 { "23:59".to_owned() } else { format!("{:02}:00", last + 1) };
    let _ = writeln!(toml, "calendar = {section}\n\n[calendars.{section}]\nzone = \"{}\"", zone.name());
    let _ = writeln!(toml, "hours = [\"{first:02}:00-{end}\"]\nweekdays = [{}]", weekdays.join(", "));
    if zone == Tz::UTC {
        notes.push("its hours are in UTC: set `detect.zone` so that they follow the clocks of its people".to_owned());
    }
}

/// How old a key is, and after which time it should be replaced.
pub fn age(state: &KeyState, policy: &Policy, now: Timestamp) -> std::time::Duration {
    now.since(policy.config.created.map_or(state.first_seen, |d| d.0))
}
