//! `scan`: what sensitive data sits in logs that are there already. Nothing is written but the report.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;

use super::exit::{Exit, Failure};
use super::scan_files::{self, Input};
use super::scan_near::NearMisses;
use super::scan_progress::Progress;
use super::scan_report::{Found, Report, ReportFormat, excerpt};
use crate::config;
use crate::line::lines;
use crate::pipeline::Chunk;
use crate::redact::{PseudonymKey, Redacted, RedactedLine, Redactor, Strategy, pointer_at};
use crate::sources::{Framer, Piece, READ_BYTES};

/// How many bytes of one line are walked in all to name the fields of its findings; findings behind that get none.
const POINTER_BYTES: usize = 64 << 20;

/// What `scan` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and directories, also compressed with gzip or zstd; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// A configuration, for its [redact] section and its rules
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Text for people, JSON lines, or SARIF 2.1.0 for code hosts and editors
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub format: ReportFormat,

    /// Show every finding; else the first three of each rule and field of a file, and how many more there are
    #[arg(long)]
    pub all: bool,

    /// Show also the N most frequent shapes of what nearly matched; of the values, only their shape
    #[arg(long, value_name = "N")]
    pub near_misses: Option<usize>,
}

/// Scans.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let redactor = redactor(args)?;
    let gathered = scan_files::gather(&args.paths);
    let mut scan = Scan {
        redactor: &redactor,
        progress: Progress::new(gathered.bytes),
        report: Report::new(args.format, args.all, std::io::stdout().lock())?,
        redacted: Redacted::default(),
        near: args.near_misses.map(NearMisses::new),
        complete: true,
    };
    for (path, error) in &gathered.unreadable {
        scan.unread(&anyhow::anyhow!("cannot read {}: {error}", path.display()));
    }
    for input in &gathered.inputs {
        if let Err(error) = scan.input(input)? {
            scan.unread(&anyhow::anyhow!("cannot read {}: {error}", input.name()));
        }
    }
    scan.progress.finish();
    let found = scan.report.finish(scan.complete, scan.near.as_ref().map(|near| near.shown(&redactor)))?;
    Ok(match (scan.complete, found) {
        (false, _) => Exit::IO,
        (true, true) => Exit::FOUND,
        (true, false) => Exit::OK,
    })
}

/// The redactor of the configuration. Whatever it would write in place of a value, the report shows a label.
fn redactor(args: &Args) -> anyhow::Result<Redactor> {
    let mut config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    for strategy in config.redact.strategies.values_mut() {
        if matches!(strategy.parse(), Ok(Strategy::Mask(_) | Strategy::Drop)) {
            "label".clone_into(strategy);
        }
    }
    config.redact.remark = false;
    let key = PseudonymKey::random().context("no randomness for the pseudonym key")?;
    let refused = |error: &dyn std::fmt::Display| Failure::new(Exit::CONFIG, error.to_string());
    let packs = config.rules.read().map_err(|error| refused(&error))?;
    Ok(Redactor::configured(key, &packs, &config.redact).map_err(|error| refused(&error))?)
}

/// A scan at work.
struct Scan<'a> {
    redactor: &'a Redactor,
    progress: Progress,
    report: Report,
    redacted: Redacted,
    near: Option<NearMisses>,
    /// All that was asked for has been looked at.
    complete: bool,
}

impl Scan<'_> {
    /// One input to its end. The inner error says that it cannot be read on; the outer that nothing can be reported.
    fn input(&mut self, input: &Input) -> anyhow::Result<std::io::Result<()>> {
        let mut reader = match input.open(&self.progress) {
            Ok(Some(reader)) => reader,
            Ok(None) => {
                self.report.left_out();
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        self.report.begin(&input.name())?;
        let chunk = Chunk::new(self.redactor, false);
        let chunk = if self.near.is_some() { chunk.observing() } else { chunk };
        let mut stream = Stream { name: input.name(), chunk, line: 0 };
        let mut framer = Framer::new();
        let mut spare = Vec::new();
        loop {
            let read = reader.by_ref().take(READ_BYTES as u64).read_to_end(framer.room());
            loop {
                match framer.take(spare) {
                    Ok(piece) => spare = self.piece(&mut stream, piece)?,
                    Err(back) => break spare = back,
                }
            }
            if !matches!(read, Ok(n) if n > 0) {
                if let Some(piece) = framer.finish(spare) {
                    self.piece(&mut stream, piece)?;
                }
                return Ok(read.map(drop));
            }
        }
    }

    /// Some whole lines; gives the buffer back.
    fn piece(&mut self, stream: &mut Stream, piece: Piece) -> anyhow::Result<Vec<u8>> {
        let mut redacted = std::mem::take(&mut self.redacted);
        stream.chunk.redact(&piece.bytes, piece.withheld, &mut redacted);
        let first = stream.line;
        for &(n, reason) in redacted.withheld() {
            self.unread(&anyhow::anyhow!("{}:{}: not scanned: {reason}", stream.name, first + u64::from(n) + 1));
        }
        if let Some(near) = &mut self.near {
            stream.chunk.near_misses().into_iter().for_each(|miss| near.add(miss, &stream.name, first));
        }
        let mut raw_start = 0;
        // a withheld line at the end of a file has left nothing
        let raw = lines(&piece.bytes).map(<[u8]>::len).chain(std::iter::repeat(0));
        for (line, raw) in redacted.lines().zip(raw) {
            stream.line += 1;
            self.line(stream, line, raw_start)?;
            raw_start += raw;
        }
        self.report.lines(stream.line - first);
        self.progress.tick();
        self.redacted = redacted;
        Ok(piece.bytes)
    }

    /// Reports what was found in one line, which begins at `raw_start` in its piece.
    fn line(&mut self, stream: &Stream, line: RedactedLine<'_>, raw_start: usize) -> anyhow::Result<()> {
        let bytes = line.bytes();
        let mut budget = POINTER_BYTES;
        for (start, end, finding) in line.findings() {
            let field = (start < budget).then(|| pointer_at(bytes, start)).flatten();
            budget = budget.saturating_sub(start);
            let found = Found {
                file: &stream.name,
                line: stream.line,
                rule: self.redactor.rule(finding.rule),
                field,
                excerpt: excerpt(bytes, start, end),
                raw: (finding.raw_start as usize - raw_start, finding.raw_end as usize - raw_start),
            };
            let report = &mut self.report;
            self.progress.aside(|| report.found(&found))?;
        }
        Ok(())
    }

    fn unread(&mut self, error: &anyhow::Error) {
        self.complete = false;
        self.progress.aside(|| super::entry::tell(error));
    }
}

/// One input on its way.
struct Stream {
    name: String,
    chunk: Chunk,
    /// Lines so far.
    line: u64,
}
