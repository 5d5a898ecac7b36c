//! `rules`: what is looked for.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::style::plain;
use crate::redact::{PseudonymKey, Redactor};
use crate::rules::{Pack, RuleDef, load_embedded, load_user_packs};

/// What can be asked about rules.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// All rules that are on, one a line
    List {
        /// Text for people, or JSON lines
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// One rule with its pattern, examples and what to do when it leaks
    Show {
        /// The rule's id.
        id: String,
        /// Text for people, or one JSON object
        #[arg(long, value_enum, default_value_t, hide_default_value = true)]
        format: Format,
    },
    /// Prove packs by their own examples: the built-in ones, or your files
    Test {
        /// Files with rules of your own
        #[arg(value_name = "PACK")]
        packs: Vec<PathBuf>,
    },
}

/// Answers.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    let key = PseudonymKey::random().context("no randomness for the pseudonym key")?;
    if let Verb::Test { packs } = verb {
        return test(packs, key);
    }
    let redactor = Redactor::new(key);
    match verb {
        Verb::Test { .. } => Ok(Exit::OK),
        Verb::List { format } => list(redactor.rules(), *format),
        Verb::Show { id, format } => {
            let rule = redactor.rules().iter().find(|rule| rule.id == *id);
            let missing = || {
                Failure::new(Exit::USAGE, format!("there is no rule `{id}`"))
                    .help("`logwarden rules list` shows them all")
            };
            show(rule.ok_or_else(missing)?, *format)
        }
    }
}

fn list(rules: &[RuleDef], format: Format) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    let id_width = rules.iter().map(|r| r.id.len()).max().unwrap_or(0);
    let kind_width = rules.iter().map(|r| r.kind.len()).max().unwrap_or(0);
    for rule in rules {
        match format {
            Format::Json => writeln!(out, "{}", serde_json::to_string(rule)?)?,
            Format::Text => {
                writeln!(out, "{:id_width$}  {:kind_width$}  {}", rule.id.bold(), rule.kind.cyan(), rule.description)?
            }
        }
    }
    if format == Format::Text {
        writeln!(out, "{} rules", rules.len())?;
    }
    Ok(Exit::OK)
}

fn show(rule: &RuleDef, format: Format) -> anyhow::Result<Exit> {
    let mut out = anstream::stdout().lock();
    if format == Format::Json {
        writeln!(out, "{}", serde_json::to_string(rule)?)?;
        return Ok(Exit::OK);
    }
    writeln!(out, "{}: {}", rule.id.bold(), rule.description)?;
    let label = if rule.tag { format!("[{}:tag]", rule.kind) } else { format!("[{}]", rule.kind) };
    let validator = rule.validator.map(serde_json::to_value).transpose()?;
    let lines = [
        ("label", Some(label)),
        ("severity", serde_json::to_value(rule.severity)?.as_str().map(str::to_owned)),
        ("prefixes", words(&rule.prefixes)),
        ("keywords", words(&rule.keywords)),
        ("fields", words(&rule.fields)),
        ("built in", rule.builtin.clone()),
        ("pattern", rule.pattern.clone()),
        ("check", validator.and_then(|v| v.as_str().map(str::to_owned))),
        ("entropy", rule.entropy.map(|e| format!("at least {e} bits a byte"))),
        ("found?", rule.revoke.clone()),
        ("format", rule.reference.clone()),
    ];
    for (name, text) in lines.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        writeln!(out, "  {:9} {text}", name.dimmed())?;
    }
    for (name, examples) in [("goes", &rule.examples), ("stays", &rule.negatives)] {
        for example in examples {
            writeln!(out, "  {:9} {example}", name.dimmed())?;
        }
    }
    Ok(Exit::OK)
}

fn test(paths: &[PathBuf], key: PseudonymKey) -> anyhow::Result<Exit> {
    let mut texts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        texts.push((path.display().to_string(), text));
    }
    let named = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let packs = if texts.is_empty() { Ok(load_embedded()) } else { load_user_packs(named) };
    let packs = packs.map_err(|error| Failure::new(Exit::FOUND, error.to_string()))?;
    let redactor = Redactor::with_packs(key, all_on(&texts)?);
    let mut out = anstream::stdout().lock();
    let mut failures = 0;
    let rules: Vec<&RuleDef> = packs.iter().flat_map(|pack| &pack.rules).collect();
    for rule in &rules {
        for complaint in redactor.complaints(rule) {
            failures += 1;
            writeln!(
                out,
                "{} {}: {}",
                "FAILED".red().bold(),
                rule.id.bold(),
                plain(&format!("{}: {}", complaint.reason, complaint.example))
            )?;
        }
        if rule.examples.is_empty() && !texts.is_empty() {
            writeln!(out, "{} {} has no examples, so nothing proves it", "warning:".yellow(), rule.id.bold())?;
        }
    }
    writeln!(out, "{} rules, {failures} failures", rules.len())?;
    Ok(if failures == 0 { Exit::OK } else { Exit::FOUND })
}

/// The embedded packs and these, with the rules that are off turned on: they are proved too.
fn all_on(texts: &[(String, String)]) -> anyhow::Result<Vec<Pack>> {
    let mut packs = load_embedded();
    packs.extend(load_user_packs(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))?);
    packs.iter_mut().flat_map(|p| &mut p.rules).for_each(|r| r.off = false);
    Ok(packs)
}

fn words(list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| list.join(" "))
}
