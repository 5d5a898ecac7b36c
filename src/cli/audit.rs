//! `audit`: proving the audit log, and handing it out.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime};
use owo_colors::OwoColorize;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::state;
use crate::audit::{AuditKey, Finding, Head, HeadError, Record, Report, records, verify};
use crate::store::{Store, StoreError};
use crate::units::{Timestamp, parse_duration};

/// What can be done with the audit log.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Prove that every record is there, in its place, as it was written
    ///
    /// Exit code 1 when one was edited, removed, moved or added, or the end was cut off. The head that is printed
    /// proves, noted elsewhere and given as --head later, that nobody has put back an older copy of everything.
    Verify {
        #[command(flatten)]
        state: state::Args,
        /// A head that was noted before, as this command printed it; may be repeated
        #[arg(long, value_name = "SEQ:MAC", value_parser = head)]
        head: Vec<Head>,
        /// The file with the key, when it is a credential of the service
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Text for people, or one JSON object
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// Write the records as JSON lines, each as it stands in the log
    Export {
        #[command(flatten)]
        state: state::Args,
        /// From then on: 2026-05-01, 2026-05-01T12:00:00Z, or as long ago as 7d
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<Moment>,
        /// Up to then
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<Moment>,
        /// Only what is called so, such as alert.acked, or begins so, such as `alert.`; may be repeated
        #[arg(long, value_name = "WHAT")]
        what: Vec<String>,
        /// Only what is about this alert
        #[arg(long, value_name = "ID")]
        alert: Option<String>,
    },
}

/// A moment as it was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    At(Timestamp),
    Ago(std::time::Duration),
}

impl Moment {
    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.minus(ago),
        }
    }
}

fn head(text: &str) -> Result<Head, HeadError> {
    text.parse()
}

fn time(text: &str) -> Result<Moment, String> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::At(at.to_utc().into()));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(Moment::At(day.and_time(NaiveTime::MIN).and_utc().into()));
    }
    parse_duration(text)
        .map(Moment::Ago)
        .map_err(|_| "write 2026-05-01, 2026-05-01T12:00:00Z, or how long ago, such as 7d".to_owned())
}

/// Answers.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Verify { state, head, key, format } => prove(&state.dir()?, head, key.as_deref(), *format),
        Verb::Export { state, since, until, what, alert } => {
            let now = Timestamp::from(chrono::Utc::now());
            let wanted = Wanted {
                since: since.map_or(Timestamp(i64::MIN), |t| t.before(now)),
                until: until.map_or(Timestamp(i64::MAX), |t| t.before(now)),
                what,
                alert: alert.as_deref(),
            };
            export(&state.dir()?, &wanted)
        }
    }
}

fn failure(error: impl ToString) -> Failure {
    Failure::new(Exit::IO, error.to_string())
}

fn prove(dir: &Path, heads: &[Head], key: Option<&Path>, format: Format) -> anyhow::Result<Exit> {
    let key = match key {
        Some(path) => AuditKey::read(path),
        None => AuditKey::find(dir),
    };
    let Some(key) = key.map_err(failure)? else {
        let failure = failure(format!("there is no key of an audit log in {}", dir.display()));
        let help = "name the state directory with --state or --config, or the file of the key with --key";
        return Err(failure.help(help).into());
    };
    let (report, waits, lost) = match Store::open_read_only(dir) {
        Ok(store) => {
            let known = store.audit_head()?.is_some();
            let lost = (!known).then(|| "the database knows no head of it".to_owned());
            (store.verify_audit(&key, heads)?, store.audit_waits()?, lost)
        }
        Err(error @ StoreError::Absent(_)) => (verify(dir, &key, heads).map_err(failure)?, 0, Some(error.to_string())),
        Err(error) => return Err(failure(error).into()),
    };
    // without any witness nothing is proved about the end
    let lost = lost.filter(|_| heads.is_empty() && report.records > 0);
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => tell(&mut out, &report, waits, lost.as_deref())?,
        Format::Json => writeln!(out, "{}", as_json(&report, waits, lost.as_deref()))?,
    }
    Ok(if report.is_whole() && lost.is_none() { Exit::OK } else { Exit::FOUND })
}

fn tell(out: &mut impl Write, report: &Report, waits: u64, lost: Option<&str>) -> std::io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{}: {}", finding.place, words(finding).red())?;
    }
    let span = match (report.first, report.last) {
        (Some((first, from)), Some((last, to))) => format!(", {first} to {}, {from} to {to}", last.seq),
        _ => String::new(),
    };
    match report.findings.first() {
        None => writeln!(out, "{}: {} records{span}", "the audit log is whole".green(), report.records)?,
        Some(first) => {
            let verdict = "the audit log is not as it was written".red().bold().to_string();
            writeln!(out, "{verdict}: the first bad record is {}, {}", first.seq, first.damage)?;
            writeln!(out, "{} records are as they were{span}", report.records)?;
        }
    }
    if report.retained_from > 0 {
        writeln!(out, "records up to {} were removed when they were old, and that is recorded", report.retained_from)?;
    }
    if report.torn > 0 {
        writeln!(out, "the last {} bytes are a record whose writing was cut short; it is written again", report.torn)?;
    }
    if waits > 0 {
        writeln!(out, "{waits} more wait in the database to be written")?;
    }
    if let Some(why) = lost {
        writeln!(out, "{}: {why}; whether the end was cut off cannot be told without --head", "no witness".red())?;
    }
    if let Some((head, _)) = report.last {
        writeln!(out, "head {head}")?;
    }
    Ok(())
}

fn words(finding: &Finding) -> String {
    match finding.count {
        1 => format!("record {} was {}", finding.seq, finding.damage),
        n => format!("records {} to {} were {}", finding.seq, finding.seq + n - 1, finding.damage),
    }
}

fn as_json(report: &Report, waits: u64, lost: Option<&str>) -> serde_json::Value {
    let finding =
        |f: &Finding| json!({"seq": f.seq, "count": f.count, "damage": f.damage.to_string(), "place": f.place});
    json!({
        "whole": report.is_whole() && lost.is_none(),
        "records": report.records,
        "first": report.first.map(|(seq, at)| json!({"seq": seq, "at": at})),
        "last": report.last.map(|(head, at)| json!({"seq": head.seq, "at": at, "head": head.to_string()})),
        "removed_through": report.retained_from,
        "torn_bytes": report.torn,
        "waiting": waits,
        "no_witness": lost,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

struct Wanted<'a> {
    since: Timestamp,
    until: Timestamp,
    what: &'a [String],
    alert: Option<&'a str>,
}

impl Wanted<'_> {
    fn fits(&self, record: &Record) -> bool {
        let called = |what: &String| record.what == *what || (what.ends_with('.') && record.what.starts_with(what));
        (self.since..self.until).contains(&record.at)
            && (self.what.is_empty() || self.what.iter().any(called))
            && self.alert.is_none_or(|id| is_about(record, id))
    }
}

/// Whether a record is about the alert `id`, or one whose id begins so.
fn is_about(record: &Record, id: &str) -> bool {
    let is = |value: &serde_json::Value| {
        value.as_str().and_then(|text| text.get(..id.len())).is_some_and(|text| text.eq_ignore_ascii_case(id))
    };
    let data = &record.data;
    let of = record.what.starts_with("alert.");
    of && (data.get("alert").is_some_and(|alert| is(&alert["id"]))
        || data.get("id").is_some_and(is)
        || data.get("alerts").and_then(|all| all.as_array()).is_some_and(|all| all.iter().any(is)))
}

fn export(dir: &Path, wanted: &Wanted<'_>) -> anyhow::Result<Exit> {
    if !dir.is_dir() {
        return Err(failure(format!("{} is not a state directory", dir.display())).into());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let mut count = 0u64;
    records(dir, |record, line| {
        if written.is_ok() && wanted.fits(&record) {
            count += 1;
            written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
        }
    })
    .map_err(failure)?;
    written.and_then(|()| out.flush())?;
    if count == 0 {
        writeln!(anstream::stderr(), "no record is as asked for")?;
    }
    Ok(Exit::OK)
}
