//! Everything that becomes true at one moment.

use super::checkpoint::{self, Checkpoint, OutputMark, StreamKey};
use super::db::{Store, StoreError};
use super::outbox::{self, OutboxRow};
use super::{history, keys};
use crate::alert::Alert;
use crate::units::Timestamp;

/// What one transaction writes: all of it or, after a crash, none of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commit<'a> {
    /// New positions of input streams.
    pub checkpoints: &'a [(StreamKey, Checkpoint)],
    /// Streams that will never be read again.
    pub forget: &'a [StreamKey],
    /// New promised lengths of output files, by the sink's name in the configuration.
    pub outputs: &'a [(String, OutputMark)],
    /// Changed key states as (key id, bytes); empty bytes forget the key.
    pub key_state: &'a [(String, Vec<u8>)],
    /// Alerts that began, changed or ended.
    pub alerts: &'a [Alert],
    /// Messages to send because of them.
    pub outbox: &'a [OutboxRow],
    /// When this happens.
    pub now: Timestamp,
}

impl Store {
    /// Writes everything of `commit`, durably, or nothing.
    ///
    /// # Errors
    /// When the disk is full or the database cannot be written; nothing has changed then, and the same commit may be
    /// tried again.
    pub fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        for (key, at) in commit.checkpoints {
            checkpoint::put(&tx, key, at, commit.now)?;
        }
        for key in commit.forget {
            checkpoint::forget(&tx, key)?;
        }
        for (sink, mark) in commit.outputs {
            checkpoint::put_output(&tx, sink, mark, commit.now)?;
        }
        keys::append(&tx, commit.key_state, commit.now)?;
        for alert in commit.alerts {
            history::put(&tx, alert)?;
        }
        for row in commit.outbox {
            outbox::insert(&tx, row, commit.now)?;
        }
        tx.commit()?;
        Ok(())
    }
}
