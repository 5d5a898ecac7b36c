//! kill -9 at random moments around delivery: every alert arrives, a kill doubles one at most, under the same id.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use logwarden::delivery::{Delivery, Router, Setup, SystemClock};
use logwarden::store::{Commit, Store};
use tokio::runtime::Handle;

use super::http::{Receiver, Reply};
use super::kit::{START, alert, receiver, redactor};

const STATE: &str = "LOGWARDEN_TEST_KILL_STATE";
const URL: &str = "LOGWARDEN_TEST_KILL_URL";

/// The victim: raises an alert every few milliseconds and delivers.
async fn victim(dir: &Path, url: &str, alerts: u64) {
    let store = Arc::new(Store::open(dir, START).unwrap());
    let config = receiver(&format!("type = 'webhook'\nurl = '{url}'"));
    let receivers = BTreeMap::from([("hook".to_owned(), config)]);
    let router = Router::new(&[], ["hook"]);
    let setup = Setup {
        receivers: &receivers,
        router: router.clone(),
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        host: "web-1".to_owned(),
        redactor: redactor(),
    };
    let delivery = Delivery::start(setup, &Handle::current()).unwrap();
    let first = store.alerts(1).unwrap().first().map_or(0, |a| a.id[8..].parse::<u64>().unwrap() + 1);
    for n in first..first + alerts {
        let alert = alert(n, n % 4);
        let outbox = router.rows(&alert, START);
        let alerts = std::slice::from_ref(&alert);
        store.commit(&Commit { alerts, outbox: &outbox, now: START, ..Commit::default() }).unwrap();
        delivery.wake();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    delivery.stop(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing() {
    if let (Ok(dir), Ok(url)) = (std::env::var(STATE), std::env::var(URL)) {
        return victim(Path::new(&dir), &url, 1_000_000).await;
    }
    let kills = if std::env::var_os("LOGWARDEN_NIGHTLY").is_some() { 200 } else { 20 };
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "delivery::kill::a_killed_process_loses_nothing"])
            .env(STATE, &state)
            .env(URL, http.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = http.seen().len();
        let start = std::time::Instant::now();
        while http.seen().len() < before + 3 {
            assert!(start.elapsed() < Duration::from_secs(30), "victim {kill} sends nothing");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // A different moment each time: the victim's own pace is the randomness.
        tokio::time::sleep(Duration::from_micros(kill * 731 % 20_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    victim(&state, &http.url(), 1).await;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in http.seen() {
        let id = request.json()["id"].as_str().unwrap().to_owned();
        seen.entry(id).or_default().push(request.header("webhook-id").to_owned());
    }
    let store = Store::open(&state, START).unwrap();
    let written = store.alerts(1_000_000).unwrap();
    assert!(written.len() > kills as usize * 3, "{}", written.len());
    for alert in &written {
        assert!(seen.contains_key(&alert.id), "{} was lost", alert.id);
    }
    let doubles: usize = seen.values().map(|ids| ids.len() - 1).sum();
    eprintln!("{kills} kills, {} alerts, none lost, {doubles} doubled", written.len());
    assert!(doubles <= kills as usize, "{doubles} doubles after {kills} kills");
    assert!(seen.values().all(|ids| ids.iter().all(|id| *id == ids[0])), "a double carries its first id");
}
