//! The outbox by itself: order, leases, reopening.

use logwarden::alert::{Status, Urgency};
use logwarden::store::{Commit, Lane, OutboxRow, RetentionConfig, Settle, Silence, Store};

use super::kit::{START, alert, mins, secs};

fn row(n: u64, key: u64) -> OutboxRow {
    OutboxRow { receiver: "ops".to_owned(), alert: alert(n, key) }
}

fn put(store: &Store, rows: &[OutboxRow]) {
    let alerts: Vec<_> = rows.iter().map(|r| r.alert.clone()).collect();
    store.commit(&Commit { alerts: &alerts, outbox: rows, now: START, ..Commit::default() }).unwrap();
}

fn lease(store: &Store, at: u64) -> Vec<String> {
    let now = START.plus(secs(at));
    store
        .lease("ops", Lane::Normal..=Lane::Urgent, now, now.plus(mins(10)), 100)
        .unwrap()
        .into_iter()
        .map(|l| l.row.alert.summary)
        .collect()
}

#[test]
fn one_message_of_a_fingerprint_goes_at_a_time_and_a_lease_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    put(&store, &[row(1, 1), row(2, 1), row(3, 2)]);
    put(&store, &[row(1, 1)]);
    assert_eq!(lease(&store, 0), ["Alert number 1", "Alert number 3"]);
    assert!(lease(&store, 1).is_empty(), "both are in hand, and number 2 waits behind number 1");
    assert_eq!(lease(&store, 600), ["Alert number 1", "Alert number 3"], "nobody filed an outcome: the lease ended");
    let due = START.plus(mins(60));
    store.settle(&[1], &Settle::Retry { due, error: "boom".to_owned() }, START).unwrap();
    assert_eq!(
        store.next_due("ops", Lane::Normal..=Lane::Urgent).unwrap(),
        Some(START.plus(secs(1_200))),
        "number 3 is in hand until then"
    );
    store.settle(&[3], &Settle::Sent, START).unwrap();
    assert_eq!(store.next_due("ops", Lane::Normal..=Lane::Urgent).unwrap(), Some(due));
    assert!(lease(&store, 3_599).is_empty());
    let again = store.lease("ops", Lane::Normal..=Lane::Urgent, due, due, 9).unwrap();
    assert_eq!((again[0].row.alert.clone(), again[0].attempts), (alert(1, 1), 1));
    store.settle(&[1], &Settle::Release { error: "down".to_owned() }, START).unwrap();
    let again = store.lease("ops", Lane::Normal..=Lane::Urgent, due, due, 9).unwrap();
    assert_eq!(again[0].attempts, 1, "a receiver that is down costs a message no attempt");
    store.settle(&[1], &Settle::Dead { error: "no".to_owned() }, START).unwrap();
    assert_eq!(lease(&store, 0), ["Alert number 2"]);
    store.settle(&[2], &Settle::Sent, START).unwrap();
    assert_eq!(store.next_due("ops", Lane::Normal..=Lane::Urgent).unwrap(), None);
    let receipts = store.receipts(&alert(1, 1).id).unwrap();
    assert_eq!((receipts[0].state.as_str(), receipts[0].attempts), ("dead", 1));
}

#[test]
fn a_reopened_store_sends_what_was_in_hand_and_nothing_that_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    put(&store, &[row(1, 1), row(2, 2), row(3, 3)]);
    assert_eq!(lease(&store, 0).len(), 3);
    store.settle(&[2], &Settle::Sent, START).unwrap();
    drop(store);
    let store = Store::open(dir.path(), START).unwrap();
    assert_eq!(lease(&store, 1), ["Alert number 1", "Alert number 3"]);
}

#[test]
fn digest_items_wait_for_their_mail_and_hold_nobody_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    let mut item = row(1, 1);
    item.alert.urgency = Urgency::Digest;
    put(&store, &[item, row(2, 1)]);
    assert_eq!(lease(&store, 0), ["Alert number 2"]);
    let queue = &store.queues().unwrap()[0];
    assert_eq!((queue.pending, queue.digest), (1, 1));
}

#[test]
fn one_urgent_message_among_ten_thousand_goes_first_and_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    let mut rows: Vec<OutboxRow> = (0..10_000).map(|n| row(n, n % 3)).collect();
    let mut urgent = row(99_999, 7);
    urgent.alert.urgency = Urgency::Page;
    rows.push(urgent);
    put(&store, &rows);
    let start = std::time::Instant::now();
    assert_eq!(lease(&store, 0)[0], "Alert number 99999");
    assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
}

#[test]
fn an_alert_has_a_history() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    put(&store, &[row(1, 1)]);
    let mut over = alert(1, 1);
    (over.status, over.updated_at, over.ends_at) = (Status::Resolved, START.plus(secs(60)), Some(START.plus(secs(60))));
    store.ack(&over.id, "ada", "mine", START.plus(secs(30))).unwrap();
    store.commit(&Commit { alerts: std::slice::from_ref(&over), now: START, ..Commit::default() }).unwrap();
    let what: Vec<String> = store.timeline(&over.id).unwrap().into_iter().map(|c| c.what).collect();
    assert_eq!(what, ["firing", "acked", "resolved"]);
    assert_eq!(store.alerts(9).unwrap(), [over.clone()]);
    assert_eq!(store.find_alerts("01kqfd").unwrap(), [over]);
    assert!(store.find_alerts("%").unwrap().is_empty());
}

#[test]
fn nobody_is_told_of_the_end_who_was_not_told_of_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    let mut over = row(1, 1);
    over.alert.status = Status::Resolved;
    put(&store, std::slice::from_ref(&over));
    assert!(store.queues().unwrap().is_empty());
    put(&store, &[row(1, 1), over]);
    assert_eq!(store.queues().unwrap()[0].pending, 2);
}

#[test]
fn what_is_old_goes_and_what_holds_or_waits_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    let mut over = row(2, 2);
    over.alert.status = Status::Resolved;
    put(&store, &[row(1, 1), row(2, 2), over]);
    let keys = [("k".to_owned(), vec![1])];
    store.commit(&Commit { key_state: &keys, now: START, ..Commit::default() }).unwrap();
    store.settle(&[2, 3], &Settle::Sent, START).unwrap();
    let keep = RetentionConfig { alerts: secs(365 * 86_400), ..RetentionConfig::default() };
    store.maintain(&keep, START.plus(secs(86_400))).unwrap();
    assert_eq!((store.alerts(9).unwrap().len(), store.key_state().unwrap().len()), (2, 1));
    store.maintain(&keep, START.plus(secs(364 * 86_400))).unwrap();
    assert_eq!((store.alerts(9).unwrap().len(), store.key_state().unwrap().len()), (2, 0));
    store.maintain(&keep, START.plus(secs(366 * 86_400))).unwrap();
    let left: Vec<String> = store.alerts(9).unwrap().into_iter().map(|a| a.summary).collect();
    assert_eq!(left, ["Alert number 1"], "it still holds");
    assert!(store.receipts(&alert(2, 2).id).unwrap().is_empty() && store.timeline(&alert(2, 2).id).unwrap().is_empty());
}

#[test]
fn silences_are_kept_until_they_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), START).unwrap();
    let silence = Silence {
        id: "01A".to_owned(),
        matchers: vec!["key=billing-*".parse().unwrap(), "kind=new_ip".parse().unwrap()],
        starts_at: START,
        ends_at: START.plus(mins(60)),
        author: "ada".to_owned(),
        comment: "load test".to_owned(),
    };
    store.silence(&silence).unwrap();
    drop(store);
    let store = Store::open(dir.path(), START).unwrap();
    assert_eq!(store.silences(START).unwrap(), [silence]);
    assert!(store.end_silence("01A", "ada", START.plus(mins(5))).unwrap());
    assert!(!store.end_silence("01A", "ada", START.plus(mins(6))).unwrap());
    assert!(store.silences(START.plus(mins(5))).unwrap().is_empty());
}
