//! What is to stand in the audit log: noted in the same transaction as its cause, written to the log a moment later.
//!
//! A note waits in the database until it is in the log. Its row goes into the record, and the log's head into the
//! database together with the removal of the note, so that a crash between the two neither loses nor doubles it.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};

use super::db::{Store, StoreError};
use crate::alert::Alert;
use crate::audit::{AuditError, AuditKey, AuditLog, Entry, Head, Report, verify};
use crate::units::{Timestamp, hex};

/// Notes that are written at once.
const BATCH: usize = 1_000;

/// Alerts that one note may lead to.
const MOST_ALERTS: usize = 100;

/// A record about an alert, as `alerts show` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The record's number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What, such as `alert.acked`.
    pub what: String,
}

/// The first of many alerts: enough to look at, and not too long for a record.
pub(super) fn first(alerts: &[String]) -> &[String] {
    alerts.get(..MOST_ALERTS).unwrap_or(alerts)
}

/// Notes that something happened; `alerts` are those that it is about.
pub(super) fn note(
    db: &Connection,
    at: Timestamp,
    what: &str,
    alerts: &[String],
    data: &Value,
) -> Result<(), StoreError> {
    let alerts = first(alerts).join(" ");
    db.prepare_cached("INSERT INTO audit_pending(at, what, alerts, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![at.0, what, alerts, data.to_string()])?;
    Ok(())
}

/// Notes how an alert stands. Its lines stay in the alerts' own history, which is kept for a shorter time; what stands
/// here of them is enough to prove that they are what was told.
pub(super) fn note_alert(db: &Connection, alert: &Alert, what: &str) -> Result<(), StoreError> {
    let mut told = alert.clone();
    let lines = std::mem::take(&mut told.evidence.lines);
    let told = serde_json::to_value(&told).map_err(|e| StoreError::Encode(e.to_string()))?;
    let mut data = json!({ "alert": told });
    if !lines.is_empty() {
        data["lines"] = json!({ "count": lines.len(), "sha256": digest(&lines.join("\n")) });
    }
    note(db, alert.updated_at, what, std::slice::from_ref(&alert.id), &data)
}

/// SHA-256 in hex.
fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(text.as_bytes()))
}

/// Adds to one of the counters that outlive a restart.
pub(super) fn count(db: &Connection, name: &str, a: &str, b: &str, n: usize) -> Result<(), StoreError> {
    let sql = "INSERT INTO counter VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name, a, b) DO UPDATE SET n = n + excluded.n";
    db.prepare_cached(sql)?.execute(params![name, a, b, n as i64])?;
    Ok(())
}

type Waiting = (Entry, String);

impl Store {
    /// Notes something for the audit log.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn audit(&self, what: &str, data: &Value, now: Timestamp) -> Result<(), StoreError> {
        note(&self.lock(), now, what, &[], data)
    }

    /// Writes what was noted to the audit log, and says how many records that were. Anybody may, one at a time.
    ///
    /// # Errors
    /// When log or database cannot be written; what was noted waits then.
    pub fn flush_audit(&self) -> Result<usize, StoreError> {
        let mut written = 0;
        while self.audit_waits()? > 0 {
            let log = AuditLog::open(self.dir())?;
            written += self.flush_into(&log)?;
        }
        Ok(written)
    }

    fn flush_into(&self, log: &AuditLog) -> Result<usize, StoreError> {
        let mut written = 0;
        loop {
            let (waiting, head) = (self.waiting()?, self.audit_head()?);
            if waiting.is_empty() {
                return Ok(written);
            }
            let entries: Vec<Entry> = waiting.iter().map(|(entry, _)| entry.clone()).collect();
            let done = log.append(&entries, head)?;
            let mut db = self.lock();
            let tx = db.transaction()?;
            for (row, seq) in &done.written {
                let Some((entry, alerts)) = waiting.iter().find(|(entry, _)| entry.row == *row) else { continue };
                tx.prepare_cached("DELETE FROM audit_pending WHERE id = ?1")?.execute([row])?;
                for alert in alerts.split(' ').filter(|id| !id.is_empty()) {
                    tx.prepare_cached("INSERT OR IGNORE INTO audit_trail VALUES (?1, ?2, ?3, ?4)")?
                        .execute(params![alert, *seq as i64, entry.at.0, entry.what])?;
                }
                written += 1;
            }
            if let Some(head) = done.head {
                let sql = "INSERT OR REPLACE INTO audit_head VALUES (1, ?1, ?2)";
                let (seq, mac) = (head.seq as i64, head.to_string());
                tx.prepare_cached(sql)?.execute(params![seq, mac])?;
            }
            let at = entries.last().map_or(Timestamp(0), |entry| entry.at);
            if let Some(damage) = &done.damage {
                tracing::error!("the end of the audit log was cut off or edited: {damage}");
                note(&tx, at, "audit.damaged", &[], &json!({ "what": damage }))?;
            }
            if done.orphaned {
                let why = "the database that knew the head of this log is gone";
                note(&tx, at, "audit.head_lost", &[], &json!({ "why": why }))?;
            }
            tx.commit()?;
        }
    }

    /// How many notes are not in the log yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_waits(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM audit_pending";
        Ok(self.lock().prepare_cached(sql)?.query_row([], |r| r.get::<_, i64>(0))?.unsigned_abs())
    }

    fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let db = self.lock();
        let mut query =
            db.prepare_cached("SELECT id, at, what, body, alerts FROM audit_pending ORDER BY id LIMIT ?1")?;
        let rows = query.query_map([BATCH as i64], |r| {
            let data: Map<String, Value> = serde_json::from_str(&r.get::<_, String>(3)?).unwrap_or_default();
            Ok((Entry { row: r.get(0)?, at: Timestamp(r.get(1)?), what: r.get(2)?, data }, r.get(4)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last record of the log, as far as the database knows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_head(&self) -> Result<Option<Head>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT mac FROM audit_head")?;
        let text: Option<String> = query.query_row([], |r| r.get(0)).optional()?;
        let damaged = |_| StoreError::Damaged("the head of the audit log cannot be read".to_owned());
        text.map(|text| text.parse().map_err(damaged)).transpose()
    }

    /// Proves the audit log with `key`, against the database's head and `heads` noted elsewhere.
    ///
    /// # Errors
    /// When log or database cannot be read.
    pub fn verify_audit(&self, key: &AuditKey, heads: &[Head]) -> Result<Report, StoreError> {
        // the head first: the log may grow meanwhile, and must not seem shorter
        let heads: Vec<Head> = self.audit_head()?.into_iter().chain(heads.iter().copied()).collect();
        Ok(verify(self.dir(), key, &heads)?)
    }

    /// The records about an alert.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_trail(&self, alert_id: &str) -> Result<Vec<Trail>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT seq, at, what FROM audit_trail WHERE alert_id = ?1 ORDER BY seq")?;
        let rows = query.query_map([alert_id], |r| {
            Ok(Trail { seq: r.get::<_, i64>(0)?.unsigned_abs(), at: Timestamp(r.get(1)?), what: r.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes the files of the audit log that are older than `keep`, and the oldest ones beyond `total` bytes (0: no
    /// limit). That they are gone is recorded before.
    ///
    /// # Errors
    /// When log or database cannot be written.
    pub fn expire_audit(&self, keep: std::time::Duration, total: u64, now: Timestamp) -> Result<usize, StoreError> {
        if self.dir().as_os_str().is_empty() || self.audit_head()?.is_none() {
            return Ok(0);
        }
        let log = AuditLog::open(self.dir())?;
        let Some(expired) = log.expired(keep, total, now)? else { return Ok(0) };
        let data = json!({ "through": expired.through, "files": expired.names });
        self.audit("retention.audit", &data, now)?;
        self.flush_into(&log)?;
        log.remove(&expired)?;
        Ok(expired.names.len())
    }

    /// The counters of a name, which outlive restarts, as (a, b, n).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counters(&self, name: &str) -> Result<Vec<(String, String, u64)>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT a, b, n FROM counter WHERE name = ?1 ORDER BY a, b")?;
        let rows = query.query_map([name], |r| Ok((r.get(0)?, r.get(1)?, r.get::<_, i64>(2)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl From<AuditError> for StoreError {
    fn from(e: AuditError) -> Self {
        Self::Audit(e)
    }
}
