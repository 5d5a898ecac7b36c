//! What outlives a tick: checkpoints, key state, outbox, alert history, and the pseudonym key and audit log beside them.
//!
//! One SQLite database in the state directory, in write-ahead mode with full syncs: a [`Commit`] is there as a whole or
//! not at all, also across a power cut. One process writes; others may read. A database that is damaged is set aside
//! and a fresh one begun, because a guard that starts again is better than none.

mod audit;
mod checkpoint;
mod commit;
mod config;
mod db;
mod history;
mod keys;
mod maintain;
mod outbox;
mod pseudonym;
mod queue;
mod schema;
mod silence;

pub use audit::Trail;
pub use checkpoint::{Checkpoint, OutputMark, StreamKey};
pub use commit::Commit;
pub use config::{RetentionConfig, StateConfig};
pub use db::{Store, StoreError};
pub use history::{Change, Wanted};
pub use outbox::{Lane, Leased, OutboxRow, Settle};
pub use pseudonym::{PSEUDONYM_VARIABLE, lost_pseudonyms, pseudonym_key, pseudonym_variable, rotate_pseudonym_key};
pub use queue::{QueueState, Receipt};
pub use silence::{Matcher, MatcherError, Silence};
