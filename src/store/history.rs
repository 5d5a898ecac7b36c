//! Alerts as they were, and what happened to each of them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::audit;
use super::db::{Store, StoreError};
use super::outbox::Lane;
use crate::alert::{Alert, Status};
use crate::units::Timestamp;

/// One entry of an alert's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// `firing`, `resolved` or `acked`.
    pub what: String,
    /// Who, when a person did it.
    pub author: Option<String>,
    /// The numbers in words, or the person's comment.
    pub note: String,
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
    }
}

pub(super) fn put(db: &Connection, alert: &Alert) -> Result<(), StoreError> {
    let body = serde_json::to_string(alert).map_err(|e| StoreError::Encode(e.to_string()))?;
    let tag = alert.key.as_ref().map(|k| k.tag.as_str());
    let known: bool =
        db.prepare_cached("SELECT EXISTS (SELECT 1 FROM alert WHERE id = ?1)")?.query_row([&alert.id], |r| r.get(0))?;
    audit::note_alert(
        db,
        alert,
        match alert.status {
            Status::Firing if known => "alert.updated",
            Status::Firing => "alert.firing",
            Status::Resolved => "alert.resolved",
        },
    )?;
    audit::count(db, ALERTS, &alert.kind, word(alert.status), 1)?;
    db.prepare_cached("INSERT OR REPLACE INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        alert.id,
        word(alert.status),
        alert.kind,
        alert.fingerprint,
        tag,
        alert.starts_at.0,
        alert.updated_at.0,
        body
    ])?;
    add(db, &alert.id, alert.updated_at, word(alert.status), None, &alert.why)
}

fn add(
    db: &Connection,
    id: &str,
    at: Timestamp,
    what: &str,
    author: Option<&str>,
    note: &str,
) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO change(alert_id, at, what, author, note) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, at.0, what, author, note])?;
    Ok(())
}

pub(super) fn decode(body: &str) -> Result<Alert, StoreError> {
    serde_json::from_str(body).map_err(|e| StoreError::Damaged(format!("an alert cannot be read: {e}")))
}

impl Store {
    /// The last `limit` alerts, the one that changed last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn alerts(&self, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT body FROM alert ORDER BY updated_at DESC, id DESC LIMIT ?1")?;
        let bodies = query.query_map([limit as i64], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        bodies.iter().map(|b| decode(b)).collect()
    }

    /// The alerts whose id begins with `id` (case does not matter): none, the one, or several when it is too short.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_alerts(&self, id: &str) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query =
            db.prepare_cached("SELECT body FROM alert WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 10")?;
        let wanted = id.to_ascii_uppercase();
        let bodies = query.query_map([wanted], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        bodies.iter().map(|b| decode(b)).collect()
    }

    /// The alert of this fingerprint that still holds, if any.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn firing(&self, fingerprint: &str) -> Result<Option<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT body FROM alert WHERE fingerprint = ?1 AND status = 'firing' ORDER BY id DESC LIMIT 1",
        )?;
        let body = query.query_row([fingerprint], |r| r.get::<_, String>(0)).optional()?;
        body.as_deref().map(decode).transpose()
    }

    /// The alerts of this kind that still hold.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn firing_of(&self, kind: &str) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query =
            db.prepare_cached("SELECT body FROM alert WHERE status = 'firing' AND kind = ?1 ORDER BY id")?;
        let bodies = query.query_map([kind], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        bodies.iter().map(|b| decode(b)).collect()
    }

    /// What happened to an alert, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn timeline(&self, alert_id: &str) -> Result<Vec<Change>, StoreError> {
        let db = self.lock();
        let mut query =
            db.prepare_cached("SELECT at, what, author, note FROM change WHERE alert_id = ?1 ORDER BY seq")?;
        let rows = query.query_map([alert_id], |r| {
            Ok(Change { at: Timestamp(r.get(0)?), what: r.get(1)?, author: r.get(2)?, note: r.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that somebody has taken an alert in hand.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn ack(&self, alert_id: &str, author: &str, comment: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        add(&tx, alert_id, now, ACKED, Some(author), comment)?;
        let data = json!({ "id": alert_id, "author": author, "comment": comment });
        audit::note(&tx, now, "alert.acked", &[alert_id.to_owned()], &data)?;
        tx.commit()?;
        Ok(())
    }

    /// Whether somebody has taken an alert in hand, and nobody needs to hear again how it stands: what is more urgent
    /// than anything told so far is news all the same.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_in_hand(&self, alert: &Alert) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM change WHERE alert_id = ?1 AND what = ?2)
                   AND coalesce((SELECT max(lane) FROM outbox WHERE alert_id = ?1), -1) >= ?3";
        let what = params![alert.id, ACKED, Lane::of_alert(alert).rank()];
        Ok(self.lock().prepare_cached(sql)?.query_row(what, |r| r.get(0))?)
    }

    /// How many alerts began, changed or ended since the state was begun, as (kind, status, count).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn alert_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        self.counters(ALERTS)
    }

    /// The ids of alerts that somebody has taken in hand.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn in_hand(&self) -> Result<HashSet<String>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT DISTINCT alert_id FROM change WHERE what = ?1")?;
        let ids = query.query_map([ACKED], |r| r.get(0))?.collect::<Result<_, _>>()?;
        Ok(ids)
    }

    /// Alerts that still hold and that nobody was told of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn untold(&self) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT body FROM alert a WHERE status = 'firing'
             AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.alert_id = a.id) ORDER BY id",
        )?;
        let bodies = query.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        bodies.iter().map(|b| decode(b)).collect()
    }
}

/// The counter of alerts that began, changed or ended, by kind and status.
const ALERTS: &str = "alerts";

/// What a timeline says of an alert that somebody has taken in hand.
const ACKED: &str = "acked";
