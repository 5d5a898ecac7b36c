//! `replay`: history through the detectors that run live: what would have been alerted, when, and why.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::style::plain;
use super::{alerts, reading};
use crate::alert::{Alert, Monitor, Replay, Report, Watch};
use crate::config::{self, Config};
use crate::event::{Reader, Roles, SourceId};
use crate::redact::{PseudonymKey, Redacted, Redactor, Worker};
use crate::sources::Reading;
use crate::store::pseudonym_key;
use crate::units::Timestamp;

/// What `replay` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Logs, rotated ones too, in any order: they are merged by the times in their lines
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

    /// Text for people, or one alert a line
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub format: Format,
}

/// One file on its way through.
struct Lane {
    path: PathBuf,
    input: Reading<File>,
    worker: Worker,
    reader: Reader,
}

/// Replays.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let redactor = Redactor::configured(key(args)?, &config.rules.read()?, &config.redact)?;
    let mut lanes = lanes(args, &config, &redactor)?;
    let watch = Watch {
        geo: config.geoip.read()?,
        detect: config.detect,
        calendars: config.calendars,
        keys: config.keys,
        sources: lanes.iter().map(|lane| lane.path.display().to_string()).collect(),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
    };
    let mut replay = Replay::new(Monitor::new(watch, &redactor)?, lanes.len());
    let mut out = anstream::stdout().lock();
    let now = Timestamp::from(chrono::Utc::now());
    let (mut found, mut redacted, mut spare) = (Vec::new(), Redacted::default(), Vec::new());
    while let Some(n) = replay.next() {
        let lane = &mut lanes[n];
        let piece = lane.input.next(std::mem::take(&mut spare));
        match piece.with_context(|| format!("cannot read {}", lane.path.display()))? {
            None => replay.end(n),
            // A line that is too long to be taken whole says nothing.
            Some(piece) if piece.withheld.is_some() => spare = piece.bytes,
            Some(piece) => {
                lane.worker.redact(&piece.bytes, &mut redacted);
                for line in redacted.lines() {
                    if let Some(event) = lane.reader.read(line, now) {
                        replay.add(n, &event, line);
                    }
                }
                spare = piece.bytes;
            }
        }
        found.append(&mut replay.advance());
    }
    let report = replay.finish();
    found.extend(report.alerts.iter().cloned());
    found.sort_by(|a, b| (a.starts_at, &a.id).cmp(&(b.starts_at, &b.id)));
    found.iter().try_for_each(|alert| tell(&mut out, alert, args.format))?;
    if args.format == Format::Text {
        sum_up(&mut out, &report, found.len())?;
    }
    Ok(if args.fail_on_alert && !found.is_empty() { Exit::FOUND } else { Exit::OK })
}

fn key(args: &Args) -> anyhow::Result<PseudonymKey> {
    match &args.state {
        Some(dir) => Ok(pseudonym_key(dir)?),
        None => PseudonymKey::random().context("no randomness for the pseudonym key"),
    }
}

fn lanes(args: &Args, config: &Config, redactor: &Redactor) -> anyhow::Result<Vec<Lane>> {
    let roles = Roles::new(&config.event)?;
    let lane = |(n, path): (usize, &PathBuf)| {
        let source = u16::try_from(n).map_err(|_| Failure::new(Exit::USAGE, "more than 65,535 files"))?;
        let mut reading = reading::of_file(config, path);
        reading.source = SourceId(source);
        let file = File::open(path).with_context(|| format!("cannot open {}", shown(path)))?;
        let reader = Reader::new(&roles, reading)?;
        Ok(Lane { path: path.clone(), input: Reading::new(file), worker: redactor.worker(), reader })
    };
    args.files.iter().enumerate().map(lane).collect()
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
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

fn sum_up(out: &mut impl Write, report: &Report, found: usize) -> std::io::Result<()> {
    let Some((first, last)) = report.span else {
        return writeln!(out, "no line could be read as an event; `logwarden explain` says why");
    };
    let c = &report.counters;
    writeln!(
        out,
        "{found} alerts in {} events of {} keys from {} to {} ({} key-days)",
        c.events,
        c.keys + c.evicted,
        first.rfc3339(),
        last.rfc3339(),
        report.key_days
    )?;
    if c.late + c.ahead + c.untimed > 0 {
        writeln!(out, "not scored: {} too late, {} from the future, {} without a time", c.late, c.ahead, c.untimed)?;
    }
    Ok(())
}
