//! The audit log of the running service: what is in it, that it outlives kills, and that tampering is found.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Running, grows_to, signal, wait};
use crate::support::{Ran, logwarden, run};

/// A service that follows one file.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("app.log"), "{\"password\":\"hunter2hunter2\"}\nnothing\n").unwrap();
        place.configure("");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, more: &str) {
        let root = self.0.path().display();
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[sinks.out]\ntype = \"file\"\n\
             path = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n{more}"
        );
        fs::write(self.path("c.toml"), text).unwrap();
    }

    fn start(&self) -> Running {
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = logwarden();
        command.arg("run").arg("--config").arg(self.path("c.toml")).stdin(Stdio::null()).stderr(errors);
        Running(command.spawn().unwrap())
    }

    fn verb(&self, args: &[&str]) -> Ran {
        let state = self.path("state");
        run(&[args, &["--state", state.to_str().unwrap()]].concat(), b"")
    }

    fn exported(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.verb(&[&["audit", "export"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn whats(&self) -> Vec<String> {
        self.exported(&[]).iter().map(|r| r["what"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the log has a record of this kind at its `n`th place or later.
    fn expect(&self, what: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.path("state/audit").is_dir() && self.whats().iter().any(|w| w == what) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no {what}: {:?}\n{}", self.whats(), fs::read_to_string(self.path("errors")).unwrap());
    }

    fn file(&self) -> PathBuf {
        let in_order = |dir: &Path| {
            let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
            files.sort();
            files
        };
        in_order(&self.path("state/audit")).pop().unwrap()
    }
}

#[test]
fn what_the_service_does_is_recorded_and_tampering_is_named() {
    let place = Place::new();
    let mut child = place.start();
    place.expect("service.started");
    place.configure("[sorces.x]\n");
    signal(&child, "-HUP");
    place.expect("config.refused");
    place.configure("[retention]\nlogs = \"30d\"\n");
    signal(&child, "-HUP");
    place.expect("config.loaded");
    let ran = place.verb(&["alerts", "silence", "add", "kind=new_ip", "-m", "moving, password=hunter2hunter2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    place.expect("silence.added");
    assert_eq!(place.verb(&["keys", "rotate"]).code, 0);
    place.expect("pseudonyms.rotated");
    // with a socket the service hears it, and its page knows at once
    place.configure("[retention]\nlogs = \"30d\"\n[http]\nlisten = \"127.0.0.1:0\"\n");
    signal(&child, "-HUP");
    assert!(grows_to(2, || place.exported(&["--what", "config.loaded"]).len() as u64));
    let list = place.verb(&["alerts", "silence", "list"]).text();
    let id = list.split(' ').next().unwrap().to_owned();
    let ran = place.verb(&["alerts", "silence", "end", &id]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = place.verb(&["alerts", "silence", "end", &id]);
    assert!(ran.code == 1 && ran.err.contains("no silence"), "{}", ran.err);
    let ran = place.verb(&["alerts", "silence", "add", "key=x", "--for", "90m"]);
    assert!(ran.code == 0 && ran.text().contains("key=x"), "{}{}", ran.text(), ran.err);
    place.expect("silence.ended");
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    let all = place.exported(&[]);
    let whats: Vec<&str> = all.iter().map(|r| r["what"].as_str().unwrap()).collect();
    let order = [
        "service.started",
        "config.refused",
        "config.loaded",
        "silence.added",
        "pseudonyms.rotated",
        "config.loaded",
        "silence.ended",
        "silence.added",
        "service.stopped",
    ];
    let seen: Vec<&&str> = whats.iter().filter(|w| order.contains(w)).collect();
    assert_eq!(seen, order.iter().collect::<Vec<_>>());
    let find = |what: &str| &all.iter().find(|r| r["what"] == what).unwrap()["data"];
    assert!(find("config.refused")["why"].as_str().unwrap().contains("unknown section `sorces`"));
    assert_eq!(find("service.stopped")["why"], "SIGTERM");
    assert_eq!(find("silence.added")["comment"], "moving, password=[PASSWORD]");
    let digests = ["service.started", "config.loaded"].map(|what| find(what)["config_sha256"].as_str().unwrap());
    assert!(digests[0].len() == 64 && digests[0] != digests[1], "the configuration is another one: {digests:?}");
    assert_eq!(find("service.started")["rules_sha256"], find("config.loaded")["rules_sha256"]);
    let counted: u64 =
        all.iter().filter(|r| r["what"] == "redactions").map(|r| r["data"]["lines"].as_u64().unwrap()).sum();
    assert_eq!(counted, 2);
    assert!(!fs::read_to_string(place.file()).unwrap().contains("hunter2"));
    assert_eq!(place.exported(&["--what", "config."]).len(), 3);
    assert_eq!(place.exported(&["--since", "1h"]).len(), all.len());
    assert_eq!(place.exported(&["--until", "2020-01-01"]).len(), 0);

    let ran = place.verb(&["audit", "verify"]);
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    let head = ran.text().lines().find_map(|line| line.strip_prefix("head ").map(str::to_owned)).unwrap();
    let whole = fs::read_to_string(place.file()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let n = lines.len();
    let damages = [
        (whole.replacen("moving", "moving!", 1), "edited"),
        (lines[..1].concat() + &lines[2..].concat(), "record 2 was removed"),
        (lines[..1].concat() + lines[2] + lines[1] + &lines[3..].concat(), "record 2 was reordered"),
        (lines[..n - 1].concat(), &format!("record {n} was truncated")),
    ];
    for (text, want) in &damages {
        fs::write(place.file(), text).unwrap();
        let ran = place.verb(&["audit", "verify"]);
        assert_eq!(ran.code, 1, "{want}");
        assert!(ran.text().contains(want) && ran.text().contains("first bad record"), "{want}: {}", ran.text());
    }
    // an older copy of everything is whole, and a head that was noted elsewhere shows it
    fs::write(place.file(), &whole).unwrap();
    fs::write(place.file(), lines[..n - 1].concat()).unwrap();
    fs::remove_file(place.path("state/state.db")).unwrap();
    let ran = place.verb(&["audit", "verify"]);
    assert!(ran.code == 1 && ran.text().contains("no witness"), "{}", ran.text());
    let ran = place.verb(&["audit", "verify", "--head", &head]);
    assert!(ran.code == 1 && ran.text().contains(&format!("record {n} was truncated")), "{}", ran.text());
    fs::write(place.file(), &whole).unwrap();
    let ran = place.verb(&["audit", "verify", "--head", &head, "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(serde_json::from_str::<Value>(&ran.text()).unwrap()["whole"], true);
}

#[test]
fn kills_leave_the_audit_log_whole() {
    let place = Place::new();
    let mut random = 12_345u32;
    for n in 0..8 {
        let mut child = place.start();
        if n == 0 {
            place.expect("service.started");
        }
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ran = place.verb(&["alerts", "silence", "add", "kind=new_ip", "--for", "1m"]);
        assert!(ran.code == 0 || n > 0, "{}", ran.err);
        std::thread::sleep(Duration::from_millis(u64::from(random >> 8) % 1_500));
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = place.verb(&["audit", "verify"]);
        assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    }
    let mut child = place.start();
    place.expect("silence.added");
    signal(&child, "-TERM");
    wait(&mut child, Duration::from_secs(10));
    let all = place.exported(&[]);
    let rows: Vec<i64> = all.iter().map(|r| r["row"].as_i64().unwrap()).collect();
    let mut once = rows.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), rows.len(), "nothing is recorded twice");
    assert_eq!(all.iter().filter(|r| r["what"] == "silence.added").count(), 8);
    assert_eq!(place.verb(&["audit", "verify"]).code, 0);
}
