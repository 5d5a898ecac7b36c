//! `keys`: which keys were seen, and how each is used.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::format::Format;
use super::state;
use super::style::{count, plain};
use super::word::written;
use crate::alert::{DetectConfig, Policies, Policy, age, narrowest, stored_word, used_for};
use crate::config;
use crate::daemon;
use crate::store::{PSEUDONYM_VARIABLE, Store, rotate_pseudonym_key};
use crate::units::{Timestamp, format_duration};
use crate::window::{Aspect, KeyId, KeyState, Words};

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
        /// The key's pseudonym or id, or as much of it as no other begins with, or the name that the configuration gives
        key: String,
        #[command(flatten)]
        state: state::Args,
        /// Text for people, or one JSON object
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// Begin a new secret for pseudonyms; a running service takes it up when it is started again
    ///
    /// From then on the same key has another pseudonym. For 30 days the service knows who was called what before, so
    /// that a key that comes back keeps its history. Pseudonyms in `[keys.*]` of a configuration have to be replaced:
    /// `keys list` shows the new ones. What was written before keeps its old pseudonyms.
    Rotate {
        #[command(flatten)]
        state: state::Args,
    },
}

/// Answers.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List { state, format } => list(&read(state)?, *format),
        Verb::Rotate { state } => rotate(state),
        Verb::Show { key, state, format } => show(&read(state)?, key, *format),
    }
}

/// All keys, and what is needed to speak about them.
struct Inventory {
    keys: Vec<Key>,
    words: Words,
    detect: DetectConfig,
    /// The kinds of alerts that there were about a key, by its pseudonym or id.
    alerted: BTreeMap<String, BTreeSet<String>>,
    now: Timestamp,
}

/// How many of the latest alerts are looked at.
const ALERTS: usize = 10_000;

fn rotate(state: &state::Args) -> anyhow::Result<Exit> {
    let dir = state.dir()?;
    if std::env::var_os(PSEUDONYM_VARIABLE).is_some_and(|v| !v.is_empty()) {
        let text = format!("${PSEUDONYM_VARIABLE} is set and wins over the file in {}", dir.display());
        return Err(Failure::new(Exit::USAGE, text).help("change the variable instead, or unset it").into());
    }
    if !dir.is_dir() {
        let text = format!("{} is not a state directory", dir.display());
        return Err(Failure::new(Exit::IO, text).help("name the one that the service uses").into());
    }
    rotate_pseudonym_key(&dir, daemon::now()).map_err(|error| Failure::new(Exit::IO, error.to_string()))?;
    // a state that has no database yet has nothing to prove either
    if let Ok(store) = Store::open_beside(&dir) {
        store.audit("pseudonyms.rotated", &json!({ "author": state::operator() }), daemon::now())?;
        written(&store);
    }
    writeln!(
        anstream::stdout(),
        "a new secret for pseudonyms stands in {}; start the service again to use it\nfor 30 days keys that come back \
         are recognised by their old pseudonym",
        dir.display()
    )?;
    Ok(Exit::OK)
}

/// A key with what the configuration says about it.
struct Key {
    id: KeyId,
    state: KeyState,
    policy: Policy,
}

fn read(args: &state::Args) -> anyhow::Result<Inventory> {
    let store = args.open()?;
    let config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let policies = Policies::new(&config.detect, &config.calendars, &config.keys)?;
    let mut words = Words::new(usize::MAX);
    let mut keys = Vec::new();
    for (row, bytes) in store.key_state()? {
        if let Some(word) = stored_word(&row) {
            words.keep(word, &bytes);
        } else if let Some((id, state)) = KeyId::parse(&row).zip(KeyState::from_bytes(&bytes)) {
            // Other rows of the monitor stand beside those of keys; they do not read as one.
            let policy = policies.of(&id, &state.kind).clone();
            keys.push(Key { id, state, policy });
        }
    }
    keys.sort_by_key(|key| std::cmp::Reverse((key.state.last_seen, key.state.total)));
    let mut alerted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alert in store.alerts(ALERTS)? {
        if let Some(key) = alert.key {
            alerted.entry(key.tag).or_default().insert(alert.kind);
        }
    }
    Ok(Inventory { keys, words, detect: config.detect, alerted, now: Timestamp::from(chrono::Utc::now()) })
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

    /// Whether its pseudonym or id begins so.
    fn begins(&self, wanted: &str) -> bool {
        !wanted.is_empty() && [self.id.name(), self.id.as_str()].iter().any(|name| name.starts_with(wanted))
    }

    fn networks(&self) -> Vec<String> {
        self.state.networks().iter().rev().map(|known| known.network.to_string()).collect()
    }

    /// The kinds of alerts that there were about it.
    fn alerted(&self, all: &Inventory) -> Vec<String> {
        all.alerted.get(self.id.name()).into_iter().flatten().cloned().collect()
    }

    /// Its age in whole days, and after how many it should be replaced.
    fn age(&self, all: &Inventory) -> (u64, Option<u64>) {
        let after = all.detect.key_age.rotate_after(&self.policy).map(|d| d.as_secs() / 86_400);
        (age(&self.state, &self.policy, all.now).as_secs() / 86_400, after)
    }

    fn json(&self, all: &Inventory) -> Value {
        let (errors, refused) = self.state.usual_shares();
        let (age, rotate) = self.age(all);
        let used = |aspect| used_for(&self.state, &all.words, aspect);
        json!({
            "key": self.id.as_str(),
            "type": self.state.kind,
            "label": self.policy.label,
            "group": self.policy.group,
            "first_seen": self.state.first_seen,
            "last_seen": self.state.last_seen,
            "age_days": age,
            "rotate_after_days": rotate,
            "requests": self.state.total,
            "active_hours": self.state.active_hours(),
            "requests_today": self.state.profile().map(|p| p.today().1),
            "busiest_hour": self.state.profile().map(|p| p.record()),
            "networks": self.networks(),
            "endpoints": used(Aspect::Endpoint),
            "models": used(Aspect::Model),
            "error_share": errors,
            "refused_share": refused,
            "leaked_at": self.state.leak().map(|(at, _)| at),
            "leaked_in": self.state.leak().map(|(_, place)| place),
            "alerts": self.alerted(all),
            "retired": self.policy.config.retired,
            "uses_since_retired": self.policy.config.retired.map(|_| self.state.since_retired()),
        })
    }
}

fn list(all: &Inventory, format: Format) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    let keys = &all.keys;
    if format == Format::Json {
        keys.iter().try_for_each(|key| writeln!(out, "{}", key.json(all)))?;
        return Ok(Exit::OK);
    }
    let width = keys.iter().map(|key| key.name().chars().count()).max().unwrap_or(0).max(3);
    let head = format!(
        "{:width$}  {:>10}  {:>8}  {:20}  {:20}  {}",
        "KEY", "REQUESTS", "AGE", "FIRST SEEN", "LAST SEEN", "NETWORKS"
    );
    writeln!(out, "{}", head.dimmed())?;
    for key in keys {
        let networks = key.networks();
        let shown = networks.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        let more = networks.len().checked_sub(4).map(|n| format!(" and {} more", n + 1)).unwrap_or_default();
        let label = key.policy.label.as_ref().map(|l| format!(" {l}")).unwrap_or_default();
        let (age, rotate) = key.age(all);
        let mut marks = String::new();
        for (mark, on) in [
            (" LEAKED", key.state.leak().is_some()),
            (" OLD", rotate.is_some_and(|r| age > r)),
            (" RETIRED BUT USED", key.policy.config.retired.is_some() && key.state.since_retired() > 0),
        ] {
            marks.push_str(if on { mark } else { "" });
        }
        writeln!(
            out,
            "{:width$}  {:>10}  {:>8}  {:20}  {:20}  {shown}{more}{}{}",
            plain(&key.name()).bold(),
            key.state.total,
            format!("{age}d"),
            seconds(key.state.first_seen),
            seconds(key.state.last_seen),
            plain(&label).cyan(),
            marks.red().bold(),
        )?;
    }
    writeln!(out, "{}", count(keys.len() as u64, "key"))?;
    Ok(Exit::OK)
}

fn show(all: &Inventory, wanted: &str, format: Format) -> anyhow::Result<Exit> {
    let mut found: Vec<&Key> = all.keys.iter().filter(|key| key.is(wanted)).collect();
    if found.is_empty() {
        found = all.keys.iter().filter(|key| key.begins(wanted)).collect();
        if found.len() > 1 {
            let names: Vec<String> = found.iter().take(5).map(|key| plain(&key.name()).to_string()).collect();
            let more = if found.len() > names.len() { ", ..." } else { "" };
            let told = format!("{} keys begin with `{wanted}`: {}{more}", found.len(), names.join(", "));
            return Err(Failure::new(Exit::FOUND, told).help("write more of it").into());
        }
    }
    if found.is_empty() {
        let failure = Failure::new(Exit::FOUND, format!("no key `{wanted}` was seen"));
        return Err(failure.help("`logwarden keys list` shows them all").into());
    }
    let mut out = anstream::stdout().lock();
    for key in found {
        if format == Format::Json {
            let mut json = key.json(all);
            json["narrowest_policy"] = proposal(key, all).toml.into();
            writeln!(out, "{json}")?;
            continue;
        }
        tell(&mut out, key, all)?;
    }
    Ok(Exit::OK)
}

fn proposal(key: &Key, all: &Inventory) -> crate::alert::Narrow {
    let name = key.policy.label.as_deref().unwrap_or(key.id.name());
    narrowest(name, &key.id, &key.state, &all.words, all.detect.zone.0, all.now)
}

fn tell(out: &mut impl Write, key: &Key, all: &Inventory) -> anyhow::Result<()> {
    writeln!(out, "{}", plain(&key.name()).bold())?;
    let (errors, refused) = key.state.usual_shares();
    let (age, rotate) = key.age(all);
    let due = match rotate {
        Some(after) if age > after => format!("; should have been replaced after {after} days"),
        Some(after) => format!("; to be replaced after {after} days"),
        None => String::new(),
    };
    let since = key.policy.config.retired.map(|day| {
        let n = key.state.since_retired();
        let proof = if n == 0 { "none: it is not used any more".to_owned() } else { n.to_string() };
        format!("on {day}; uses since: {proof}")
    });
    let list = |aspect: Aspect| {
        let names = used_for(&key.state, &all.words, aspect)?;
        (!names.is_empty()).then(|| names.join(", "))
    };
    let profile = key.state.profile();
    let silence = std::time::Duration::from_secs(u64::from(key.state.longest_gap_s() / 60 * 60));
    let rows = [
        ("name", key.policy.label.clone()),
        ("group", key.policy.group.clone()),
        ("first seen", Some(seconds(key.state.first_seen))),
        ("last seen", Some(seconds(key.state.last_seen))),
        ("age", Some(format!("{age} days{due}"))),
        ("retired", since),
        ("requests", Some(format!("{} in {} hours of use", key.state.total, key.state.active_hours()))),
        ("busiest", profile.map(|p| format!("about {:.0} requests in an hour", p.record()))),
        ("silence", Some(format!("{} at most", format_duration(silence)))),
        ("usually", Some(format!("{:.1} % fail, {:.1} % are refused", errors * 100.0, refused * 100.0))),
        ("networks", Some(key.networks().join(" "))),
        ("endpoints", list(Aspect::Endpoint)),
        ("models", list(Aspect::Model)),
        ("regions", list(Aspect::Region)),
        ("countries", list(Aspect::Country)),
        ("alerts", Some(key.alerted(all).join(", ")).filter(|kinds| !kinds.is_empty())),
        ("leaked", key.state.leak().map(|(at, place)| format!("found in a log at {} ({place})", seconds(at)))),
    ];
    for (name, text) in rows.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        writeln!(out, "  {:11} {}", name.dimmed(), plain(text))?;
    }
    let narrow = proposal(key, all);
    writeln!(out, "  {}", "the narrowest policy that its use supports:".dimmed())?;
    for line in narrow.toml.lines() {
        writeln!(out, "    {}", plain(line))?;
    }
    let doubt = "there were alerts about it: what raised them is part of its use, so look at each network and endpoint";
    let doubt = (!key.alerted(all).is_empty()).then(|| doubt.to_owned());
    for note in narrow.notes.iter().chain(&doubt) {
        writeln!(out, "  {} {}", "note:".yellow(), plain(note))?;
    }
    Ok(())
}

/// RFC 3339 in UTC to the second.
fn seconds(t: Timestamp) -> String {
    t.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
