//! `check`: is the configuration right, and what would run?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use owo_colors::OwoColorize;

use super::alerts;
use super::exit::Exit;
use super::style::plain;
use crate::alert::KINDS;
use crate::config::{self, Config};
use crate::delivery::{ReceiverConfig, Router, greet, prove};
use crate::redact::{PseudonymKey, Redactor};
use crate::secret::SecretError;
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `conf.d/*.toml` beside it belongs to it.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,

    /// Also go to each receiver: look it up, connect, log in; nothing is sent
    #[arg(long)]
    pub online: bool,
}

/// Checks.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = config::load(&args.config)?;
    let mut out = anstream::stdout().lock();
    for file in config::files(&args.config)? {
        writeln!(out, "{}: ok", file.display())?;
    }
    for line in plan(&config) {
        writeln!(out, "  {line}")?;
    }
    let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
    let mut exit = Exit::OK;
    for (name, receiver) in &config.receivers {
        let state = ready(receiver);
        exit = if matches!(state, Ready::No(_)) { Exit::CONFIG } else { exit };
        match state {
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
    if args.online && exit == Exit::OK {
        exit = online(&config, &mut out)?;
    }
    Ok(exit)
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

/// What the configuration would run, one line a thing.
fn plan(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, source) in &config.sources {
        lines.push(match source {
            SourceConfig::File(file) => format!("source {name}: follows {}", file.paths.join(", ")),
            SourceConfig::Stdin(_) => format!("source {name}: reads standard input"),
            SourceConfig::Http(http) => format!("source {name}: takes lines over HTTP on {}", http.listen),
            SourceConfig::Tcp(tcp) => format!("source {name}: takes lines over TCP on {}", tcp.listen),
            SourceConfig::Unix(unix) => format!("source {name}: takes lines on the socket {}", unix.path.display()),
            SourceConfig::Journald(_) => format!("source {name}: follows the systemd journal"),
        });
    }
    for (name, sink) in &config.sinks {
        let from = match sink.sources() {
            [] => String::new(),
            some => format!(", lines of {}", some.join(", ")),
        };
        lines.push(match sink {
            SinkConfig::File(file) => format!("sink {name}: writes {}{from}", file.path.display()),
            SinkConfig::Stdout(_) => format!("sink {name}: writes to standard output{from}"),
            SinkConfig::Http(http) => format!("sink {name}: sends to {}{from}", http.url),
        });
    }
    let detect = toml::Value::try_from(&config.detect).ok();
    let on = |name: &str| {
        let enabled = detect.as_ref().and_then(|d| d.get(name)?.get("enabled")?.as_bool());
        enabled.unwrap_or(true)
    };
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).filter(|name| on(name)).collect();
    lines.push(format!("watches for: {}", kinds.join(", ")));
    if let Some(http) = &config.http {
        let scheme = if http.tls.is_some() { "https" } else { "http" };
        let words = match (&http.token, http.listen.ip().to_canonical().is_loopback()) {
            (None, true) => "; to act takes its Unix socket, for there is no token",
            _ => "",
        };
        lines.push(format!("page: on {scheme}://{}/{words}", http.listen));
        lines.extend(http.secrets().into_iter().filter_map(|(_, s)| Some(format!("page: warning: {}", s.warning()?))));
    }
    if !config.sources.is_empty() {
        lines.push(match config.state.resolve() {
            Some(dir) => format!("state: in {}", dir.display()),
            None => "state: none; set `dir` in [state]".to_owned(),
        });
    }
    lines
}
