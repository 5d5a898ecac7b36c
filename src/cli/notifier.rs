//! `run --part notifier`: the half of a split service that has a network and no logs.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT};

use super::entry;
use super::exit::{Exit, Failure};
use super::run::Wake;
use super::signals::DRAIN;
use crate::config::{self, Config};
use crate::daemon::{Notifier, StartError, may_replace, notify};
use crate::store::StoreError;

/// How soon a new alert is seen.
const LOOK: Duration = Duration::from_millis(500);

/// How often the service manager hears that we are alive: each time behind a look at the state.
const BEAT: Duration = Duration::from_secs(1);

/// Sends until a signal comes.
pub fn run(path: &Path, mut config: Config, woken: &Receiver<Wake>) -> anyhow::Result<Exit> {
    let mut sending: Option<Notifier> = None;
    let (mut waits, mut beat) = (false, Instant::now());
    loop {
        if sending.is_none() {
            sending = start(&config, &mut waits)?;
        }
        match woken.recv_timeout(LOOK) {
            Ok(Wake::Signal(SIGHUP)) => {
                // at once: `systemctl reload` waits from here until we are ready
                notify("RELOADING=1");
                // one that still waits for its state may wait elsewhere
                match read(path, sending.as_ref().map(|_| &config)) {
                    Some(new) => {
                        config = new;
                        // no word of an older refusal
                        notify("STATUS=");
                        sending.take().into_iter().for_each(|notifier| notifier.stop(DRAIN));
                    }
                    None => notify("READY=1"),
                }
            }
            Ok(Wake::Signal(signal)) => {
                notify("STOPPING=1");
                sending.into_iter().for_each(|notifier| notifier.stop(DRAIN));
                return Ok(if signal == SIGINT { Exit::INTERRUPTED } else { Exit::OK });
            }
            Ok(Wake::Ended(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Exit::OK),
        }
        match sending.as_mut().map(Notifier::look) {
            Some(Ok(false)) => {
                tracing::warn!("the state was begun anew; starting again with it");
                sending.take().into_iter().for_each(|notifier| notifier.stop(Duration::ZERO));
            }
            Some(Err(error)) => {
                tracing::warn!("the state cannot be read: {error}; trying again");
                continue;
            }
            Some(Ok(true)) | None => {}
        }
        if beat.elapsed() >= BEAT {
            beat = Instant::now();
            notify("WATCHDOG=1");
        }
    }
}

/// Starts the senders; nothing yet while the other half has not made its state.
fn start(config: &Config, waits: &mut bool) -> anyhow::Result<Option<Notifier>> {
    match Notifier::start(config) {
        Ok(notifier) => {
            notify("READY=1");
            tracing::info!("sending to {} receivers", config.receivers.len());
            *waits = false;
            Ok(Some(notifier))
        }
        Err(StartError::Store(error @ (StoreError::Absent(_) | StoreError::Version { .. }))) => {
            if !std::mem::replace(waits, true) {
                tracing::warn!("{error}; waiting for `logwarden run --part core`");
            }
            Ok(None)
        }
        Err(error) => {
            let exit = if error.is_config() { Exit::CONFIG } else { Exit::IO };
            Err(Failure::new(exit, error.to_string()).into())
        }
    }
}

/// The configuration anew; a broken one, or one that cannot take the place of what is `running`, is told, and the one
/// before stays.
fn read(path: &Path, running: Option<&Config>) -> Option<Config> {
    let proved = config::load(path).map_err(anyhow::Error::from).and_then(|new| {
        running.map_or(Ok(()), |running| may_replace(running, &new))?;
        let problems = crate::delivery::check(&new.receivers);
        match problems.into_iter().find(|(_, problem)| !problem.starts_with("the secret file")) {
            None => Ok(new),
            Some((name, problem)) => Err(Failure::new(Exit::CONFIG, format!("receivers.{name}: {problem}")).into()),
        }
    });
    match proved {
        Ok(new) => Some(new),
        Err(error) => {
            entry::tell(&error);
            tracing::error!("the configuration stays as it was");
            notify("STATUS=a new configuration was refused, the one before goes on");
            None
        }
    }
}
