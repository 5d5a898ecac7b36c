//! Messages that wait to be sent. Each is written in the same transaction as its cause, before anything is sent.

use rusqlite::{Connection, OptionalExtension, Row, params};

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
        match (self.alert.urgency, self.alert.severity) {
            (Urgency::Page, _) | (_, Severity::Critical) => Lane::Urgent,
            (Urgency::Ticket, _) => Lane::Normal,
            (Urgency::Digest, _) => Lane::Digest,
        }
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
    fn rank(self) -> i64 {
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

/// How a receiver's queue stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// The receiver's name in the configuration.
    pub receiver: String,
    /// Messages that wait, digest items not counted.
    pub pending: u64,
    /// Items that wait for the daily summary.
    pub digest: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// When the oldest waiting message was written.
    pub oldest: Option<Timestamp>,
    /// The last error of a message that waits or was given up.
    pub error: Option<String>,
}

/// A message that was sent or is on its way, as `alerts show` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the outbox.
    pub seq: i64,
    /// The receiver's name in the configuration.
    pub receiver: String,
    /// The alert.
    pub alert_id: String,
    /// See [`OutboxRow::transition`].
    pub transition: String,
    /// `pending`, `sent` or `dead`.
    pub state: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it was written.
    pub created: Timestamp,
    /// When it was sent or given up.
    pub settled: Option<Timestamp>,
    /// The last error.
    pub error: Option<String>,
}

/// Inserts a message; one that is already there (same receiver, alert and transition) stays as it is.
pub(super) fn insert(db: &Connection, row: &OutboxRow, now: Timestamp) -> Result<(), StoreError> {
    let body = serde_json::to_string(&row.alert).map_err(|e| StoreError::Encode(e.to_string()))?;
    db.prepare_cached(
        "INSERT INTO outbox(receiver, alert_id, transition, fingerprint, lane, body, created, due)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        row.receiver,
        row.alert.id,
        row.transition(),
        row.alert.fingerprint,
        row.lane().rank(),
        body,
        now.0
    ])?;
    Ok(())
}

/// A message may go when it is due and no earlier one of the same fingerprint waits for the same receiver. Digest items
/// (lane 0) hold back only each other.
const READY: &str = "state = 'pending' AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.receiver = o.receiver
     AND p.fingerprint = o.fingerprint AND p.state = 'pending' AND p.seq < o.seq AND (p.lane > 0 OR o.lane = 0))";

impl Store {
    /// Takes up to `limit` messages for `receiver` that may go now, urgent ones first, then oldest first; they are the
    /// caller's until `until`. Never two of one fingerprint, so that order is kept; never a digest item.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn lease(
        &self,
        receiver: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let leased = {
            let sql = format!(
                "SELECT seq, receiver, body, created, attempts FROM outbox o
                 WHERE receiver = ?1 AND lane > 0 AND due <= ?2 AND {READY} ORDER BY lane DESC, seq LIMIT ?3"
            );
            let mut query = tx.prepare_cached(&sql)?;
            let found =
                query.query_map(params![receiver, now.0, limit as i64], leased)?.collect::<Result<Vec<_>, _>>()?;
            let mut take = tx.prepare_cached("UPDATE outbox SET leased = 1, due = ?2 WHERE seq = ?1")?;
            for (seq, ..) in &found {
                take.execute(params![seq, until.0])?;
            }
            found
        };
        tx.commit()?;
        leased.into_iter().map(decode).collect()
    }

    /// When the next message for `receiver` is due: in the past when one may go now, `None` when none waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn next_due(&self, receiver: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!("SELECT min(due) FROM outbox o WHERE receiver = ?1 AND lane > 0 AND {READY}");
        let due: Option<Option<i64>> =
            self.lock().prepare_cached(&sql)?.query_row([receiver], |r| r.get(0)).optional()?;
        Ok(due.flatten().map(Timestamp))
    }

    /// Files what became of a leased message.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn settle(&self, seq: i64, outcome: &Settle, now: Timestamp) -> Result<(), StoreError> {
        let db = self.lock();
        let done = "UPDATE outbox SET leased = 0, state = ?2, settled = ?3, error = ?4 WHERE seq = ?1";
        match outcome {
            Settle::Sent => db.prepare_cached(done)?.execute(params![seq, "sent", now.0, None::<String>])?,
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

    /// Gives up every message for `receiver` that was written before `before`, and says how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn expire(&self, receiver: &str, before: Timestamp, error: &str, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock().execute(
            "UPDATE outbox SET state = 'dead', leased = 0, settled = ?4, error = ?3
             WHERE receiver = ?1 AND state = 'pending' AND created <= ?2",
            params![receiver, before.0, error, now.0],
        )?)
    }

    /// Alerts that still hold and that `receiver` has been told of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_alerts(&self, receiver: &str) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT body FROM alert WHERE status = 'firing' AND id IN
                 (SELECT alert_id FROM outbox WHERE receiver = ?1 AND state = 'sent') ORDER BY id",
        )?;
        let bodies = query.query_map([receiver], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        bodies.iter().map(|b| super::history::decode(b)).collect()
    }

    /// How the queue of every receiver that ever had a message stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn queues(&self) -> Result<Vec<QueueState>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT receiver, sum(state = 'pending' AND lane > 0), sum(state = 'pending' AND lane = 0),
                    sum(state = 'dead'), min(CASE WHEN state = 'pending' THEN created END),
                    (SELECT error FROM outbox e WHERE e.receiver = o.receiver AND state <> 'sent' AND error IS NOT NULL
                     ORDER BY seq DESC LIMIT 1)
             FROM outbox o GROUP BY receiver ORDER BY receiver",
        )?;
        let rows = query.query_map([], |r| {
            Ok(QueueState {
                receiver: r.get(0)?,
                pending: r.get::<_, i64>(1)?.unsigned_abs(),
                digest: r.get::<_, i64>(2)?.unsigned_abs(),
                dead: r.get::<_, i64>(3)?.unsigned_abs(),
                oldest: r.get::<_, Option<i64>>(4)?.map(Timestamp),
                error: r.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every message about one alert, in the order they were written.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipts(&self, alert_id: &str) -> Result<Vec<Receipt>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT seq, receiver, alert_id, transition, state, attempts, created, settled, error
             FROM outbox WHERE alert_id = ?1 ORDER BY seq",
        )?;
        let rows = query.query_map([alert_id], |r| {
            Ok(Receipt {
                seq: r.get(0)?,
                receiver: r.get(1)?,
                alert_id: r.get(2)?,
                transition: r.get(3)?,
                state: r.get(4)?,
                attempts: r.get(5)?,
                created: Timestamp(r.get(6)?),
                settled: r.get::<_, Option<i64>>(7)?.map(Timestamp),
                error: r.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts given-up messages of `receiver` (or of all) back in the queue and says how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn revive(&self, receiver: Option<&str>, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock().execute(
            "UPDATE outbox SET state = 'pending', due = 0, attempts = 0, created = ?2, settled = NULL
             WHERE state = 'dead' AND (?1 IS NULL OR receiver = ?1)",
            params![receiver, now.0],
        )?)
    }
}

type Raw = (i64, String, String, i64, u32);

fn leased(r: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
}

fn decode((seq, receiver, body, created, attempts): Raw) -> Result<Leased, StoreError> {
    let alert = serde_json::from_str(&body).map_err(|e| StoreError::Encode(e.to_string()))?;
    Ok(Leased { seq, row: OutboxRow { receiver, alert }, created: Timestamp(created), attempts })
}
