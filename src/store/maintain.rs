//! What is old, or too much, goes; and that it went is noted for the audit log.

use rusqlite::params;
use serde_json::json;

use super::audit;
use super::config::RetentionConfig;
use super::db::{Store, StoreError};
use crate::units::Timestamp;

/// The alerts that go: those that are over and older than `?1`, and the oldest of them beyond `?2`.
const GONE: &str = "SELECT id FROM alert WHERE status <> 'firing' AND (updated_at < ?1 OR id NOT IN
     (SELECT id FROM alert WHERE status <> 'firing' ORDER BY updated_at DESC, id DESC LIMIT ?2))";

impl Store {
    /// Removes what `keep` does not keep and gives the space back: receipts, alerts that are over with their timelines,
    /// silences that ended, keys not seen, old files of the audit log. For once an hour or so.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn maintain(&self, keep: &RetentionConfig, now: Timestamp) -> Result<(), StoreError> {
        let keys = self.expire_keys(keep.keys, now)?;
        if keys > 0 {
            let data = json!({ "keys": keys, "not_seen_since": now.minus(keep.keys) });
            self.audit("retention.keys", &data, now)?;
        }
        self.expire_alerts(keep, now)?;
        self.expire_audit(keep.audit, keep.audit_total, now)?;
        let db = self.lock();
        db.execute_batch("PRAGMA optimize")?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn expire_alerts(&self, keep: &RetentionConfig, now: Timestamp) -> Result<(), StoreError> {
        let before = now.minus(keep.alerts);
        let most = if keep.alerts_most == 0 { -1 } else { i64::try_from(keep.alerts_most).unwrap_or(i64::MAX) };
        let mut db = self.lock();
        let tx = db.transaction()?;
        let gone = params![before.0, most];
        for table in ["change", "audit_trail"] {
            tx.execute(&format!("DELETE FROM {table} WHERE alert_id IN ({GONE})"), gone)?;
        }
        let receipts = "DELETE FROM outbox WHERE state <> 'pending' AND";
        let old = tx.execute(&format!("{receipts} coalesce(settled, created) < ?1"), [before.0])?;
        let receipts = old + tx.execute(&format!("{receipts} alert_id IN ({GONE})"), gone)?;
        let alerts = tx.execute(&format!("DELETE FROM alert WHERE id IN ({GONE})"), gone)?;
        let silences = tx.execute("DELETE FROM silence WHERE ends_at < ?1", [before.0])?;
        if alerts + receipts + silences > 0 {
            let data = json!({ "alerts": alerts, "receipts": receipts, "silences": silences, "before": before });
            audit::note(&tx, now, "retention.alerts", &[], &data)?;
        }
        tx.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::{Alert, Status};
    use crate::audit::records;
    use crate::store::{Commit, OutboxRow, Settle};

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);
    const DAY: Duration = Duration::from_secs(86_400);

    fn alert(n: u64, status: Status, at: Timestamp) -> Alert {
        let body = json!({"schema": "logwarden.alert/v1", "id": format!("{n:026}"), "status": "firing", "kind": "new_ip",
            "severity": "warning", "urgency": "ticket", "key": null, "source": null, "fingerprint": format!("{n:032}"),
            "starts_at": at, "ends_at": null, "updated_at": at, "summary": "", "why": "",
            "evidence": {"unit": "", "observed": null, "expected": null, "threshold": null, "window_s": null,
            "score": null, "networks": [], "lines": ["a line"]}, "likely_causes": [], "runbook": [], "count": 1,
            "host": "", "links": {"page": null}});
        Alert { status, ..serde_json::from_value(body).unwrap() }
    }

    fn put(store: &Store, alert: &Alert, at: Timestamp) {
        let rows = [OutboxRow { receiver: "ops".to_owned(), alert: alert.clone() }];
        let alerts = std::slice::from_ref(alert);
        store.commit(&Commit { alerts, outbox: &rows, now: at, ..Commit::default() }).unwrap();
    }

    #[test]
    fn what_is_old_or_too_much_goes_and_that_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), NOW).unwrap();
        let keep = RetentionConfig { alerts_most: 5, ..RetentionConfig::default() };
        // one that still holds, one over long ago, and eight over lately
        put(&store, &alert(1, Status::Firing, NOW), NOW);
        for n in 2..11u64 {
            let at = if n == 2 { NOW } else { NOW.plus(DAY * 80 + DAY * n as u32) };
            put(&store, &alert(n, Status::Firing, at), at);
            put(&store, &alert(n, Status::Resolved, at.plus(DAY)), at.plus(DAY));
        }
        let seqs: Vec<i64> = (1..20).collect();
        store.settle(&seqs[1..19], &Settle::Sent, NOW.plus(DAY * 91)).unwrap();
        store.commit(&Commit { key_state: &[("k".to_owned(), vec![1])], now: NOW, ..Commit::default() }).unwrap();
        store.flush_audit().unwrap();
        let ids = |store: &Store| {
            let mut ids: Vec<u64> = store.alerts(100).unwrap().iter().map(|a| a.id.parse().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        store.maintain(&keep, NOW.plus(DAY * 89)).unwrap();
        assert_eq!(ids(&store), [1, 6, 7, 8, 9, 10], "the oldest beyond five, and none that still holds");
        assert_eq!(store.key_state().unwrap().len(), 1);
        store.maintain(&keep, NOW.plus(DAY * 92)).unwrap();
        assert!(store.key_state().unwrap().is_empty());
        assert_eq!(store.audit_trail(&format!("{:026}", 10)).unwrap().len(), 3, "firing, resolved, told");
        assert_eq!(store.audit_trail(&format!("{:026}", 3)).unwrap(), []);
        store.maintain(&keep, NOW.plus(DAY * 300)).unwrap();
        assert_eq!(ids(&store), [1]);
        let pending = store.receipts(&format!("{:026}", 1)).unwrap();
        assert_eq!(pending.len(), 1, "a message that waits is never removed");
        store.flush_audit().unwrap();
        let mut told = Vec::new();
        records(dir.path(), |r, _| {
            if r.what.starts_with("retention.") {
                let n = r.data.get("alerts").or(r.data.get("keys")).cloned();
                told.push((r.what, n.unwrap()));
            }
        })
        .unwrap();
        let told: Vec<_> = told.iter().map(|(what, n)| (what.as_str(), n.as_u64().unwrap())).collect();
        assert_eq!(told, [("retention.alerts", 4), ("retention.keys", 1), ("retention.alerts", 5)]);
        let mut first = None;
        records(dir.path(), |r, line| {
            if r.what == "alert.firing" && first.is_none() {
                first = Some((r.data, String::from_utf8_lossy(line).into_owned()));
            }
        })
        .unwrap();
        let (data, line) = first.unwrap();
        assert_eq!((&data["lines"]["count"], line.contains("a line")), (&json!(1), false), "lines stay in the history");
    }
}
