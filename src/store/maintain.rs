//! What is old goes.

use super::config::RetentionConfig;
use super::db::{Store, StoreError};
use crate::units::Timestamp;

impl Store {
    /// Removes what is older than `keep` says and gives the space back: receipts, alerts that are over with their
    /// timelines, silences that ended, keys not seen. For once an hour or so.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn maintain(&self, keep: &RetentionConfig, now: Timestamp) -> Result<(), StoreError> {
        self.expire_keys(keep.keys, now)?;
        let before = now.minus(keep.alerts).0;
        let mut db = self.lock();
        let tx = db.transaction()?;
        for sql in [
            "DELETE FROM outbox WHERE state <> 'pending' AND coalesce(settled, created) < ?1",
            "DELETE FROM change WHERE alert_id IN (SELECT id FROM alert WHERE updated_at < ?1 AND status <> 'firing')",
            "DELETE FROM alert WHERE updated_at < ?1 AND status <> 'firing'",
            "DELETE FROM silence WHERE ends_at < ?1",
        ] {
            tx.execute(sql, [before])?;
        }
        tx.commit()?;
        db.execute_batch("PRAGMA optimize")?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}
