//! `explain`: what happens to a line, and why.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::filter::hint_at_the_keyboard;
use super::format::Format;
use super::reading;
use super::state::passing_key;
use super::style::plain;
use crate::config;
use crate::event::{Explanation, Reader};
use crate::redact::{Redacted, RedactedLine, Redactor, pointer_at};
use crate::rules::RuleDef;
use crate::units::Timestamp;

/// What `explain` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The line; standard input when there is none
    #[arg(value_name = "LINE")]
    pub line: Option<String>,

    /// A service's configuration, for its [event] section, its rules and its sources
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The source of that configuration that the line would come from
    #[arg(long, value_name = "NAME", requires = "config")]
    pub source: Option<String>,

    /// Text for people, or one JSON object a line
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    pub format: Format,
}

/// Explains.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let input = match &args.line {
        Some(line) => line.clone().into_bytes(),
        None => {
            let mut input = Vec::new();
            hint_at_the_keyboard("logwarden explain --help");
            std::io::stdin().lock().read_to_end(&mut input).context("cannot read standard input")?;
            input
        }
    };
    let config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let key = passing_key()?;
    let redactor = Redactor::configured(key, &config.rules.read()?, &config.redact)
        .map_err(|error| Failure::new(Exit::CONFIG, error.to_string()))?;
    let mut reader = Reader::new(&config.roles()?, reading::named(&config, args.source.as_deref())?)?;
    let arrived = Timestamp::from(chrono::Utc::now());

    let mut redacted = Redacted::default();
    redactor.worker().redact(&input, &mut redacted);
    let mut out = anstream::stdout().lock();
    let mut raw_start = 0;
    for (n, (line, raw)) in redacted.lines().zip(crate::line::lines(&input)).enumerate() {
        let explained = Explained {
            line,
            redactions: redactions(&redactor, &line, &input),
            withheld: redacted.withheld().iter().find(|(at, _)| *at as usize == n).map(|(_, why)| *why),
            event: reader.explain(line, arrived),
        };
        match args.format {
            Format::Text if n > 0 => {
                writeln!(out)?;
                explained.write_text(&mut out)?;
            }
            Format::Text => explained.write_text(&mut out)?,
            Format::Json => writeln!(out, "{}", explained.json(raw_start))?,
        }
        raw_start += raw.len();
    }
    Ok(Exit::OK)
}

/// One line with everything that is known about it.
struct Explained<'a> {
    line: RedactedLine<'a>,
    redactions: Vec<Redaction<'a>>,
    withheld: Option<&'static str>,
    event: Explanation,
}

/// One label of the line.
struct Redaction<'a> {
    rule: &'a RuleDef,
    /// Where it stands in the redacted line.
    start: usize,
    end: usize,
    /// What was replaced, in the whole input.
    raw_start: usize,
    raw_end: usize,
    field: Option<String>,
    why: String,
    /// Layers of encoding that were undone to see it.
    layers: u8,
}

impl Redaction<'_> {
    /// The setting that would leave it alone.
    fn keep(&self) -> String {
        match &self.field {
            Some(field) => format!("redact.allow_paths = [\"{field}\"], or redact.disable = [\"{}\"]", self.rule.id),
            None => format!("redact.disable = [\"{}\"], or its value in redact.allow_values", self.rule.id),
        }
    }
}

fn redactions<'a>(redactor: &'a Redactor, line: &RedactedLine<'_>, input: &[u8]) -> Vec<Redaction<'a>> {
    let bytes = line.bytes();
    line.findings()
        .map(|(start, end, finding)| {
            let rule = redactor.rule(finding.rule);
            let field = pointer_at(bytes, start);
            let raw = (finding.raw_start as usize, finding.raw_end as usize);
            let why = why(rule, input.get(raw.0..raw.1).unwrap_or_default(), field.as_deref(), finding.depth);
            Redaction { rule, start, end, raw_start: raw.0, raw_end: raw.1, field, why, layers: finding.depth }
        })
        .collect()
}

/// The reason in words; of the value it shows no more than a prefix that stands in the rule itself.
fn why(rule: &RuleDef, raw: &[u8], field: Option<&str>, depth: u8) -> String {
    let prefix = rule.prefixes.iter().find(|p| memchr::memmem::find(raw, p.as_bytes()).is_some());
    let by_name = !rule.fields.is_empty() || rule.id.starts_with("field-");
    let mut text = match (prefix, field) {
        (Some(prefix), _) => format!("begins with `{prefix}`"),
        (None, Some(_)) if by_name => "the name of the field says so".to_owned(),
        (None, None) if by_name => "the name in front says so".to_owned(),
        _ if !rule.keywords.is_empty() => "stands near a word that says so".to_owned(),
        _ => "has the shape of it".to_owned(),
    };
    if rule.validator.is_some() {
        text.push_str(", passes its check");
    }
    match depth {
        0 => {}
        1 => text.push_str(", behind one layer of encoding"),
        n => text.push_str(&format!(", behind {n} layers of encoding")),
    }
    text
}

impl Explained<'_> {
    fn write_text(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let bytes = self.line.bytes();
        let mut at = 0;
        for r in &self.redactions {
            write!(out, "{}", plain(&String::from_utf8_lossy(&bytes[at..r.start])))?;
            write!(out, "{}", String::from_utf8_lossy(&bytes[r.start..r.end]).red().bold())?;
            at = r.end;
        }
        writeln!(out, "{}", plain(String::from_utf8_lossy(&bytes[at..]).trim_end()))?;
        writeln!(out, "{}", "redacted".bold())?;
        if let Some(reason) = self.withheld {
            writeln!(out, "  the whole line: {reason}")?;
        } else if self.redactions.is_empty() {
            writeln!(out, "  nothing")?;
        }
        for r in &self.redactions {
            let label = String::from_utf8_lossy(&bytes[r.start..r.end]);
            let field = r.field.as_ref().map(|f| format!(" in {}", plain(f))).unwrap_or_default();
            writeln!(out, "  {}{field}", label.red().bold())?;
            let why = if r.rule.description.contains("whose name says") { "" } else { &format!("; {}", r.why) };
            writeln!(out, "      rule {}: {}{why}", r.rule.id.bold(), r.rule.description)?;
            writeln!(out, "      {}", format!("to keep it: {}", plain(&r.keep())).dimmed())?;
        }
        self.write_event(out)
    }

    fn write_event(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let event = &self.event;
        let read_as = match &event.schema {
            Some(schema) => format!("read as {schema}"),
            None => "read as".to_owned(),
        };
        writeln!(out, "{}", read_as.bold())?;
        for role in &event.roles {
            let name = serde_json::to_value(role.role)?;
            let unit = role.unit.map(serde_json::to_value).transpose()?;
            let unit = unit.as_ref().and_then(Value::as_str).map(|u| format!(" {u}")).unwrap_or_default();
            let masked = if role.masked { ", hidden: means nobody" } else { "" };
            let place = if role.field.is_empty() { "the text" } else { &role.field };
            writeln!(
                out,
                "  {:13} {}{unit}  {}",
                name.as_str().unwrap_or_default().cyan(),
                plain(&role.value),
                format!("({}: {}{masked})", plain(place), role.why).dimmed()
            )?;
        }
        if !event.roles.is_empty() {
            writeln!(out, "  happened at {}", event.time)?;
            let counts = if event.counts { "counts as one request" } else { "does not count as a request" };
            writeln!(out, "  key {}; {counts}", event.key.as_deref().unwrap_or("none"))?;
        }
        event.notes.iter().try_for_each(|note| writeln!(out, "  {} {}", "note:".yellow(), plain(note)))?;
        Ok(())
    }

    fn json(&self, line_start: usize) -> Value {
        let bytes = self.line.bytes();
        let redactions: Vec<Value> = self
            .redactions
            .iter()
            .map(|r| {
                json!({
                    "rule": r.rule.id,
                    "type": r.rule.kind,
                    "label": String::from_utf8_lossy(&bytes[r.start..r.end]),
                    "severity": r.rule.severity,
                    "description": r.rule.description,
                    "field": r.field,
                    "start": r.start,
                    "end": r.end,
                    "raw_start": r.raw_start - line_start,
                    "raw_end": r.raw_end - line_start,
                    "why": r.why,
                    "layers": r.layers,
                    "keep": r.keep(),
                })
            })
            .collect();
        json!({
            "line": String::from_utf8_lossy(bytes).trim_end(),
            "withheld": self.withheld,
            "redactions": redactions,
            "event": self.event,
        })
    }
}
