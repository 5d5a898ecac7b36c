//! `keys`: which keys were seen, and how each is used.

use std::io::Write;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::format::Format;
use super::state;
use super::style::plain;
use crate::alert::{Policies, Policy};
use crate::config;
use crate::units::Timestamp;
use crate::window::{KeyId, KeyState};

/// What can be asked about keys.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// All keys that are remembered, the one used last first
    List {
        #[command(flatten)]
        state: state::Args,
        /// Text for people, or JSON lines
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// One key: its use, its networks, its usual share of errors
    Show {
        /// The key's pseudonym or id, or the name that the configuration gives it
        key: String,
        #[command(flatten)]
        state: state::Args,
        /// Text for people, or one JSON object
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
}

/// Answers.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List { state, format } => list(&read(state)?, *format),
        Verb::Show { key, state, format } => show(&read(state)?, key, *format),
    }
}

/// A key with what the configuration says about it.
struct Key {
    id: KeyId,
    state: KeyState,
    policy: Policy,
}

fn read(args: &state::Args) -> anyhow::Result<Vec<Key>> {
    let store = args.open()?;
    let config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let policies = Policies::new(&config.detect, &config.calendars, &config.keys)?;
    // Other rows of the monitor stand beside those of keys; they do not read as one.
    let keys = store.key_state()?.into_iter().filter_map(|(row, bytes)| {
        let (id, state) = KeyId::parse(&row).zip(KeyState::from_bytes(&bytes))?;
        let policy = policies.of(&id, &state.kind).clone();
        Some(Key { id, state, policy })
    });
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_by_key(|key| std::cmp::Reverse((key.state.last_seen, key.state.total)));
    Ok(keys)
}

impl Key {
    /// `[TYPE:tag]`, or `TYPE:name` for an id that the log itself carries.
    fn name(&self) -> String {
        match self.id.space() {
            None => format!("[{}:{}]", self.state.kind, self.id.name()),
            Some(_) => self.id.as_str().to_owned(),
        }
    }

    fn is(&self, wanted: &str) -> bool {
        [self.id.name(), self.id.as_str(), &self.name()].contains(&wanted)
            || self.policy.label.as_deref() == Some(wanted)
    }

    fn networks(&self) -> Vec<String> {
        self.state.networks().iter().rev().map(|known| known.network.to_string()).collect()
    }

    fn json(&self) -> Value {
        let (errors, refused) = self.state.usual_shares();
        json!({
            "key": self.id.as_str(),
            "type": self.state.kind,
            "label": self.policy.label,
            "group": self.policy.group,
            "first_seen": self.state.first_seen,
            "last_seen": self.state.last_seen,
            "requests": self.state.total,
            "active_hours": self.state.active_hours(),
            "networks": self.networks(),
            "error_share": errors,
            "refused_share": refused,
            "leaked_at": self.state.leak().map(|(at, _)| at),
        })
    }
}

fn list(keys: &[Key], format: Format) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    if format == Format::Json {
        keys.iter().try_for_each(|key| writeln!(out, "{}", key.json()))?;
        return Ok(Exit::OK);
    }
    let width = keys.iter().map(|key| key.name().chars().count()).max().unwrap_or(0).max(3);
    let head = format!("{:width$}  {:>10}  {:20}  {:20}  {}", "KEY", "REQUESTS", "FIRST SEEN", "LAST SEEN", "NETWORKS");
    writeln!(out, "{}", head.dimmed())?;
    for key in keys {
        let networks = key.networks();
        let shown = networks.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        let more = networks.len().checked_sub(4).map(|n| format!(" and {} more", n + 1)).unwrap_or_default();
        let label = key.policy.label.as_ref().map(|l| format!(" {l}")).unwrap_or_default();
        let leaked = if key.state.leak().is_some() { " LEAKED" } else { "" };
        writeln!(
            out,
            "{:width$}  {:>10}  {:20}  {:20}  {shown}{more}{}{}",
            plain(&key.name()).bold(),
            key.state.total,
            seconds(key.state.first_seen),
            seconds(key.state.last_seen),
            plain(&label).cyan(),
            leaked.red().bold(),
        )?;
    }
    writeln!(out, "{} keys", keys.len())?;
    Ok(Exit::OK)
}

fn show(keys: &[Key], wanted: &str, format: Format) -> anyhow::Result<Exit> {
    let found: Vec<&Key> = keys.iter().filter(|key| key.is(wanted)).collect();
    if found.is_empty() {
        let failure = Failure::new(Exit::FOUND, format!("no key `{wanted}` was seen"));
        return Err(failure.help("`logwarden keys list` shows them all").into());
    }
    let mut out = anstream::stdout().lock();
    for key in found {
        if format == Format::Json {
            writeln!(out, "{}", key.json())?;
            continue;
        }
        writeln!(out, "{}", plain(&key.name()).bold())?;
        let (errors, refused) = key.state.usual_shares();
        let rows = [
            ("name", key.policy.label.clone()),
            ("group", key.policy.group.clone()),
            ("first seen", Some(seconds(key.state.first_seen))),
            ("last seen", Some(seconds(key.state.last_seen))),
            ("requests", Some(format!("{} in {} hours of use", key.state.total, key.state.active_hours()))),
            ("usually", Some(format!("{:.1} % fail, {:.1} % are refused", errors * 100.0, refused * 100.0))),
            ("networks", Some(key.networks().join(" "))),
            ("leaked", key.state.leak().map(|(at, place)| format!("found in a log at {} ({place})", seconds(at)))),
        ];
        for (name, text) in rows.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            writeln!(out, "  {:11} {}", name.dimmed(), plain(text))?;
        }
    }
    Ok(Exit::OK)
}

/// RFC 3339 in UTC to the second.
fn seconds(t: Timestamp) -> String {
    t.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
