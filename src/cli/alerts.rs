//! `alerts`: what was found, and a real test through every receiver.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use owo_colors::{OwoColorize, Style};

use super::exit::{Exit, Failure};
use super::format::Format;
use super::style::plain;
use super::{silence, state};
use crate::alert::{Alert, Severity, Status};
use crate::config;
use crate::delivery::{SystemClock, TestOutcome, send_test};
use crate::store::Store;
use crate::units::Timestamp;

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
        /// Text for people, or one JSON object
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// Say that an alert is in hand
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
        Verb::List { state, limit, format } => list(&state.open()?.alerts(*limit)?, *format),
        Verb::Show { id, state, format } => show(&state.open()?, id, *format),
        Verb::Ack { id, state, comment } => ack(&state.open_beside()?, id, comment),
        Verb::Silence(verb) => silence::run(verb),
        Verb::Test { config } => test(config),
    }
}

fn list(alerts: &[Alert], format: Format) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    for alert in alerts {
        if format == Format::Json {
            writeln!(out, "{}", serde_json::to_string(alert)?)?;
            continue;
        }
        let (mark, style) = mark(alert);
        writeln!(
            out,
            "{}  {}  {} {:16} {}",
            alert.id.dimmed(),
            alert.starts_at.rfc3339(),
            mark.style(style),
            alert.kind.bold(),
            plain(&alert.summary)
        )?;
    }
    if alerts.is_empty() && format == Format::Text {
        writeln!(out, "no alerts")?;
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

fn ack(store: &Store, id: &str, comment: &str) -> anyhow::Result<Exit> {
    let alert = one(store, id)?;
    store.ack(&alert.id, &state::operator(), comment, Timestamp::from(chrono::Utc::now()))?;
    writeln!(anstream::stdout().lock(), "{} is in hand: {}", alert.id, plain(&alert.summary))?;
    Ok(Exit::OK)
}

fn show(store: &Store, id: &str, format: Format) -> anyhow::Result<Exit> {
    let alert = &one(store, id)?;
    let mut out = anstream::stdout().lock();
    if format == Format::Json {
        writeln!(out, "{}", serde_json::to_string(alert)?)?;
        return Ok(Exit::OK);
    }
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
    section(&mut out, "evidence", &alert.evidence.lines)?;
    section(&mut out, "likely causes", &alert.likely_causes)?;
    section(&mut out, "what to do", &steps)?;
    let timeline = store.timeline(&alert.id)?.into_iter().map(|change| {
        let author = change.author.map(|a| format!(" by {a}")).unwrap_or_default();
        format!("{} {}{author}: {}", change.at.rfc3339(), change.what, change.note)
    });
    section(&mut out, "timeline", &timeline.collect::<Vec<_>>())?;
    let receipts = store.receipts(&alert.id)?.into_iter().map(|r| {
        let error = r.error.map(|e| format!(": {e}")).unwrap_or_default();
        format!("{} {}: {} after {} attempts{error}", r.receiver, r.transition, r.state, r.attempts)
    });
    section(&mut out, "told", &receipts.collect::<Vec<_>>())?;
    Ok(Exit::OK)
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
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the network threads")?;
    let outcomes = runtime.block_on(send_test(&config.receivers, host.trim(), &SystemClock));
    let mut out = anstream::stdout().lock();
    for TestOutcome { receiver, kind, answer, took } in &outcomes {
        match answer {
            Ok(answer) => writeln!(
                out,
                "{} {} ({kind}, {} ms): {}",
                "ok    ".green(),
                receiver.bold(),
                took.as_millis(),
                plain(answer)
            )?,
            Err(problem) => {
                writeln!(out, "{} {} ({kind}): {}", "FAILED".red().bold(), receiver.bold(), plain(problem))?
            }
        }
    }
    let all_well = outcomes.iter().all(|outcome| outcome.answer.is_ok());
    Ok(if all_well { Exit::OK } else { Exit::FOUND })
}
