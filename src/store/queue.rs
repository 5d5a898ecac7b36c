//! How the outbox stands: queues, receipts, what was given up.

use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde_json::json;

use super::audit;
use super::db::{Store, StoreError};
use super::history;
use super::outbox::NOTIFICATIONS;
use crate::alert::Alert;
use crate::units::Timestamp;

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
    /// What was not as it should be with one of the last 20 messages that were sent.
    pub flaw: Option<String>,
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
    /// See [`super::OutboxRow::transition`].
    pub transition: String,
    /// `pending`, `sent` or `dead`.
    pub state: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it was written.
    pub created: Timestamp,
    /// When it was sent or given up.
    pub settled: Option<Timestamp>,
    /// The last error, or what was not as it should be.
    pub error: Option<String>,
    /// Whether it leaves with the daily digest.
    pub digest: bool,
}

impl Store {
    /// Gives up every message for `receiver` that was written before `before`, and says how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn expire(&self, receiver: &str, before: Timestamp, error: &str, now: Timestamp) -> Result<usize, StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let many = give_up(&tx, receiver, before, error, now)?;
        tx.commit()?;
        Ok(many)
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
        bodies.iter().map(|b| history::decode(b)).collect()
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
                     ORDER BY seq DESC LIMIT 1),
                    (SELECT error FROM (SELECT seq, error FROM outbox e WHERE e.receiver = o.receiver
                     AND state = 'sent' ORDER BY seq DESC LIMIT 20) WHERE error IS NOT NULL ORDER BY seq DESC LIMIT 1)
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
                flaw: r.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every message about one alert, in the order they were written.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn receipts(&self, alert_id: &str) -> Result<Vec<Receipt>, StoreError> {
        self.select_receipts("alert_id = ?1 ORDER BY seq", params![alert_id])
    }

    fn select_receipts(&self, which: &str, what: &[&dyn ToSql]) -> Result<Vec<Receipt>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(&format!(
            "SELECT seq, receiver, alert_id, transition, state, attempts, created, settled, error, lane = 0
             FROM outbox WHERE {which}"
        ))?;
        let rows = query.query_map(what, |r| {
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
                digest: r.get(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts given-up messages of `receiver` (or of all) back in the queue, and has what waits there tried at once; says
    /// how many were given up and how many waited.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn retry(&self, receiver: Option<&str>, now: Timestamp) -> Result<(usize, usize), StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let waited = tx.execute(
            "UPDATE outbox SET due = ?2 WHERE state = 'pending' AND lane > 0 AND leased = 0
             AND (?1 IS NULL OR receiver = ?1)",
            params![receiver, PRESSED],
        )?;
        let revived = tx.execute(
            "UPDATE outbox SET state = 'pending', due = ?3, attempts = 0, created = ?2, settled = NULL
             WHERE state = 'dead' AND (?1 IS NULL OR receiver = ?1)",
            params![receiver, now.0, PRESSED],
        )?;
        let data = json!({ "receiver": receiver, "revived": revived, "waited": waited });
        audit::note(&tx, now, "alerts.retried", &[], &data)?;
        tx.commit()?;
        Ok((revived, waited))
    }

    /// Whether [`Store::retry`] was asked for `receiver` since the last time this was; answers yes once.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn pressed(&self, receiver: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE receiver = ?1 AND state = 'pending' AND due = ?2)";
        let db = self.lock();
        let pressed: bool = db.prepare_cached(sql)?.query_row(params![receiver, PRESSED], |r| r.get(0))?;
        if pressed {
            db.execute(
                "UPDATE outbox SET due = 0 WHERE receiver = ?1 AND state = 'pending' AND due = ?2",
                params![receiver, PRESSED],
            )?;
        }
        Ok(pressed)
    }

    /// Messages that are not sent, those given up first, then the oldest; at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unsent(&self, limit: usize) -> Result<Vec<Receipt>, StoreError> {
        self.select_receipts("state <> 'sent' ORDER BY state, seq LIMIT ?1", params![limit as i64])
    }

    /// Gives up what waits for receivers other than `known`, and says for whom and how much. Since when they fail is
    /// forgotten.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn give_up_strangers(&self, known: &[&str], now: Timestamp) -> Result<Vec<(String, usize)>, StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let sql = "SELECT DISTINCT receiver FROM outbox WHERE state = 'pending'";
        let names = tx.prepare(sql)?.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let mut strangers = Vec::new();
        let stranger = |name: &String| !known.contains(&name.as_str());
        for name in names.into_iter().filter(stranger) {
            let many =
                give_up(&tx, &name, Timestamp(i64::MAX), "the configuration names no receiver of this name", now)?;
            strangers.push((name, many));
        }
        // one of the same name that comes later begins anew
        let sql = "SELECT a FROM counter WHERE name = ?1";
        let failing =
            tx.prepare(sql)?.query_map([FAILING], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for name in failing.into_iter().filter(stranger) {
            tx.execute("DELETE FROM counter WHERE name = ?1 AND a = ?2", params![FAILING, name])?;
        }
        tx.commit()?;
        Ok(strangers)
    }

    /// Since when `receiver` takes nothing, as it was last kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn failing_since(&self, receiver: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT n FROM counter WHERE name = ?1 AND a = ?2";
        let since = self.lock().prepare_cached(sql)?.query_row(params![FAILING, receiver], |r| r.get(0)).optional()?;
        Ok(since.map(Timestamp))
    }

    /// Keeps since when `receiver` takes nothing; `None` when it takes messages.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn keep_failing(&self, receiver: &str, since: Option<Timestamp>) -> Result<(), StoreError> {
        let db = self.lock();
        match since {
            Some(at) => db
                .prepare_cached("INSERT OR REPLACE INTO counter VALUES (?1, ?2, '', ?3)")?
                .execute(params![FAILING, receiver, at.0])?,
            None => db
                .prepare_cached("DELETE FROM counter WHERE name = ?1 AND a = ?2")?
                .execute(params![FAILING, receiver])?,
        };
        Ok(())
    }

    /// How many attempts and messages there were since the state was begun, as (receiver, outcome, count): `sent`,
    /// `failed` and tried again, `dead`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn notification_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        self.counters(NOTIFICATIONS)
    }
}

/// Gives up every message for `receiver` that waits and was written by `before`.
fn give_up(
    db: &Connection,
    receiver: &str,
    before: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let which = "receiver = ?1 AND state = 'pending' AND created <= ?2";
    let alerts = db
        .prepare(&format!("SELECT DISTINCT alert_id FROM outbox WHERE {which} ORDER BY alert_id"))?
        .query_map(params![receiver, before.0], |r| r.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let many = db.execute(
        &format!("UPDATE outbox SET state = 'dead', leased = 0, settled = ?4, error = ?3 WHERE {which}"),
        params![receiver, before.0, error, now.0],
    )?;
    if many > 0 {
        audit::count(db, NOTIFICATIONS, receiver, "dead", many)?;
        let data = json!({ "receiver": receiver, "messages": many, "alerts": audit::first(&alerts), "problem": error });
        audit::note(db, now, "alert.dead", &alerts, &data)?;
    }
    Ok(many)
}

/// Since when a receiver fails: one moment a receiver, among the counters because it outlives a restart as they do.
const FAILING: &str = "failing_since";

/// The due time of a message that somebody wants tried now.
const PRESSED: i64 = -1;
