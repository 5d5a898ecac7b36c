//! The command line as it is typed: verbs, options, help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::style::ColorArg;
use super::{alerts, audit, check, config, exec, explain, filter, init, keys, replay, rules, run, scan, top};

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
    /// Colour what is meant for people: auto, always or never
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN", hide_possible_values = true)]
    #[arg(hide_default_value = true)]
    pub color: ColorArg,

    #[command(subcommand)]
    pub verb: Option<Verb>,

    #[command(flatten)]
    pub filter: filter::Args,
}

const EXAMPLES: &str = "\
Examples:
  app 2>&1 | logwarden                    redact a stream
  logwarden app.jsonl > clean.jsonl       redact a file
  logwarden exec -- app --port 80         run a program and redact all it writes
  logwarden explain < app.jsonl           say what would be redacted, and why
  logwarden run --config logwarden.toml   follow logs, watch API keys, send alerts";

/// What can be done beside filtering.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command and redact what it writes
    Exec(exec::Args),
    /// The process in which `exec` redacts
    #[command(name = super::worker::VERB, hide = true)]
    ExecWorker,
    /// Run the service: follow logs, redact them, watch keys, send alerts
    Run(run::Args),
    /// Find what sensitive data sits in existing logs
    Scan(scan::Args),
    /// Send history through the detectors: what would have been alerted, when and why
    Replay(replay::Args),
    /// Say what happens to a line, and why
    Explain(explain::Args),
    /// Validate a configuration, and say what would run
    Check(check::Args),
    /// Show the annotated reference, the JSON Schema, or the effective configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Show which keys were seen, and how each is used (`list` when no more is said)
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Show what was found (`list`), or send a test alert through every receiver
    #[command(subcommand)]
    Alerts(alerts::Verb),
    /// Prove the audit log (`verify`), or hand it out
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Watch the running service in a terminal
    Top(top::Args),
    /// Show the rules: what is looked for (`list`)
    #[command(subcommand)]
    Rules(rules::Verb),
    /// Write a configuration to begin with, and a systemd unit
    Init(init::Args),
    /// Write shell completions to standard output
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages into a directory
    Man {
        /// The directory; made when it is not there.
        dir: PathBuf,
    },
}
