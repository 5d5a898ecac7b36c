//! From a line to a message: the service and the filter with detectors and receivers.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::delivery::http::{Receiver, Reply};
use crate::process::{Running, signal, wait};
use crate::support::{logwarden, run_command};

/// A key that nobody has.
fn key() -> String {
    format!("sk-proj-{}", "Zq3vT8wLk1Rb6Yc9Nf2Hx5Jm7Pd4Gs0A".repeat(2))
}

fn line(n: u32) -> String {
    format!("{{\"n\":{n},\"msg\":\"calling upstream with {}\"}}\n", key())
}

fn configure(dir: &Path, url: &str) {
    let root = dir.display();
    let text = format!(
        "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[sinks.out]\ntype = \"file\"\n\
         path = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n[receivers.ops]\ntype = \"webhook\"\n\
         url = \"{url}\"\n"
    );
    fs::write(dir.join("c.toml"), text).unwrap();
}

fn append(dir: &Path, text: &str) {
    let mut log = OpenOptions::new().append(true).create(true).open(dir.join("app.log")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

fn start(dir: &Path) -> Running {
    let errors = OpenOptions::new().create(true).append(true).open(dir.join("errors")).unwrap();
    let config = dir.join("c.toml");
    let child = logwarden().args(["run", "--config"]).arg(config).stdin(Stdio::null()).stderr(errors).spawn();
    Running(child.unwrap())
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}

fn nothing_raw(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().chain(fs::read_dir(dir.join("state")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("app.log") {
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&key()) && !text.contains("Zq3vT8wLk1Rb"), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_becomes_one_message_also_across_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    configure(dir.path(), &receiver.url());
    append(dir.path(), &line(1));
    let mut child = start(dir.path());
    until("the message", || !receiver.seen().is_empty()).await;
    let alert = receiver.seen()[0].json();
    assert_eq!((alert["kind"].as_str(), alert["source"].as_str()), (Some("secret_leaked"), Some("app")));
    let tag = alert["key"]["tag"].as_str().unwrap().to_owned();
    let out = fs::read_to_string(dir.path().join("out.log")).unwrap();
    assert!(out.contains(&format!("[OPENAI_API_KEY:{tag}]")), "{out}");
    child.kill().unwrap();
    child.wait().unwrap();
    // known from before: the same episode goes on
    append(dir.path(), &line(2));
    let mut child = start(dir.path());
    until("the second line", || fs::read_to_string(dir.path().join("out.log")).unwrap().lines().count() == 2).await;
    // what follows from it is committed and sent before the service ends
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    // A kill between the answer and the filing of it doubles the message, under the same id.
    let ids: BTreeSet<String> = receiver.seen().iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "{:?}", receiver.seen());
    assert!(receiver.seen().len() <= 2, "one kill, one double: {:?}", receiver.seen());
    nothing_raw(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_how_lines_are_read() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "http://127.0.0.1:9/");
    append(dir.path(), "{\"time\":1777636800,\"client_ip\":\"192.0.2.8\",\"status\":200,\"duration_ms\":5}\n");
    let mut child = start(dir.path());
    let log = dir.path().join("errors");
    until("the mapping", || fs::read_to_string(&log).unwrap().contains("app: read as")).await;
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("ip /client_ip") && log.contains("latency /duration_ms in ms"), "{log}");
    assert!(!log.contains("192.0.2.8"), "no value stands in our own log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_a_receiver_that_is_down() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "http://127.0.0.1:9/");
    append(dir.path(), &line(1));
    let mut child = start(dir.path());
    until("the line", || dir.path().join("out.log").metadata().is_ok_and(|m| m.len() > 0)).await;
    // the alert is committed with the line that caused it, at most one group later
    tokio::time::sleep(Duration::from_millis(500)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    configure(dir.path(), &receiver.url());
    let mut child = start(dir.path());
    until("the message", || receiver.seen().len() == 1).await;
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    assert_eq!(receiver.seen().len(), 1);
    nothing_raw(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_watches_with_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    configure(dir.path(), &receiver.url());
    let mut command = logwarden();
    // an empty stream, and one that ends before the first look: the message leaves before the process does
    command.arg("--config").arg(dir.path().join("c.toml"));
    let quiet = tokio::task::block_in_place(|| run_command(&mut command, b"nothing to see\n"));
    assert_eq!((quiet.code, quiet.text().as_str()), (0, "nothing to see\n"), "{}", quiet.err);
    assert!(receiver.seen().is_empty());
    let ran = tokio::task::block_in_place(|| run_command(&mut command, line(1).as_bytes()));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let alert = receiver.seen()[0].json();
    let tag = alert["key"]["tag"].as_str().unwrap();
    assert!(ran.text().contains(&format!("[OPENAI_API_KEY:{tag}]")), "{}", ran.text());
    assert_eq!(alert["source"].as_str(), Some("standard input"));
    assert!(!dir.path().join("out.log").exists(), "the filter leaves sinks alone");
    nothing_raw(dir.path());
}

/// A stream that comes in a heap, says nothing more and stays open: what it said is heard all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_filter_tells_of_a_heap_before_it_waits_for_more() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    configure(dir.path(), &receiver.url());
    let mut command = logwarden();
    command.arg("--config").arg(dir.path().join("c.toml")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = Running(command.spawn().unwrap());
    let mut input = child.stdin.take().unwrap();
    let heap = "nothing to see\n".repeat(60_000) + &line(1);
    tokio::task::block_in_place(|| input.write_all(heap.as_bytes())).unwrap();
    until("the message", || receiver.seen().len() == 1).await;
    drop(input);
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
}

/// A day and a half of a key's life in pieces of an hour: quiet, then a flood.
fn piece(hour: i64) -> String {
    let uses = if hour < 32 { 12 } else { 400 };
    let line = |n: i64| {
        let t = 1_777_636_800 + hour * 3600 + n * 3600 / uses;
        let status = if hour % 9 == 8 && n % 2 == 0 { 500 } else { 200 };
        format!(
            "{{\"time\":{t},\"apiKeyId\":\"k{}\",\"client_ip\":\"192.0.{}.1\",\"method\":\"GET\",\"path\":\"/v1/x\",\"status\":{status}}}\n",
            n % 3,
            hour % 2
        )
    };
    (0..uses).map(line).collect()
}

/// What the service remembers and what it told, when it is killed after each piece or never.
async fn life(kill: bool) -> (Vec<serde_json::Value>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "http://127.0.0.1:9/");
    let mut config = OpenOptions::new().append(true).open(dir.path().join("c.toml")).unwrap();
    // The lines are older than they should be; that is not what is tested here.
    config.write_all(b"[detect.source_lag]\nenabled = false\n").unwrap();
    let out = dir.path().join("out.log");
    let mut lines = 0;
    append(dir.path(), "");
    let mut child = start(dir.path());
    for hour in 0..36 {
        let text = piece(hour);
        lines += text.lines().count();
        append(dir.path(), &text);
        until(&format!("piece {hour}"), || fs::read_to_string(&out).is_ok_and(|t| t.lines().count() == lines)).await;
        if kill && hour % 3 == 1 {
            // Perhaps before the piece is committed, perhaps after.
            child.kill().unwrap();
            child.wait().unwrap();
            child = start(dir.path());
        }
    }
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    let state = dir.path().join("state");
    let ask = |verb: &str| {
        let ran = crate::support::run(&[verb, "list", "--format", "json", "--state", state.to_str().unwrap()], b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let text = ran.text();
        text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect(l)).collect::<Vec<_>>()
    };
    let mut keys = ask("keys");
    keys.sort_by_key(|k| k["key"].to_string());
    for key in &mut keys {
        // Which of two was used last within a look depends on how many lines it saw at once.
        key["networks"].as_array_mut().unwrap().sort_by_key(|n| n.to_string());
    }
    let told =
        |a: &serde_json::Value| format!("{} {} {}", a["kind"], a["key"]["tag"], &a["starts_at"].to_string()[..15]);
    let mut alerts: Vec<String> = ask("alerts").iter().map(told).collect();
    alerts.sort();
    alerts.dedup();
    (keys, alerts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_survives_kills_exactly() {
    let (whole, killed) = tokio::join!(life(false), life(true));
    assert_eq!(whole.0.len(), 3);
    assert!(
        whole.1.iter().any(|a| a.contains("volume_spike")) && whole.1.iter().any(|a| a.contains("error_rate")),
        "{:?}",
        whole.1
    );
    assert_eq!(whole, killed);
}
