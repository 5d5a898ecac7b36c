//! `replay`: history through the detectors that run live: what would have been alerted, when, and why.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use owo_colors::OwoColorize;

use super::alerts;
use super::exit::{Exit, Failure};
use super::format::Format;
use super::replay_budget::{Budget, Proposal, propose};
use super::replay_html;
use super::replay_pass::{Outcome, Settings, pass};
use super::state::passing_key;
use super::style::{count, plain};
use crate::alert::{Alert, Urgency};
use crate::config;
use crate::daemon;
use crate::redact::{PseudonymKey, Redactor};
use crate::store::pseudonym_key;

/// What `replay` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Logs, rotated ones too (also .gz and .zst), in any order: they are merged by the times in their lines
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// A service's configuration, for its detectors, calendars, keys and rules
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// A service's state directory, so that keys have the same pseudonyms as there
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Exit with 1 when anything would have been alerted
    #[arg(long)]
    pub fail_on_alert: bool,

    /// Show what another setting would change: detect.volume_spike.score_60m=14; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub what_if: Vec<String>,

    /// Propose thresholds that keep within so many alerts: "1 page per week"
    #[arg(long, value_name = "BUDGET")]
    pub budget: Option<String>,

    /// Also write a report for a browser, one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Text for people, or one alert a line
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub format: Format,
}

/// Replays.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let budget = args.budget.as_deref().map(Budget::parse).transpose()?;
    let usual = Settings::of(&config);
    let mut changed = usual.clone();
    for change in &args.what_if {
        changed = changed.with(change)?;
    }
    let all = if args.what_if.is_empty() { vec![usual] } else { vec![usual, changed] };
    let redactor = Redactor::configured(key(args)?, &config.rules.read()?, &config.redact)
        .map_err(|error| Failure::new(Exit::CONFIG, error.to_string()))?;
    // Before the work, so that nobody waits for a report that cannot be written.
    let html = args.html.as_deref().map(begin_html).transpose()?;
    let mut outcomes = pass(&args.files, &config, &all, &redactor, html.is_some())?;
    // What the other settings give is what is told; beside it, what it would have been.
    let (Some(found), Some(settings)) = (outcomes.pop(), all.last()) else { return Ok(Exit::OK) };
    let before = outcomes.pop();
    let mut out = anstream::stdout().lock();
    found.alerts.iter().try_for_each(|alert| tell(&mut out, alert, args.format))?;
    if args.format == Format::Text {
        sum_up(&mut out, &found)?;
        if let Some(before) = &before {
            compare(&mut out, before, &found, &args.what_if)?;
        }
    }
    if let Some(budget) = &budget {
        let proposal = propose(budget, &found, settings)?;
        let proved = match &proposal {
            Some(proposal) => {
                let settings = [proposal.settings.clone()];
                pass(&args.files, &config, &settings, &redactor, false)?.pop()
            }
            None => None,
        };
        // With machine output on standard output, advice goes where people look.
        let mut advice: Vec<u8> = Vec::new();
        advise(&mut advice, budget, &found, proposal.as_ref(), proved.as_ref())?;
        match args.format {
            Format::Text => out.write_all(&advice)?,
            Format::Json => anstream::stderr().write_all(&advice)?,
        }
    }
    if let Some((file, path)) = html {
        write_html(file, path, &found, settings)?;
    }
    Ok(if args.fail_on_alert && !found.alerts.is_empty() { Exit::FOUND } else { Exit::OK })
}

fn begin_html(path: &Path) -> anyhow::Result<(File, &Path)> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    Ok((file.with_context(|| format!("cannot write {}", plain(&path.display().to_string())))?, path))
}

fn write_html(mut file: File, path: &Path, found: &Outcome, settings: &Settings) -> anyhow::Result<()> {
    let html = replay_html::document(&found.report, &found.alerts, &settings.detect);
    let written = file.set_len(0).and_then(|()| file.write_all(html.as_bytes()));
    written.with_context(|| format!("cannot write {}", plain(&path.display().to_string())))
}

fn key(args: &Args) -> anyhow::Result<PseudonymKey> {
    match &args.state {
        Some(dir) => Ok(pseudonym_key(dir, daemon::now())?),
        None => passing_key(),
    }
}

fn tell(out: &mut impl Write, alert: &Alert, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        writeln!(out, "{}", serde_json::to_string(alert)?)?;
        return Ok(());
    }
    let (mark, style) = alerts::severity(alert);
    let until = alert.ends_at.map_or_else(|| "goes on".to_owned(), |t| format!("until {}", t.rfc3339()));
    writeln!(out, "{}  {} {}  {}", alert.starts_at.rfc3339(), mark.style(style), alert.kind.bold(), until.dimmed())?;
    writeln!(out, "    {}", plain(&alert.summary))?;
    writeln!(out, "    {}", plain(&alert.why).dimmed())?;
    Ok(())
}

fn sum_up(out: &mut impl Write, found: &Outcome) -> std::io::Result<()> {
    let report = &found.report;
    let Some((first, last)) = report.span else {
        return writeln!(out, "no line could be read as an event; `logwarden explain` says why");
    };
    let c = &report.counters;
    writeln!(
        out,
        "{} in {} of {} from {} to {} ({})",
        count(found.alerts.len() as u64, "alert"),
        count(c.events, "event"),
        count(c.keys + c.evicted, "key"),
        first.rfc3339(),
        last.rfc3339(),
        count(report.key_days, "key-day")
    )?;
    let per = |urgency: Urgency| {
        let n = found.alerts.iter().filter(|a| a.urgency == urgency).count();
        (n, n as f64 * 1000.0 / report.key_days.max(1) as f64)
    };
    let [(pages, a), (tickets, b), (digests, d)] = [Urgency::Page, Urgency::Ticket, Urgency::Digest].map(per);
    writeln!(
        out,
        "for 1000 key-days: {a:.2} pages ({pages}), {b:.2} tickets ({tickets}), {d:.2} for the digest ({digests}); false alarms when nothing was wrong"
    )?;
    if c.late + c.ahead + c.untimed > 0 {
        writeln!(out, "not scored: {} too late, {} from the future, {} without a time", c.late, c.ahead, c.untimed)?;
    }
    Ok(())
}

/// What the changed settings take away and add.
fn compare(out: &mut impl Write, before: &Outcome, after: &Outcome, changes: &[String]) -> std::io::Result<()> {
    let names = |o: &Outcome| -> HashSet<String> { o.alerts.iter().map(|a| a.id.clone()).collect() };
    let (old, new) = (names(before), names(after));
    writeln!(
        out,
        "\nwith {}: {} instead of {}",
        plain(&changes.join(" and ")),
        count(after.alerts.len() as u64, "alert"),
        before.alerts.len()
    )?;
    let lists = [("no longer", &before.alerts, &new), ("new", &after.alerts, &old)];
    for (word, alerts, other) in lists {
        for alert in alerts.iter().filter(|a| !other.contains(&a.id)) {
            let at = alert.starts_at.rfc3339();
            writeln!(out, "  {word}: {at} {} {}", alert.kind.bold(), plain(&alert.summary))?;
        }
    }
    Ok(())
}

fn advise(
    out: &mut impl Write,
    budget: &Budget,
    found: &Outcome,
    proposal: Option<&Proposal>,
    proved: Option<&Outcome>,
) -> std::io::Result<()> {
    let span = found.report.span.map_or(0.0, |(first, last)| last.since(first).as_secs_f64());
    let (spent, room) = (budget.spent(&found.alerts), budget.room(span));
    let word =
        serde_json::to_value(budget.urgency).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let days = span / 86_400.0;
    let Some((proposal, proved)) = proposal.zip(proved) else {
        return writeln!(
            out,
            "\nwithin the budget: {spent} alerts of urgency {word} in {days:.1} days, {room} fit; nothing to change"
        );
    };
    writeln!(out, "\nover the budget: {spent} alerts of urgency {word} in {days:.1} days, {room} fit")?;
    if !proposal.changes.is_empty() {
        writeln!(out, "these settings would have given {}:", budget.spent(&proved.alerts))?;
        let mut section = "";
        for change in &proposal.changes {
            let Some((path, value)) = change.split_once('=') else { continue };
            let Some((table, key)) = path.rsplit_once('.') else { continue };
            if table != section {
                writeln!(out, "  [{table}]")?;
                section = table;
            }
            writeln!(out, "  {key} = {value}")?;
        }
    }
    for (kind, n) in &proposal.fixed {
        writeln!(
            out,
            "  {n} of `{kind}` have no threshold: set `urgency` or `enabled` in [detect.{kind}], or what the key may do in [keys.NAME]"
        )?;
    }
    Ok(())
}
