//! What the program counts and says about itself, and the guard rails of the process.

mod counters;
mod guard;
mod log;
mod reloads;
mod writer;

pub use counters::{Counters, lines_and_broken};
pub use guard::guard_process;
pub use log::start_log;
pub use reloads::{Reload, Reloads};
pub use writer::{EventWriter, RedactingLog};
