//! Messages that wait to be sent. Each is written in the same transaction as its cause, before anything is sent.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde_json::json;

use super::audit;
use super::db::{Store, StoreError};
use crate::alert::{Alert, Severity, Status, Urgency};
use crate::units::Timestamp;

/// One message to one receiver: an alert as it stood at one transition.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// The receiver's name in the configuration.
    pub receiver: String,
    /// The alert as it is to be told.
    pub alert: Alert,
}

impl OutboxRow {
    /// What distinguishes this message from others about the same episode: status and time of the change, for example
    /// `firing-1777636800250`.
    pub fn transition(&self) -> String {
        let status = match self.alert.status {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
        };
        format!("{status}-{}", self.alert.updated_at.0.div_euclid(1_000))
    }

    /// The id that every attempt carries, so that a receiver can drop a double: alert id and transition.
    pub fn message_id(&self) -> String {
        format!("{}.{}", self.alert.id, self.transition())
    }

    /// Which lane the message travels in.
    pub fn lane(&self) -> Lane {
        Lane::of_alert(&self.alert)
    }
}

/// Urgent messages overtake others; digest items leave together, once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Kept for the daily summary.
    Digest,
    /// Sent in order.
    Normal,
    /// Sent first.
    Urgent,
}

impl Lane {
    /// The lane of messages about `alert`.
    pub(super) fn of_alert(alert: &Alert) -> Self {
        match (alert.urgency, alert.severity) {
            (Urgency::Page, _) | (_, Severity::Critical) => Lane::Urgent,
            (Urgency::Ticket, _) => Lane::Normal,
            (Urgency::Digest, _) => Lane::Digest,
        }
    }

    fn of(rank: i64) -> Self {
        match rank {
            0 => Lane::Digest,
            1 => Lane::Normal,
            _ => Lane::Urgent,
        }
    }

    pub(super) fn rank(self) -> i64 {
        match self {
            Lane::Digest => 0,
            Lane::Normal => 1,
            Lane::Urgent => 2,
        }
    }
}

/// A message that a sender has taken in hand until its lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// Its place in the outbox; grows.
    pub seq: i64,
    /// What to send.
    pub row: OutboxRow,
    /// When it was written.
    pub created: Timestamp,
    /// Attempts that failed so far because of this message.
    pub attempts: u32,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    /// The receiver has it.
    Sent,
    /// The receiver has it, though not as it should be.
    SentBut {
        /// What is not as it should be, for people.
        problem: String,
    },
    /// It failed; try again at `due`.
    Retry {
        /// Not before this.
        due: Timestamp,
        /// What went wrong, for people.
        error: String,
    },
    /// The receiver could not be reached at all: not this message's fault, it may go at any time.
    Release {
        /// What went wrong, for people.
        error: String,
    },
    /// It will never be sent unless somebody revives it.
    Dead {
        /// What went wrong, for people.
        error: String,
    },
}

/// Inserts a message; one that is already there (same receiver, alert and transition) stays as it is. Of the end of an
/// alert only those are told who were, or are about to be, told of it.
pub(super) fn insert(db: &Connection, row: &OutboxRow, now: Timestamp) -> Result<(), StoreError> {
    let body = serde_json::to_string(&row.alert).map_err(|e| StoreError::Encode(e.to_string()))?;
    db.prepare_cached(
        "INSERT INTO outbox(receiver, alert_id, transition, fingerprint, lane, body, created, due)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 0
         WHERE ?8 OR EXISTS (SELECT 1 FROM outbox WHERE alert_id = ?2 AND receiver = ?1)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        row.receiver,
        row.alert.id,
        row.transition(),
        row.alert.fingerprint,
        row.lane().rank(),
        body,
        now.0,
        row.alert.status == Status::Firing
    ])?;
    Ok(())
}

fn settle(db: &Connection, seq: i64, outcome: &Settle, now: Timestamp) -> Result<(), StoreError> {
    let done = "UPDATE outbox SET leased = 0, state = ?2, settled = ?3, error = ?4 WHERE seq = ?1";
    match outcome {
        Settle::Sent => db.prepare_cached(done)?.execute(params![seq, "sent", now.0, None::<String>])?,
        Settle::SentBut { problem } => db.prepare_cached(done)?.execute(params![seq, "sent", now.0, problem])?,
        Settle::Dead { error } => db.prepare_cached(done)?.execute(params![seq, "dead", now.0, error])?,
        Settle::Retry { due, error } => db
            .prepare_cached(
                "UPDATE outbox SET leased = 0, due = ?2, attempts = attempts + 1, error = ?3 WHERE seq = ?1",
            )?
            .execute(params![seq, due.0, error])?,
        Settle::Release { error } => db
            .prepare_cached("UPDATE outbox SET leased = 0, due = 0, error = ?2 WHERE seq = ?1")?
            .execute(params![seq, error])?,
    };
    Ok(())
}

/// A message may go when it is due and no earlier one of the same fingerprint waits for the same receiver. Digest items
/// (lane 0) hold back only each other.
const READY: &str = "state = 'pending' AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.receiver = o.receiver
     AND p.fingerprint = o.fingerprint AND p.state = 'pending' AND p.seq < o.seq AND (p.lane > 0 OR o.lane = 0))";

impl Store {
    /// Takes up to `limit` messages for `receiver` in `lanes` that may go now, urgent ones first, then oldest first; they
    /// are the caller's until `until`. Never two of one fingerprint, so that order is kept.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn lease(
        &self,
        receiver: &str,
        lanes: RangeInclusive<Lane>,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        let sql = format!(
            "SELECT seq, receiver, body, created, attempts FROM outbox o WHERE receiver = ?1 AND lane BETWEEN ?2 AND ?3
             AND due <= ?4 AND {READY} ORDER BY lane DESC, seq LIMIT ?5"
        );
        let (least, most) = (lanes.start().rank(), lanes.end().rank());
        self.take(&sql, params![receiver, least, most, now.0, limit as i64], until)
    }

    /// Takes every message for `receiver` in `lane` that is due and was written by `before`, whatever its fingerprint,
    /// to be told as one; at most 20,000.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn lease_lane(
        &self,
        receiver: &str,
        lane: Lane,
        before: Timestamp,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Leased>, StoreError> {
        let sql = "SELECT seq, receiver, body, created, attempts FROM outbox WHERE receiver = ?1 AND lane = ?2
                   AND state = 'pending' AND created <= ?3 AND due <= ?4 ORDER BY seq LIMIT 20000";
        self.take(sql, params![receiver, lane.rank(), before.0, now.0], until)
    }

    fn take(&self, sql: &str, what: &[&dyn ToSql], until: Timestamp) -> Result<Vec<Leased>, StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let found = tx.prepare_cached(sql)?.query_map(what, leased)?.collect::<Result<Vec<_>, _>>()?;
        for (seq, ..) in &found {
            tx.prepare_cached("UPDATE outbox SET leased = 1, due = ?2 WHERE seq = ?1")?
                .execute(params![seq, until.0])?;
        }
        tx.commit()?;
        drop(db);
        found.into_iter().map(decode).collect()
    }

    /// The message that [`Store::lease`] would take first, as (place, lane, when it was written); it stays where it is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn peek(
        &self,
        receiver: &str,
        lanes: RangeInclusive<Lane>,
        now: Timestamp,
    ) -> Result<Option<(i64, Lane, Timestamp)>, StoreError> {
        let sql = format!(
            "SELECT seq, lane, created FROM outbox o WHERE receiver = ?1 AND lane BETWEEN ?2 AND ?3 AND due <= ?4
             AND {READY} ORDER BY lane DESC, seq LIMIT 1"
        );
        let what = params![receiver, lanes.start().rank(), lanes.end().rank(), now.0];
        let read = |r: &Row<'_>| Ok((r.get(0)?, Lane::of(r.get(1)?), Timestamp(r.get(2)?)));
        Ok(self.lock().prepare_cached(&sql)?.query_row(what, read).optional()?)
    }

    /// When the next message for `receiver` in `lanes` is due: in the past when one may go now, `None` when none waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn next_due(&self, receiver: &str, lanes: RangeInclusive<Lane>) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!("SELECT min(due) FROM outbox o WHERE receiver = ?1 AND lane BETWEEN ?2 AND ?3 AND {READY}");
        let what = params![receiver, lanes.start().rank(), lanes.end().rank()];
        let due: Option<i64> = self.lock().prepare_cached(&sql)?.query_row(what, |r| r.get(0))?;
        Ok(due.map(Timestamp))
    }

    /// Files what became of leased messages, all alike.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is filed then.
    pub fn settle(&self, seqs: &[i64], outcome: &Settle, now: Timestamp) -> Result<(), StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        for seq in seqs {
            settle(&tx, *seq, outcome, now)?;
        }
        file(&tx, seqs, outcome, now)?;
        tx.commit()?;
        Ok(())
    }
}

/// The counter of attempts and messages, by receiver and outcome.
pub(super) const NOTIFICATIONS: &str = "notifications";

/// Counts what became of messages, and notes it for the audit log when it is final.
fn file(db: &Connection, seqs: &[i64], outcome: &Settle, now: Timestamp) -> Result<(), StoreError> {
    let Some(first) = seqs.first() else { return Ok(()) };
    let mut query = db.prepare_cached("SELECT receiver, alert_id FROM outbox WHERE seq = ?1")?;
    let mut alerts = Vec::new();
    for seq in seqs {
        alerts.push(query.query_row([seq], |r| r.get::<_, String>(1))?);
    }
    let receiver: String = query.query_row([first], |r| r.get(0))?;
    let (word, what, problem) = match outcome {
        Settle::Sent => ("sent", Some("alert.delivered"), None),
        Settle::SentBut { problem } => ("sent", Some("alert.delivered"), Some(problem)),
        Settle::Dead { error } => ("dead", Some("alert.dead"), Some(error)),
        Settle::Retry { .. } | Settle::Release { .. } => ("failed", None, None),
    };
    audit::count(db, NOTIFICATIONS, &receiver, word, seqs.len())?;
    let Some(what) = what else { return Ok(()) };
    alerts.dedup();
    let data =
        json!({ "receiver": receiver, "messages": seqs.len(), "alerts": audit::first(&alerts), "problem": problem });
    audit::note(db, now, what, &alerts, &data)
}

type Raw = (i64, String, String, i64, u32);

fn leased(r: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
}

fn decode((seq, receiver, body, created, attempts): Raw) -> Result<Leased, StoreError> {
    let alert = serde_json::from_str(&body).map_err(|e| StoreError::Encode(e.to_string()))?;
    Ok(Leased { seq, row: OutboxRow { receiver, alert }, created: Timestamp(created), attempts })
}
