//! Webhooks against receivers that answer well, badly, late or not at all.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use logwarden::alert::{Status, Urgency};
use logwarden::delivery::Clock as _;

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, mins, secs};
use super::tls::Authority;

fn hook(receiver: &Receiver, more: &str) -> String {
    format!("type = 'webhook'\nurl = '{}'\n{more}", receiver.url())
}

fn state(rig: &Rig, receiver: &str) -> (u64, u64, String) {
    let queues = rig.store.queues().unwrap();
    let q = queues.into_iter().find(|q| q.receiver == receiver).unwrap();
    (q.pending, q.dead, q.error.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_arrives_whole_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Body(200, "fine")).await;
    let key = [7u8; 32];
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let more = format!("secret = '{secret}'\ntoken = 'T0ken'");
    let rig = Rig::new(dir.path(), &[("hook", hook(&http, &more))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(1)).await;
    let [request] = &http.seen()[..] else { panic!("not one request") };
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    assert_eq!(request.json(), serde_json::json!(alert(1, 1)));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("authorization"), "Bearer T0ken");
    let id = request.header("webhook-id");
    assert!(id.starts_with("01KQFD7V000000000000000001.firing-"), "{id}");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{}.", request.header("webhook-timestamp")).as_bytes());
    mac.update(&request.body);
    let want = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(request.header("webhook-signature"), want);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_is_sent_again_under_its_id_in_its_order_and_holds_back_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut failures = 3;
    let http = Receiver::start(move |r| {
        let first = r.json()["id"] == "01KQFD7V000000000000000001";
        if first && failures > 0 {
            failures -= 1;
            return Reply::Body(500, "boom");
        }
        Reply::Status(200, "")
    })
    .await;
    let rig = Rig::new(dir.path(), &[("hook", hook(&http, ""))]);
    let mut over = alert(1, 1);
    over.status = Status::Resolved;
    rig.raise(&[alert(1, 1), over, alert(2, 2)]);
    rig.drain(mins(5)).await;
    let sent: Vec<String> = http.seen().iter().map(|r| r.header("webhook-id").to_owned()).collect();
    let attempts = |n: u64, what: &str| sent.iter().filter(|s| s.contains(&format!("{n}.{what}"))).count();
    assert_eq!((attempts(1, "firing"), attempts(1, "resolved"), attempts(2, "firing")), (4, 1, 1));
    let last_firing = sent.iter().rposition(|s| s.contains("1.firing")).unwrap();
    let resolved = sent.iter().position(|s| s.contains("1.resolved")).unwrap();
    let other = sent.iter().position(|s| s.contains("2.firing")).unwrap();
    assert!(last_firing < resolved && other < last_firing, "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_time_gets_it() {
    for (reply, wait) in [("retry-after: 120\r\n", 120), ("retry-after: Fri, 01 May 2026 12:10:00 GMT\r\n", 600)] {
        let dir = tempfile::tempdir().unwrap();
        let mut first = true;
        let http = Receiver::start(move |_| {
            if std::mem::take(&mut first) { Reply::Status(429, reply) } else { Reply::Status(204, "") }
        })
        .await;
        let rig = Rig::new(dir.path(), &[("hook", hook(&http, ""))]);
        rig.raise(&[alert(1, 1), alert(2, 2)]);
        rig.pass(secs(wait - 1)).await;
        assert_eq!(http.seen().len(), 1, "nothing before {wait} s, also no other message");
        rig.drain(secs(2)).await;
        assert_eq!(
            http.ids(),
            ["01KQFD7V000000000000000001", "01KQFD7V000000000000000001", "01KQFD7V000000000000000002"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_will_never_take_is_put_aside_and_the_others_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let picky = Receiver::start(|r| {
        let poison = r.json()["id"] == "01KQFD7V000000000000000001";
        if poison { Reply::Body(400, "invalid_payload") } else { Reply::Status(200, "") }
    })
    .await;
    let other = Receiver::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::new(dir.path(), &[("other", hook(&other, "")), ("picky", hook(&picky, ""))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(2)).await;
    assert_eq!(state(&rig, "picky"), (0, 1, "answered 400 Bad Request: invalid_payload".to_owned()));
    let told = other.seen().into_iter().map(|r| r.json()).find(|a| a["kind"] == "delivery_failing").unwrap();
    assert!(told["summary"].as_str().unwrap().contains("picky"), "{told}");
    rig.raise(&[alert(2, 1)]);
    rig.drain(secs(2)).await;
    let over = other.seen().into_iter().map(|r| r.json()).find(|a| a["status"] == "resolved").unwrap();
    assert_eq!((&over["kind"], &over["id"]), (&told["kind"], &told["id"]));
    assert_eq!(rig.store.retry(Some("picky"), rig.clock.now()).unwrap(), (1, 0));
    picky.answer(|_| Reply::Status(200, ""));
    rig.pass(secs(31)).await;
    assert_eq!(picky.ids().last().unwrap(), "01KQFD7V000000000000000001", "without a restart");
    assert_eq!(state(&rig, "picky").1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_stays_down_is_given_up_in_the_end_and_told_elsewhere_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let gone = Receiver::start(|_| Reply::Cut).await;
    let other = Receiver::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::new(dir.path(), &[("gone", hook(&gone, "give_up_after = '2h'")), ("other", hook(&other, ""))]);
    rig.raise(&(0..50).map(|n| alert(n, n)).collect::<Vec<_>>());
    rig.pass(mins(5)).await;
    assert!(other.seen().iter().all(|r| r.json()["kind"] != "delivery_failing"), "not yet");
    rig.pass(mins(20)).await;
    assert_eq!(other.seen().iter().filter(|r| r.json()["kind"] == "delivery_failing").count(), 1);
    assert_eq!(state(&rig, "gone").0, 50);
    let tries = gone.seen().len();
    assert!((8..200).contains(&tries), "{tries} attempts in 25 minutes: spaced, and not one for each message");
    rig.pass(mins(120)).await;
    assert_eq!((state(&rig, "gone").0, state(&rig, "gone").1), (0, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_do_not_wait_for_one_another_and_urgent_messages_overtake() {
    let dir = tempfile::tempdir().unwrap();
    let slow = Receiver::start(|_| Reply::Hang).await;
    let fast = Receiver::start(|_| Reply::Status(200, "")).await;
    let mut rig = Rig::stopped(dir.path(), &[("fast", hook(&fast, "")), ("slow", hook(&slow, "timeout = '2s'"))]);
    let mut urgent = alert(999, 999);
    urgent.urgency = Urgency::Page;
    let mut all: Vec<_> = (0..100).map(|n| alert(n, n)).collect();
    all.push(urgent);
    rig.raise(&all);
    rig.start().unwrap();
    let start = std::time::Instant::now();
    while fast.seen().len() < 101 {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", fast.seen().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ids = fast.ids();
    assert_eq!(ids[0], "01KQFD7V000000000000000999");
    assert!(ids[1..].is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_what_may_go_and_leaves_the_rest_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let mut rig = Rig::stopped(dir.path(), &[("hook", hook(&http, "")), ("gone", hook(&http, ""))]);
    rig.raise(&(0..20).map(|n| alert(n, n)).collect::<Vec<_>>());
    rig.start().unwrap();
    let store = rig.stop().await;
    assert_eq!(http.seen().len(), 40);
    drop(store);
    http.answer(|_| Reply::Cut);
    let rig = Rig::new(dir.path(), &[("hook", hook(&http, ""))]);
    rig.raise(&[alert(99, 1)]);
    rig.pass(secs(1)).await;
    let start = std::time::Instant::now();
    let store = rig.stop().await;
    assert!(start.elapsed() < secs(3), "a receiver that is down does not hold up the end");
    assert_eq!(store.queues().unwrap().iter().map(|q| q.pending).sum::<u64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_is_reminded_of_what_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::new(dir.path(), &[("am", hook(&http, "format = 'alertmanager'"))]);
    rig.raise(&[alert(1, 1), alert(2, 2)]);
    rig.pass(mins(5)).await;
    assert!(http.seen().iter().all(|r| r.line == "POST /hook/api/v2/alerts HTTP/1.1"));
    let reminders = http.seen().iter().filter(|r| r.json().as_array().unwrap().len() == 2).count();
    assert!((4..=6).contains(&reminders), "{reminders}");
    let mut over = alert(1, 1);
    (over.status, over.ends_at) = (Status::Resolved, Some(over.updated_at));
    rig.raise(&[over]);
    rig.pass(mins(3)).await;
    let last = http.seen().pop().unwrap().json();
    assert_eq!((last.as_array().unwrap().len(), &last[0]["annotations"]["summary"]), (1, &"Alert number 2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let good = Receiver::start_tls(authority.server(false)).await;
    let expired = Receiver::start_tls(authority.server(true)).await;
    let hook = |receiver: &Receiver, ca: bool| {
        let ca = if ca { format!("ca_file = '{}'", authority.ca_file.display()) } else { String::new() };
        format!("type = 'webhook'\nurl = 'https://{}/hook'\n{ca}", receiver.address)
    };
    let receivers = [("expired", hook(&expired, true)), ("good", hook(&good, true)), ("stranger", hook(&good, false))];
    let rig = Rig::new(&dir.path().join("state"), &receivers);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(5)).await;
    assert_eq!(state(&rig, "good").0, 0);
    assert_eq!(good.seen().len(), 1);
    let (expired_error, stranger_error) = (state(&rig, "expired").2, state(&rig, "stranger").2);
    assert!(expired_error.contains("expired"), "{expired_error}");
    assert!(stranger_error.contains("signed by nobody we trust"), "{stranger_error}");
    assert!(expired.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_cannot_work_are_refused_at_the_start() {
    let cases = [
        ("type = 'webhook'\nurl = 'http://hooks.example.com/x'", "plain http"),
        ("type = 'webhook'\nurl = 'https://10.0.0.1/x'", "allow_private"),
        ("type = 'webhook'\nurl = 'https://169.254.169.254/latest/meta-data'", "allow_private"),
        ("type = 'webhook'", "`url` is missing"),
        ("type = 'webhook'\nformat = 'pagerduty'", "`token` is missing"),
        ("type = 'webhook'\nurl = '${env:LOGWARDEN_TEST_NOT_SET}'", "LOGWARDEN_TEST_NOT_SET"),
        ("type = 'webhook'\nurl = 'https://e.example/'\nsecret = 'hunter2'", "whsec_"),
        ("type = 'email'\nhost = 'mail.example.com'\ntls = 'off'\nfrom = 'a@b.c'\nto = ['a@b.c']", "this machine"),
    ];
    for (text, want) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::stopped(dir.path(), &[("hook", text.to_owned())]);
        let error = rig.start().err().unwrap().to_string();
        assert!(error.starts_with("receivers.hook: ") && error.contains(want) && !error.contains("hunter2"), "{error}");
    }
}
