//! `check`: is the configuration right, and what would run?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use owo_colors::OwoColorize;

use super::alerts;
use super::doubt::{doubts, lacks};
use super::exit::{Exit, Failure};
use super::plan::plan;
use super::run::PartArg;
use super::style::plain;
use crate::config::{self, Config};
use crate::daemon::{Part, may_run_as};
use crate::delivery::{ReceiverConfig, Router, greet, prove};
use crate::redact::{PseudonymKey, Redactor};
use crate::secret::SecretError;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `conf.d/*.toml` beside it belongs to it.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,

    /// Also go to each receiver: look it up, connect, log in; nothing is sent
    #[arg(long)]
    pub online: bool,

    /// Which part of a split service it is for; the core needs no secret of any receiver
    #[arg(long, value_enum, default_value_t, hide_default_value = true, value_name = "PART")]
    pub part: PartArg,
}

/// Checks.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = config::load(&args.config)?;
    let core = args.part == PartArg::Core;
    if core {
        may_run_as(Part::Core, &config).map_err(|e| Failure::new(Exit::CONFIG, e.to_string()))?;
    }
    let mut out = anstream::stdout().lock();
    // the notifier sees neither sources nor sinks, and the core nobody who is told
    let lacks = if args.part == PartArg::Notifier { Vec::new() } else { lacks(&config) };
    let told = || config.receivers.iter().filter(|_| !core);
    let usable = lacks.is_empty() && !told().any(|(_, one)| matches!(ready(one), Ready::No(_)));
    for file in config::files(&args.config)? {
        let word = if usable { "ok" } else { "read, but not everything in it can be used" };
        writeln!(out, "{}: {word}", file.display())?;
    }
    for line in plan(&config, if core { Part::Core } else { Part::Whole }) {
        writeln!(out, "  {line}")?;
    }
    for doubt in doubts(&config) {
        writeln!(out, "  {} {}", "warning:".yellow(), plain(&doubt))?;
    }
    for lack in &lacks {
        writeln!(out, "  {} {}", "error:".red().bold(), plain(lack))?;
    }
    let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
    for (name, receiver) in told() {
        match ready(receiver) {
            Ready::Yes => writeln!(out, "  receiver {name}: {}", place(receiver))?,
            Ready::Later(why) => {
                writeln!(out, "  receiver {name}: {}; not tried here: {}", place(receiver), plain(&why))?
            }
            Ready::No(why) => writeln!(out, "  receiver {name}: {}: {}", "cannot be used".red().bold(), plain(&why))?,
        }
        let places = receiver.secrets().into_iter().filter_map(|(_, secret)| secret.warning());
        for warning in router.idle(name).into_iter().chain(places) {
            writeln!(out, "  receiver {name}: {} {warning}", "warning:".yellow())?;
        }
    }
    match (usable, args.online) {
        (false, _) => Ok(Exit::CONFIG),
        (true, true) => online(&config, &mut out),
        (true, false) => Ok(Exit::OK),
    }
}

/// Goes to each receiver and says how far one gets.
fn online(config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the network threads")?;
    let redactor = Redactor::new(PseudonymKey::random().context("no randomness")?);
    let mut receivers = config.receivers.clone();
    receivers.retain(|_, receiver| matches!(ready(receiver), Ready::Yes));
    let outcomes = runtime.block_on(greet(&receivers, &redactor));
    outcomes.iter().try_for_each(|outcome| alerts::report(out, outcome))?;
    Ok(if outcomes.iter().all(|outcome| outcome.answer.is_ok()) { Exit::OK } else { Exit::FOUND })
}

/// Whether a receiver could send.
enum Ready {
    Yes,
    /// Not here: its secrets are handed over by systemd when the service starts.
    Later(String),
    No(String),
}

fn ready(receiver: &ReceiverConfig) -> Ready {
    for (name, secret) in receiver.secrets() {
        if let Err(SecretError::NoCredentials(credential)) = secret.resolve() {
            return Ready::Later(format!(
                "its {name} is the credential {credential}, which systemd hands to the service"
            ));
        }
    }
    prove(receiver).map_or_else(Ready::No, |()| Ready::Yes)
}

fn place(receiver: &ReceiverConfig) -> String {
    match receiver {
        ReceiverConfig::Email(mail) => format!("mail to {} through {}:{}", mail.to.join(", "), mail.host, mail.port()),
        ReceiverConfig::Webhook(_) => "webhook".to_owned(),
        ReceiverConfig::Command(command) => format!("runs {}", command.program.display()),
    }
}
