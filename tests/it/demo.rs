//! The demonstration of the README: the sample log through the whole road, to a real mail and a signed webhook.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::process::{Running, signal, wait};
use crate::support::{find, logwarden, root, run, skip};

/// The receiver of the demonstration, on ports of its own.
struct Peer {
    _child: Running,
    lines: Receiver<String>,
    seen: String,
}

impl Peer {
    fn start(python: &std::path::Path) -> Self {
        let mut child = Command::new(python)
            .args(["examples/receiver.py", "0", "0"])
            .current_dir(root())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { _child: Running(child), lines, seen: String::new() }
    }

    /// Reads on until `done` holds for all that was seen.
    fn until(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !done(&self.seen) {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{what} did not come; seen:\n{}", self.seen)
                }
            }
        }
    }
}

/// What the documents show of the mails has come; names of keys and numbers may differ.
fn shown_lines_came(seen: &str) {
    let varying = regex::Regex::new(r"0[0-9a-hjkmnp-tv-z]{13}|[0-9]+").unwrap();
    let masked = |line: &str| varying.replace_all(line.trim_end(), "0").into_owned();
    let came: std::collections::BTreeSet<String> = seen.lines().map(masked).collect();
    for page in ["README.md", "docs/getting-started.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let block = text.split("```\nMAIL ").nth(1).unwrap().split("```").next().unwrap();
        for line in format!("MAIL {block}").lines() {
            assert!(came.contains(&masked(line)), "{page} shows a line that did not come: {line}\n{seen}");
        }
    }
}

#[test]
fn the_demonstration_works_as_the_readme_says() {
    let Some(python) = find("python3") else { return skip("demo", "python3 is not installed") };
    let mut peer = Peer::start(&python);
    peer.until("the greeting", |seen| seen.contains("for webhooks on"));
    let ports: Vec<String> =
        peer.seen.split("127.0.0.1:").skip(1).map(|p| p.chars().take_while(char::is_ascii_digit).collect()).collect();

    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("demo/state");
    let config = fs::read_to_string(root().join("examples/demo.toml")).unwrap();
    assert!(["2525", "8025", "target/demo", "[http]"].iter().all(|text| config.contains(text)), "the demo has moved");
    let config = config
        .replace("2525", &ports[0])
        .replace("8025", &ports[1])
        .replace("[http]", "[http]\nlisten = \"127.0.0.1:0\"")
        .replace("target/demo", dir.path().join("demo").to_str().unwrap());
    let path = dir.path().join("demo.toml");
    fs::write(&path, config).unwrap();

    let test = run(&["alerts", "test", "--config", path.to_str().unwrap()], b"");
    assert_eq!(test.code, 0, "{}{}", test.text(), test.err);
    peer.until("the test mail", |seen| seen.contains("MAIL  to you@example.com") && seen.contains("(signature good)"));

    let mut command = logwarden();
    command.args(["run", "--config", path.to_str().unwrap()]).current_dir(root()).stderr(Stdio::null());
    let mut service = Running(command.spawn().unwrap());
    for kind in ["requests in 5 minutes", "outside its hours"] {
        let both = |seen: &str| {
            let mail = seen.lines().any(|l| l.contains("[logwarden] CRITICAL: ") && l.contains(kind));
            mail && seen.lines().any(|l| l.starts_with("      firing: ") && l.contains(kind))
        };
        peer.until(kind, both);
    }
    signal(&service, "-TERM");
    assert_eq!(wait(&mut service, Duration::from_secs(30)), Some(0));
    shown_lines_came(&peer.seen);
    assert!(!peer.seen.contains("SIGNATURE BAD") && !peer.seen.contains("lw_live_"), "{}", peer.seen);

    let raw = fs::read_to_string(root().join("examples/logs/gateway.jsonl")).unwrap();
    let clean = fs::read_to_string(dir.path().join("demo/gateway.jsonl")).unwrap();
    assert_eq!(clean.lines().count(), raw.lines().count());
    assert!(!clean.contains("lw_live_") && clean.contains("[API_KEY:"));
    let list = run(&["alerts", "list", "--state", state.to_str().unwrap()], b"").text();
    assert!(list.contains("volume_spike") && list.contains("after_hours"), "{list}");

    let keys = run(&["keys", "list", "--format", "json", "--state", state.to_str().unwrap()], b"").text();
    let keys: Vec<serde_json::Value> = keys.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let requests: u64 = keys.iter().map(|key| key["requests"].as_u64().unwrap()).sum();
    assert_eq!((keys.len(), requests), (2, raw.lines().count() as u64));
    let busiest = keys.iter().max_by_key(|key| key["requests"].as_u64()).unwrap();
    assert!(busiest["networks"].to_string().contains("192.0.2.0/24"), "{busiest}");
    let tag = busiest["key"].as_str().unwrap();
    let show = run(&["keys", "show", tag, "--state", state.to_str().unwrap()], b"").text();
    assert!(show.starts_with(&format!("[API_KEY:{tag}]\n")) && show.contains("requests"), "{show}");
    // The thief's network is part of the key's use: the policy that is proposed must not be taken as it is.
    assert!(show.contains("alerts      after_hours, volume_spike\n"), "{show}");
    assert!(show.contains("note: there were alerts about it"), "{show}");
    assert_eq!(run(&["keys", "show", "nobody", "--state", state.to_str().unwrap()], b"").code, 1);
}
