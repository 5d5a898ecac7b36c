//! Signals of the command line.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Signals, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;

use super::exit::Exit;

/// What `exec` passes on to its command.
const FORWARDED: [i32; 9] = [SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// How long a pipe may go on after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The signal ends the process as interrupted while `armed` is set, and does nothing otherwise.
///
/// # Errors
/// When the system refuses the handler.
pub fn exit_when(signal: i32, armed: &Arc<AtomicBool>) -> io::Result<()> {
    signal_hook::flag::register_conditional_shutdown(signal, i32::from(Exit::INTERRUPTED.0), Arc::clone(armed))
        .map(drop)
}

/// SIGTERM gives the pipe [`DRAIN`] to reach its end; a second one ends the process at once.
///
/// # Errors
/// When the system refuses the handler or the thread.
pub fn drain_on_term() -> io::Result<()> {
    let terminated = Arc::new(AtomicBool::new(false));
    // in this order the first signal arms the second
    exit_when(SIGTERM, &terminated)?;
    signal_hook::flag::register(SIGTERM, terminated)?;
    let mut signals = Signals::new([SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            std::thread::sleep(DRAIN);
            std::process::exit(i32::from(Exit::INTERRUPTED.0));
        }
    })?;
    Ok(())
}

/// The process that signals are forwarded to.
#[derive(Clone, Default)]
pub struct Target(Arc<Mutex<State>>);

enum State {
    /// Not started yet; these came in the meantime.
    Waiting(Vec<i32>),
    Running(Pid),
    Ended,
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

impl Target {
    /// The command runs; it gets what came before.
    pub fn started(&self, pid: Pid) {
        let before = std::mem::replace(&mut *self.lock(), State::Running(pid));
        if let State::Waiting(signals) = before {
            signals.into_iter().for_each(|signal| self.send(signal));
        }
    }

    /// The command has ended: its number may be used again.
    pub fn ended(&self) {
        *self.lock() = State::Ended;
    }

    fn send(&self, signal: i32) {
        match &mut *self.lock() {
            State::Waiting(signals) => signals.push(signal),
            State::Running(pid) => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    // a process that has just ended needs no signal
                    let _ = kill_process(*pid, signal);
                }
            }
            State::Ended => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards the signals meant for a command to `target`. What the terminal sends to the whole foreground group (an
/// interrupt by key, a new window size) has reached the command already and is not sent again. A signal that was
/// ignored when we were started (`nohup`) stays ignored.
///
/// # Errors
/// When the system refuses the handlers or the thread.
pub fn forward(target: &Target) -> io::Result<()> {
    let ignored = ignored_signals();
    let wanted = FORWARDED.iter().filter(|&&signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(wanted)?;
    let target = target.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in signals.forever() {
            if !matches!(origin.cause, Cause::Kernel) {
                target.send(origin.signal);
            }
        }
    })?;
    Ok(())
}

/// The signals ignored since before we began, as a bit set (bit 0 is signal 1).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}
