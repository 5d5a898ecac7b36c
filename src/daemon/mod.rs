//! The service as a value: [`Daemon::start`] builds the rooms and their threads, [`Daemon::stop`] takes them down in
//! order.
//!
//! ```text
//! source threads -> corridor (redact) -> keeper: sinks, tallies, clock -> committer: sync, store
//! ```
//!
//! One thread, the *keeper*, writes all outputs and owns the monitor, so what it hands to the *committer* is
//! consistent: input positions, output lengths, key state and alerts of one moment. The committer first makes the
//! outputs durable, then writes the rest in one transaction; the keeper goes on meanwhile.

mod clerk;
mod clock;
mod committer;
mod drops;
mod face;
mod fixed;
mod identity;
mod inputs;
mod keeper;
mod lasting;
mod layout;
mod learn;
mod notifier;
mod notify;
mod observer;
mod outputs;
mod post;
mod pulse;
mod retained;
mod service;
mod watcher;

pub use clock::now;
pub use committer::CommitError;
pub use fixed::may_replace;
pub use lasting::Lasting;
pub use lasting::Part;
pub use notifier::Notifier;
pub use notify::notify;
pub use observer::Observer;
pub use service::{Daemon, Ended, StartError, may_run_as};
pub use watcher::WatcherError;
