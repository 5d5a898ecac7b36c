//! Alerts as they were, and what happened to each of them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
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

/// Which alerts are wanted; `None` is any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// `firing` or `resolved`.
    pub status: Option<&'a str>,
    /// The kind.
    pub kind: Option<&'a str>,
    /// The severity.
    pub severity: Option<&'a str>,
    /// The key's tag.
    pub tag: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// A condition for each that is given, and its value.
    fn conditions(&self) -> (String, Vec<&'a str>) {
        let given = [
            ("status", self.status),
            ("kind", self.kind),
            ("json_extract(body, '$.severity')", self.severity),
            ("tag", self.tag),
        ];
        let (mut sql, mut values) = (String::from("TRUE"), Vec::new());
        for (column, value) in given {
            match value {
                // the index of those that hold is for this very word
                Some("firing") if column == "status" => sql.push_str(" AND status = 'firing'"),
                Some(value) => {
                    values.push(value);
                    sql.push_str(&format!(" AND {column} = ?{}", values.len()));
                }
                None => {}
            }
        }
        (sql, values)
    }
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

    /// How many alerts are as wanted, and `limit` of them behind the first `offset`, the one that changed last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn alert_page(
        &self,
        wanted: Wanted<'_>,
        limit: usize,
        offset: usize,
    ) -> Result<(usize, Vec<Alert>), StoreError> {
        let (conditions, values) = wanted.conditions();
        let db = self.lock();
        let mut count = db.prepare_cached(&format!("SELECT count(*) FROM alert WHERE {conditions}"))?;
        let matched: i64 = count.query_row(params_from_iter(&values), |r| r.get(0))?;
        let (limit, offset) = (limit, i64::try_from(offset).unwrap_or(i64::MAX));
        // the page is chosen by its ids, so that the bodies of the others are not read
        let mut page = db.prepare_cached(&format!(
            "SELECT body FROM alert WHERE id IN (SELECT id FROM alert WHERE {conditions}
             ORDER BY updated_at DESC, id DESC LIMIT {limit} OFFSET {offset}) ORDER BY updated_at DESC, id DESC"
        ))?;
        let bodies = page.query_map(params_from_iter(&values), |r| r.get::<_, String>(0))?;
        let alerts = bodies.map(|body| decode(&body?)).collect::<Result<_, StoreError>>()?;
        Ok((usize::try_from(matched).unwrap_or(0), alerts))
    }

    /// The alert with this id (case does not matter).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn alert(&self, id: &str) -> Result<Option<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT body FROM alert WHERE id = ?1")?;
        let body = query.query_row([id.to_ascii_uppercase()], |r| r.get::<_, String>(0)).optional()?;
        body.as_deref().map(decode).transpose()
    }

    /// The alerts whose id begins with `id` (case does not matter): none, the one, or several when it is too short.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_alerts(&self, id: &str) -> Result<Vec<Alert>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT body FROM alert WHERE id >= ?1 AND id < ?1 || char(0x10ffff) ORDER BY id LIMIT 10",
        )?;
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

    /// Whether somebody has taken the alert with this id in hand.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn was_acked(&self, alert_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM change WHERE alert_id = ?1 AND what = ?2)";
        Ok(self.lock().prepare_cached(sql)?.query_row([alert_id, ACKED], |r| r.get(0))?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertKey, Severity};
    use crate::store::Commit;

    fn alert(n: i64) -> Alert {
        let mut alert: Alert = serde_json::from_value(json!({
            "schema": Alert::SCHEMA, "id": format!("01K{n:023}"), "status": "firing", "kind": "new_ip",
            "severity": "info", "urgency": "digest", "key": null, "source": null, "fingerprint": format!("{n:032x}"),
            "starts_at": "2026-05-01T12:00:00Z", "ends_at": null, "updated_at": "2026-05-01T12:00:00Z",
            "summary": "", "why": "", "evidence": {"unit": "", "observed": null, "expected": null, "threshold": null,
            "window_s": null, "score": null, "networks": [], "lines": []}, "likely_causes": [], "runbook": [],
            "count": 1, "host": "", "links": {"page": null},
        }))
        .unwrap();
        let tag = format!("t{}", n % 10);
        alert.updated_at = Timestamp::from_secs(1_777_636_800 + n % 7);
        alert.key = (n % 2 == 0).then(|| AlertKey { kind: "API_KEY".to_owned(), tag, label: None, group: None });
        (alert.status, alert.severity) = match n % 3 {
            0 => (Status::Resolved, Severity::Critical),
            _ => (Status::Firing, Severity::Info),
        };
        alert
    }

    #[test]
    fn a_page_of_alerts_is_a_part_of_all_that_are_wanted() {
        let store = Store::in_memory().unwrap();
        let all: Vec<Alert> = (0..100).map(alert).collect();
        store.commit(&Commit { alerts: &all, ..Commit::default() }).unwrap();
        let listed = store.alerts(1_000).unwrap();
        let check = |wanted: Wanted<'_>, fits: &dyn Fn(&Alert) -> bool| {
            let fitting: Vec<Alert> = listed.iter().filter(|a| fits(a)).cloned().collect();
            for (offset, limit) in [(0, 7), (5, 7), (90, 50), (1_000, 5), (usize::MAX, 1)] {
                let (matched, page) = store.alert_page(wanted, limit, offset).unwrap();
                let want: Vec<_> = fitting.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!((matched, page), (fitting.len(), want), "{wanted:?} {offset} {limit}");
            }
            fitting.len()
        };
        let none = Wanted::default();
        assert_eq!(check(none, &|_| true), 100);
        let firing = |a: &Alert| a.status == Status::Firing;
        assert_eq!(check(Wanted { status: Some("firing"), ..none }, &firing), 66);
        let severe = |a: &Alert| a.severity == Severity::Critical && a.status == Status::Resolved;
        assert_eq!(check(Wanted { severity: Some("critical"), status: Some("resolved"), ..none }, &severe), 34);
        let of = |a: &Alert| a.key.as_ref().is_some_and(|k| k.tag == "t4") && a.kind == "new_ip";
        assert_eq!(check(Wanted { tag: Some("t4"), kind: Some("new_ip"), ..none }, &of), 10);
        assert_eq!(check(Wanted { kind: Some("' OR 1 --"), ..none }, &|_| false), 0);
        let one = &all[42];
        assert_eq!(store.alert(&one.id.to_lowercase()).unwrap().as_ref(), Some(one));
        assert_eq!((store.alert("01K").unwrap(), store.alert("%").unwrap()), (None, None));
        store.ack(&one.id, "ada", "", Timestamp(1)).unwrap();
        assert!(store.was_acked(&one.id).unwrap() && !store.was_acked(&all[41].id).unwrap());
        let found = |id: &str| store.find_alerts(id).unwrap().len();
        assert_eq!((found("01k"), found(&one.id.to_lowercase()), found("02"), found("%")), (10, 1, 0, 0));
    }
}
