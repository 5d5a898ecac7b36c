//! Signals of the command line.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::Exit;

/// How long a pipe may go on after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(5);

/// SIGINT ends the process with its exit code while `armed` is set, and does nothing otherwise.
///
/// # Errors
/// When the system refuses the handler.
pub fn interrupt_when(armed: &Arc<AtomicBool>) -> io::Result<()> {
    signal_hook::flag::register_conditional_shutdown(SIGINT, i32::from(Exit::INTERRUPTED.0), Arc::clone(armed))
        .map(drop)
}

/// SIGTERM gives the pipe [`DRAIN`] to reach its end; a second one ends the process at once.
///
/// # Errors
/// When the system refuses the handler or the thread.
pub fn drain_on_term() -> io::Result<()> {
    let terminated = Arc::new(AtomicBool::new(false));
    // in this order the first signal arms the second
    signal_hook::flag::register_conditional_shutdown(SIGTERM, i32::from(Exit::OK.0), Arc::clone(&terminated))?;
    signal_hook::flag::register(SIGTERM, terminated)?;
    let mut signals = Signals::new([SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            std::thread::sleep(DRAIN);
            std::process::exit(i32::from(Exit::OK.0));
        }
    })?;
    Ok(())
}
