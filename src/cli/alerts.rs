//! `alerts`: what was found, and a real test through every receiver.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use owo_colors::{OwoColorize, Style};

use super::exit::{Exit, Failure};
use super::format::Format;
use super::style::plain;
use super::{queue, silence, state};
use crate::alert::{Alert, Severity, Status};
use crate::config;
use crate::delivery::{SystemClock, TestOutcome, incident_markdown, send_test};
use crate::net::host_name;
use crate::redact::{PseudonymKey, Redactor};
use crate::store::Store;

/// What can be asked about alerts.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// The latest alerts, newest first
    List {
        #[command(flatten)]
        state: state::Args,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Text for people, or JSON lines
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// One alert: numbers, evidence, what to do, and who was told
    Show {
        /// The alert's id, or the beginning of it
        id: String,
        #[command(flatten)]
        state: state::Args,
        /// Text for people, one JSON object, or Markdown for a post-mortem
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: ShowFormat,
    },
    /// The messages that are not sent: waiting, held for the digest, or given up, and why
    Queue {
        #[command(flatten)]
        state: state::Args,
        /// How many
        #[arg(long, short = 'n', default_value_t = 100, value_name = "N")]
        limit: usize,
        /// Text for people, or JSON lines
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// Try again now: what was given up, and what waits for a receiver that was down
    Retry {
        /// Only for this receiver
        receiver: Option<String>,
        #[command(flatten)]
        state: state::Args,
    },
    /// Say that an alert is in hand; nobody is reminded of it then
    Ack {
        /// The alert's id, or the beginning of it
        id: String,
        #[command(flatten)]
        state: state::Args,
        /// What is being done
        #[arg(long, short = 'm', default_value = "", hide_default_value = true, value_name = "TEXT")]
        comment: String,
    },
    /// Tell nobody about certain alerts for a while; they are still recorded
    #[command(subcommand)]
    Silence(silence::Verb),
    /// Send a real test alert through every receiver, and report each answer
    Test {
        /// The configuration file
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Answers.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List { state, limit, format } => list(&state.open()?, *limit, *format),
        Verb::Queue { state, limit, format } => queue::list(&state.open()?, *limit, *format),
        Verb::Retry { receiver, state } => queue::retry(&state.open_beside()?, receiver.as_deref()),
        Verb::Show { id, state, format } => show(&state.open()?, id, *format),
        Verb::Ack { id, state, comment } => ack(state, id, comment),
        Verb::Silence(verb) => silence::run(verb),
        Verb::Test { config } => test(config),
    }
}

fn list(store: &Store, limit: usize, format: Format) -> anyhow::Result<Exit> {
    let (alerts, in_hand) = (store.alerts(limit)?, store.in_hand()?);
    let mut out = anstream::stdout().lock();
    for alert in &alerts {
        if format == Format::Json {
            writeln!(out, "{}", serde_json::to_string(alert)?)?;
            continue;
        }
        let (mark, style) = mark(alert);
        writeln!(
            out,
            "{}  {}  {} {:16} {}{}",
            alert.id.dimmed(),
            alert.starts_at.rfc3339(),
            mark.style(style),
            alert.kind.bold(),
            plain(&alert.summary),
            if in_hand.contains(&alert.id) { " (in hand)" } else { "" }
        )?;
    }
    if alerts.is_empty() && format == Format::Text {
        writeln!(out, "no alerts")?;
    }
    if format == Format::Text {
        queue::summary(&mut out, &store.queues()?)?;
    }
    Ok(Exit::OK)
}

/// A word and a colour: the word alone says it all.
fn mark(alert: &Alert) -> (&'static str, Style) {
    match alert.status {
        Status::Resolved => ("resolved", Style::new().green()),
        Status::Firing => severity(alert),
    }
}

/// How bad, whether it is over or not.
pub fn severity(alert: &Alert) -> (&'static str, Style) {
    match alert.severity {
        Severity::Critical => ("CRITICAL", Style::new().red().bold()),
        Severity::Warning => ("warning ", Style::new().yellow()),
        Severity::Info => ("info    ", Style::new().cyan()),
    }
}

/// The one alert whose id begins with `id`.
fn one(store: &Store, id: &str) -> anyhow::Result<Alert> {
    let mut found = store.find_alerts(id)?;
    let message = match found.len() {
        0 => format!("there is no alert `{id}`"),
        1 => return Ok(found.remove(0)),
        n => format!("{n} alerts begin with `{id}`"),
    };
    Err(Failure::new(Exit::FOUND, message).help("`logwarden alerts list` shows the ids").into())
}

fn ack(state: &state::Args, id: &str, comment: &str) -> anyhow::Result<Exit> {
    let alert = one(&state.open()?, id)?;
    state.ear()?.ack(&alert.id, comment)?;
    writeln!(anstream::stdout().lock(), "{} is in hand: {}", alert.id, plain(&alert.summary))?;
    Ok(Exit::OK)
}

/// How one alert is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ShowFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
    /// The incident as Markdown: numbers, timeline, who was told, and what to fill in.
    Md,
}

fn show(store: &Store, id: &str, format: ShowFormat) -> anyhow::Result<Exit> {
    let alert = &one(store, id)?;
    let mut out = anstream::stdout().lock();
    match format {
        ShowFormat::Text => text(&mut out, store, alert)?,
        ShowFormat::Json => writeln!(out, "{}", serde_json::to_string(alert)?)?,
        ShowFormat::Md => {
            let incident = incident_markdown(alert, &store.timeline(&alert.id)?, &store.receipts(&alert.id)?);
            write!(out, "{incident}")?;
        }
    }
    Ok(Exit::OK)
}

fn text(out: &mut impl Write, store: &Store, alert: &Alert) -> anyhow::Result<()> {
    let (mark, style) = mark(alert);
    writeln!(out, "{} {}", mark.trim().style(style), plain(&alert.summary).bold())?;
    writeln!(out, "{}", plain(&alert.why))?;
    let key = alert.key.as_ref().map(|key| match &key.label {
        Some(label) => format!("{label} [{}:{}]", key.kind, key.tag),
        None => format!("[{}:{}]", key.kind, key.tag),
    });
    let rows = [
        ("id", Some(alert.id.clone())),
        ("kind", Some(alert.kind.clone())),
        ("key", key),
        ("source", alert.source.clone()),
        ("began", Some(alert.starts_at.rfc3339())),
        ("ended", alert.ends_at.map(|at| at.rfc3339())),
        ("numbers", numbers(alert)),
        ("networks", (!alert.evidence.networks.is_empty()).then(|| alert.evidence.networks.join(", "))),
    ];
    for (name, text) in rows.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        writeln!(out, "  {:9} {}", name.dimmed(), plain(text))?;
    }
    let steps: Vec<String> = alert.runbook.iter().map(|s| format!("{}{}", s.step, link(s.link.as_deref()))).collect();
    section(out, "evidence", &alert.evidence.lines)?;
    section(out, "likely causes", &alert.likely_causes)?;
    section(out, "what to do", &steps)?;
    let timeline = store.timeline(&alert.id)?.into_iter().map(|change| {
        let author = change.author.map(|a| format!(" by {a}")).unwrap_or_default();
        format!("{} {}{author}: {}", change.at.rfc3339(), change.what, change.note)
    });
    section(out, "timeline", &timeline.collect::<Vec<_>>())?;
    let receipts = store.receipts(&alert.id)?.into_iter().map(|r| {
        let error = r.error.map(|e| format!(": {e}")).unwrap_or_default();
        format!("{} {}: {} after {} failed attempts{error}", r.receiver, r.transition, r.state, r.attempts)
    });
    section(out, "told", &receipts.collect::<Vec<_>>())?;
    let trail = store.audit_trail(&alert.id)?.into_iter();
    let trail = trail.map(|t| format!("record {} {} {}", t.seq, t.at.rfc3339(), t.what));
    section(out, "audit log", &trail.collect::<Vec<_>>())?;
    Ok(())
}

fn link(link: Option<&str>) -> String {
    link.map(|l| format!(" ({l})")).unwrap_or_default()
}

fn numbers(alert: &Alert) -> Option<String> {
    let e = &alert.evidence;
    let part = |name: &str, n: Option<f64>| n.map(|n| format!("{name} {}", (n * 100.0).round() / 100.0));
    let parts: Vec<String> = [
        part("observed", e.observed),
        part("expected", e.expected),
        part("threshold", e.threshold),
        part("score", e.score),
    ]
    .into_iter()
    .flatten()
    .collect();
    let window = e.window_s.map(|s| format!(" in {s} s")).unwrap_or_default();
    (!parts.is_empty()).then(|| format!("{} ({}{window})", parts.join(", "), e.unit))
}

fn section(out: &mut impl Write, title: &str, lines: &[String]) -> std::io::Result<()> {
    if !lines.is_empty() {
        writeln!(out, "{}", title.bold())?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "  {}", plain(line)))
}

fn test(path: &Path) -> anyhow::Result<Exit> {
    let config = config::load(path)?;
    if config.receivers.is_empty() {
        let message = format!("{} names no receiver", path.display());
        let help = "add a [receivers.NAME] section; `logwarden config reference` shows them";
        return Err(Failure::new(Exit::CONFIG, message).help(help).into());
    }
    let host = host_name().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the network threads")?;
    let redactor = Redactor::new(PseudonymKey::random().context("no randomness")?);
    let outcomes = runtime.block_on(send_test(&config.receivers, &redactor, &host, &SystemClock));
    let mut out = anstream::stdout().lock();
    outcomes.iter().try_for_each(|outcome| report(&mut out, outcome))?;
    let all_well = outcomes.iter().all(|outcome| outcome.answer.is_ok());
    Ok(if all_well { Exit::OK } else { Exit::FOUND })
}

/// One receiver's answer, in one line.
pub fn report(out: &mut impl Write, outcome: &TestOutcome) -> std::io::Result<()> {
    let TestOutcome { receiver, kind, tls, answer, took } = outcome;
    let tls = tls.as_ref().map(|tls| format!(", {tls}")).unwrap_or_default();
    match answer {
        Ok(answer) => {
            let (ok, took) = ("ok    ".green(), took.as_millis());
            writeln!(out, "{ok} {} ({kind}{tls}, {took} ms): {}", receiver.bold(), plain(answer))
        }
        Err(problem) => {
            writeln!(out, "{} {} ({kind}{tls}): {}", "FAILED".red().bold(), receiver.bold(), plain(problem))
        }
    }
}
