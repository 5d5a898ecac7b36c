//! `run`: the service.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::doubt::doubts;
use super::exit::{Exit, Failure};
use super::plan::plan;
use super::signals::DRAIN;
use super::{entry, notifier, signals};
use crate::config::{self, Config, ConfigError};
use crate::daemon::{CommitError, Daemon, Lasting, Part, notify, now};
use crate::redact::{PseudonymKey, Redactor};
use crate::telemetry;

/// What the service can be told on the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `conf.d/*.toml` beside it is read too
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,

    /// Which part of a split service this is
    #[arg(long, value_enum, default_value_t, hide_default_value = true, value_name = "PART")]
    pub part: PartArg,
}

/// Which part of a split service a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PartArg {
    /// One process does everything
    #[default]
    All,
    /// Reads logs and decides; needs no network
    Core,
    /// Sends what the core has decided; needs no logs
    Notifier,
}

/// What the main thread waits for.
pub(super) enum Wake {
    Signal(i32),
    /// The daemon that was started as this one has ended by itself.
    Ended(u64),
}

/// Runs the service until its inputs end or a signal comes.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    telemetry::guard_process();
    let key = PseudonymKey::random().context("no randomness for the pseudonym key")?;
    telemetry::start_log(std::io::stderr(), &Redactor::new(key), "info", false);
    let config = config::load(&args.config)?;
    let (wake, woken) = channel();
    listen(wake.clone()).context("cannot handle signals")?;
    if args.part == PartArg::Notifier {
        return notifier::run(&args.config, config, &woken);
    }
    let part = if args.part == PartArg::Core { Part::Core } else { Part::Whole };
    let lasting = Lasting::of(part);
    let mut service = Service { path: args.config.clone(), lasting, wake, started: 0 };
    let daemon = service.start(&config)?;
    daemon.note("service.started", &daemon.identity());
    notify("READY=1");
    tracing::info!("logwarden {} runs", env!("CARGO_PKG_VERSION"));
    say(&config, part);
    let ended = service.watch(daemon, config, &woken);
    tracing::info!("stopped");
    ended
}

/// Says in the log what runs, and what of it may not be meant.
fn say(config: &Config, part: Part) {
    plan(config, part).iter().for_each(|line| tracing::info!("{line}"));
    doubts(config).iter().for_each(|doubt| tracing::warn!("{doubt}"));
}

/// How long until everything is begun again after a disk has lost something.
const BREATH: Duration = Duration::from_secs(1);

/// What outlives a reload.
struct Service {
    path: PathBuf,
    lasting: Lasting,
    wake: Sender<Wake>,
    /// How many daemons were started.
    started: u64,
}

impl Service {
    fn start(&mut self, config: &Config) -> anyhow::Result<Daemon> {
        self.started += 1;
        let (wake, started) = (self.wake.clone(), self.started);
        let on_end = move || {
            let _nobody_waits = wake.send(Wake::Ended(started));
        };
        Daemon::start(config, &self.lasting, &std::io::stdout, on_end).map_err(|error| {
            let exit = if error.is_config() { Exit::CONFIG } else { Exit::IO };
            Failure::new(exit, error.to_string()).into()
        })
    }

    fn watch(&mut self, mut daemon: Daemon, mut config: Config, woken: &Receiver<Wake>) -> anyhow::Result<Exit> {
        loop {
            match woken.recv() {
                Ok(Wake::Signal(SIGHUP)) => (daemon, config) = self.reload(daemon, config)?,
                Ok(Wake::Signal(signal)) => {
                    notify("STOPPING=1");
                    daemon.stop(DRAIN, Some(if signal == SIGINT { "SIGINT" } else { "SIGTERM" }))?;
                    return Ok(if signal == SIGINT { Exit::INTERRUPTED } else { Exit::OK });
                }
                // one that was stopped for a reload
                Ok(Wake::Ended(started)) if started != self.started => {}
                Ok(Wake::Ended(_)) | Err(_) => match daemon.stop(DRAIN, Some("it ended by itself")) {
                    // what the disk has lost of it can only be written again
                    Err(error) if matches!(error.downcast_ref(), Some(CommitError::Sync(_))) => {
                        tracing::error!("{error:#}");
                        std::thread::sleep(BREATH);
                        daemon = self.start(&config)?;
                        daemon.note("service.started", &daemon.identity());
                    }
                    ended => {
                        notify("STOPPING=1");
                        return ended.map(|()| Exit::OK);
                    }
                },
            }
        }
    }

    /// Says everywhere that a configuration was refused and the one before goes on: log, metric, page, audit log, and
    /// the service manager.
    fn refuse(&self, error: &anyhow::Error, daemon: &Daemon) {
        let why = in_short(error);
        daemon.note("config.refused", &json!({ "why": why }));
        entry::tell(error);
        tracing::error!("the configuration stays as it was");
        self.lasting.reloads.note(false, now());
        notify(&format!("STATUS=a new configuration was refused, the one before goes on: {why}"));
    }

    /// Reads the configuration again. When anything is wrong with it, the old one stays.
    fn reload(&mut self, daemon: Daemon, old: Config) -> anyhow::Result<(Daemon, Config)> {
        // at once: `systemctl reload` waits from here until we are ready
        notify("RELOADING=1");
        let runs = self.replace(daemon, old)?;
        notify("READY=1");
        Ok(runs)
    }

    fn replace(&mut self, daemon: Daemon, old: Config) -> anyhow::Result<(Daemon, Config)> {
        let read = config::load(&self.path).map_err(anyhow::Error::from);
        let proved = read.and_then(|new| Daemon::prove(&new, &old, &self.lasting).map(|()| new).map_err(Into::into));
        let new = match proved {
            Ok(new) => new,
            Err(error) => {
                self.refuse(&error, &daemon);
                return Ok((daemon, old));
            }
        };
        if let Err(error) = daemon.stop(DRAIN, None) {
            tracing::warn!("{error:#}");
        }
        Ok(match self.start(&new) {
            Ok(daemon) => {
                self.lasting.reloads.note(true, now());
                tracing::info!("the new configuration runs");
                say(&new, self.lasting.part);
                daemon.note("config.loaded", &daemon.identity());
                // no word of an older refusal
                notify("STATUS=");
                (daemon, new)
            }
            Err(error) => {
                let daemon = self.start(&old)?;
                self.refuse(&error, &daemon);
                (daemon, old)
            }
        })
    }
}

/// What is wrong, in one line for the record.
fn in_short(error: &anyhow::Error) -> String {
    let text = match error.downcast_ref::<ConfigError>().and_then(|e| e.problems.first()) {
        Some(first) => format!("{}:{}:{}: {}", first.file.display(), first.line, first.col, first.message),
        None => format!("{error:#}"),
    };
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// Passes signals on to the main thread. The second one that ends the service ends it at once.
fn listen(wake: Sender<Wake>) -> std::io::Result<()> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signals::exit_when(signal, &ending)?;
    }
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                ending.store(true, Ordering::SeqCst);
            }
            if wake.send(Wake::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
