//! What `scan` says: text, JSON lines, or SARIF. Findings are written as they come, so memory stays bounded.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::AutoStream;
use owo_colors::OwoColorize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::scan_fold::Fold;
use super::style::{count, plain};
use crate::rules::{RuleDef, Severity};

/// How much of a line is shown on each side of a label, in bytes.
const AROUND: usize = 48;

/// What may stand in the path of a URI as it is (RFC 3986).
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The values of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
    /// For code hosts and editors: SARIF 2.1.0.
    Sarif,
}

/// One finding.
pub struct Found<'a> {
    /// The file as it was named or met.
    pub file: &'a str,
    /// From 1.
    pub line: u64,
    /// The rule that won.
    pub rule: &'a RuleDef,
    /// JSON pointer of the field.
    pub field: Option<String>,
    /// Some of the redacted line.
    pub excerpt: String,
    /// First byte of the value in the line as it is, and the byte behind it.
    pub raw: (usize, usize),
}

/// The report on its way to standard output.
pub struct Report {
    format: ReportFormat,
    out: BufWriter<AutoStream<StdoutLock<'static>>>,
    /// Somebody looks on: nothing is held back.
    watched: bool,
    /// What is told of the file at hand, and its name; none when everything is.
    fold: Option<(Fold, String)>,
    by_type: BTreeMap<String, u64>,
    /// SARIF: the rules that were met, with their place in the list of them.
    rules: BTreeMap<String, (usize, Value)>,
    total: u64,
    files: u64,
    lines: u64,
    left_out: u64,
}

impl Report {
    /// Begins a report; with `all`, people are told of every finding as programs are.
    pub fn new(format: ReportFormat, all: bool, out: StdoutLock<'static>) -> io::Result<Self> {
        let watched = out.is_terminal();
        let mut report = Self {
            format,
            out: BufWriter::new(AutoStream::auto(out)),
            watched,
            fold: (format == ReportFormat::Text && !all).then(Default::default),
            by_type: BTreeMap::new(),
            rules: BTreeMap::new(),
            total: 0,
            files: 0,
            lines: 0,
            left_out: 0,
        };
        if format == ReportFormat::Sarif {
            let head = r#"{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","#;
            writeln!(report.out, r#"{head}"runs":[{{"results":["#)?;
        }
        Ok(report)
    }

    /// A file is read.
    pub fn begin(&mut self, file: &str) -> io::Result<()> {
        self.files += 1;
        self.rest()?;
        self.fold.iter_mut().for_each(|(_, name)| file.clone_into(name));
        Ok(())
    }

    /// Tells how much of the file at hand was not shown.
    fn rest(&mut self) -> io::Result<()> {
        let Some((fold, file)) = &mut self.fold else { return Ok(()) };
        let rest = fold.rest();
        rest.iter().try_for_each(|words| writeln!(self.out, "{}: {}", plain(file).bold(), plain(words)))
    }

    /// A file is not read, because it is no text.
    pub fn left_out(&mut self) {
        self.left_out += 1;
    }

    /// So many lines more were looked at.
    pub fn lines(&mut self, n: u64) {
        self.lines += n;
    }

    /// Writes a finding.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn found(&mut self, found: &Found<'_>) -> io::Result<()> {
        self.total += 1;
        *self.by_type.entry(found.rule.kind.clone()).or_default() += 1;
        let (rule, field) = (found.rule, found.field.as_deref());
        if self.fold.as_mut().is_some_and(|(fold, _)| !fold.shows(&rule.id, &rule.kind, field, found.line)) {
            return Ok(());
        }
        match self.format {
            ReportFormat::Text => {
                let place = format!("{}:{}", plain(found.file), found.line);
                let field = found.field.as_ref().map(|f| format!(" in {}", plain(f))).unwrap_or_default();
                writeln!(self.out, "{}: {} {}{field}", place.bold(), found.rule.kind.red().bold(), found.rule.id)?;
                writeln!(self.out, "    {}", plain(&found.excerpt))?;
            }
            ReportFormat::Json => {
                let finding = json!({
                    "file": found.file,
                    "line": found.line,
                    "rule": found.rule.id,
                    "type": found.rule.kind,
                    "severity": found.rule.severity,
                    "field": found.field,
                    "excerpt": found.excerpt,
                    "raw_start": found.raw.0,
                    "raw_end": found.raw.1,
                });
                writeln!(self.out, "{finding}")?;
            }
            ReportFormat::Sarif => {
                let comma = if self.total > 1 { "," } else { "" };
                let result = self.sarif_result(found);
                writeln!(self.out, "{comma}{result}")?;
            }
        }
        if self.watched { self.out.flush() } else { Ok(()) }
    }

    /// Ends the report; says whether anything was found. `complete` says that all could be read, `near` what nearly
    /// matched.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(&mut self, complete: bool, near: Option<Vec<Value>>) -> io::Result<bool> {
        match self.format {
            ReportFormat::Text => {
                self.summary()?;
                near.iter().try_for_each(|near| self.near_misses(near))?;
            }
            ReportFormat::Json => near.iter().flatten().try_for_each(|miss| writeln!(self.out, "{miss}"))?,
            ReportFormat::Sarif => {
                let mut rules: Vec<(usize, Value)> = std::mem::take(&mut self.rules).into_values().collect();
                rules.sort_by_key(|(n, _)| *n);
                let rules: Vec<Value> = rules.into_iter().map(|(_, rule)| rule).collect();
                let driver = json!({"name": "logwarden", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
                let invocations = json!([{"executionSuccessful": complete}]);
                let properties = near.map_or_else(|| json!({}), |near| json!({"nearMisses": near}));
                write!(self.out, r#"],"properties":{properties}"#)?;
                writeln!(self.out, r#","tool":{{"driver":{driver}}},"invocations":{invocations}}}]}}"#)?;
            }
        }
        self.out.flush()?;
        if self.left_out > 0 {
            let n = self.left_out;
            let note = if n == 1 {
                "1 file that is no text was".to_owned()
            } else {
                format!("{n} files that are no text were")
            };
            writeln!(anstream::stderr().lock(), "logwarden: {note} left out; what is named itself is always scanned")?;
        }
        Ok(self.total > 0)
    }

    fn summary(&mut self) -> io::Result<()> {
        self.rest()?;
        let scope = format!("{}, {}", count(self.files, "file"), count(self.lines, "line"));
        if self.total == 0 {
            return writeln!(self.out, "nothing found in {scope}");
        }
        writeln!(self.out, "\n{} in {scope}", count(self.total, "finding").bold())?;
        let mut types: Vec<_> = self.by_type.iter().collect();
        types.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        types.iter().try_for_each(|(kind, n)| writeln!(self.out, "{n:>9}  {kind}"))
    }

    fn near_misses(&mut self, near: &[Value]) -> io::Result<()> {
        writeln!(self.out, "\n{}", "nearly matched".bold())?;
        near.iter().try_for_each(|miss| {
            let text = |key: &str| plain(miss[key].as_str().unwrap_or_default());
            let place = format!("first at {}:{}", text("file"), miss["line"]);
            let (what, rule, name, shape) = (text("near_miss"), text("rule"), text("name"), text("shape"));
            writeln!(self.out, "{:>9}  {what} {} {shape}  ({rule}; {place})", miss["count"].to_string(), name.bold())
        })
    }

    fn sarif_result(&mut self, found: &Found<'_>) -> Value {
        let rule = found.rule;
        let next = self.rules.len();
        let (index, _) = self.rules.entry(rule.id.clone()).or_insert_with(|| {
            let mut shown = json!({
                "id": rule.id,
                "shortDescription": {"text": rule.description},
                "defaultConfiguration": {"level": level(rule.severity)},
                "properties": {"type": rule.kind},
            });
            if let Some(revoke) = &rule.revoke {
                shown["help"] = json!({"text": revoke});
            }
            (next, shown)
        });
        let field = found.field.as_ref().map(|f| format!(" in {f}")).unwrap_or_default();
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": {"uri": uri(found.file)},
                "region": {"startLine": found.line},
            },
        });
        if let Some(field) = &found.field {
            location["logicalLocations"] = json!([{"fullyQualifiedName": field}]);
        }
        json!({
            "ruleId": rule.id,
            "ruleIndex": *index,
            "level": level(rule.severity),
            "message": {"text": format!("{}{field}: {}", rule.kind, found.excerpt)},
            "locations": [location],
        })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Critical => "error",
    }
}

fn uri(file: &str) -> String {
    let scheme = if file.starts_with('/') { "file://" } else { "" };
    format!("{scheme}{}", utf8_percent_encode(file, PATH))
}

/// The redacted line around the label at `start..end`, cut between characters.
pub fn excerpt(line: &[u8], start: usize, end: usize) -> String {
    let inside = |at: usize| line.get(at).is_some_and(|b| b & 0xc0 == 0x80);
    let mut from = start.saturating_sub(AROUND);
    while from < start && inside(from) {
        from += 1;
    }
    let mut to = (end + AROUND).min(line.len());
    while to > end && inside(to) {
        to -= 1;
    }
    let text = String::from_utf8_lossy(&line[from..to]);
    let text = text.trim_end_matches(['\r', '\n']);
    format!("{}{text}{}", if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt(b"a [X] b\r\n", 2, 5), "a [X] b");
        let long = format!("{}[X]{}", "\u{e4}".repeat(40), "\u{20ac}".repeat(40));
        let cut = excerpt(long.as_bytes(), 80, 83);
        assert_eq!(cut, format!("…{}[X]{}…", "\u{e4}".repeat(24), "\u{20ac}".repeat(16)));
    }

    #[test]
    fn a_place_is_a_uri() {
        assert_eq!(uri("a b/c#1.log"), "a%20b/c%231.log");
        assert_eq!(uri("/var/log/x"), "file:///var/log/x");
    }
}
