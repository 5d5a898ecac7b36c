//! The command line as it is typed: verbs, options, help.

use clap::{Parser, Subcommand};

use super::style::ColorArg;
use super::{exec, filter};

/// Redact secrets and personal data in structured logs, and watch API keys for anomalies.
#[derive(Debug, Parser)]
#[command(
    name = "logwarden",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    before_help = EXAMPLES,
    after_help = "A file that is named like a verb is written with its folder: ./scan"
)]
pub struct Cli {
    /// When to colour what is meant for people.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub color: ColorArg,

    #[command(subcommand)]
    pub verb: Option<Verb>,

    #[command(flatten)]
    pub filter: filter::Args,
}

const EXAMPLES: &str = "\
Examples:
  app 2>&1 | logwarden                   redact a stream
  logwarden app.jsonl > clean.jsonl      redact a file";

/// What can be done beside filtering.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command and redact what it writes.
    Exec(exec::Args),
}
