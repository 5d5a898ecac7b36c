//! What logs do to a watcher: wrong clocks, hidden names, absurd numbers, minted keys. Each case goes through the running
//! service, and afterwards a plain attack in well-made lines must still be seen: no flood, no silence, no crash.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::process::{Running, grows_to, signal, wait};
use crate::receive::kit::until;
use crate::support::{logwarden, run};

/// A service that follows `app.log`.
struct Service {
    dir: tempfile::TempDir,
    child: Running,
    lines: u64,
    /// Bytes and lines of the output that were there.
    seen: (u64, u64),
}

impl Service {
    fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display();
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[sinks.out]\ntype = \"file\"\n\
             path = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n{more}"
        );
        fs::write(dir.path().join("c.toml"), text).unwrap();
        let errors = fs::File::create(dir.path().join("errors")).unwrap();
        let mut command = logwarden();
        command.args(["run", "--config"]).arg(dir.path().join("c.toml")).stdin(Stdio::null()).stderr(errors);
        Self { child: Running(command.spawn().unwrap()), dir, lines: 0, seen: (0, 0) }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    /// Appends, and waits until all is in the output.
    fn append(&mut self, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path("app.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.lines += text.lines().count() as u64;
        let (path, offset) = (self.path("out.log"), self.seen.0);
        let mut out = None;
        let seen = Cell::new(self.seen);
        let more = RefCell::new(move || {
            let mut text = Vec::new();
            if out.is_none() {
                out = fs::File::open(&path).ok();
                out.as_mut().map(|file| file.seek(SeekFrom::Start(offset)));
            }
            out.as_mut().map(|file| file.read_to_end(&mut text));
            text
        });
        let count = || {
            let text = more.borrow_mut()();
            let (bytes, lines) = seen.get();
            seen.set((bytes + text.len() as u64, lines + text.iter().filter(|b| **b == b'\n').count() as u64));
            seen.get().1
        };
        let whole = grows_to(self.lines, count);
        self.seen = seen.get();
        assert!(whole, "{}", self.errors());
    }

    /// How many alerts of each kind have begun.
    fn alerts(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        let errors = self.errors();
        for line in errors.lines().filter(|line| line.contains(" firing")) {
            let kind = line.split("alert ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            *all.entry(kind.to_owned()).or_default() += 1;
        }
        all
    }

    fn expect(&self, kind: &str) {
        assert!(until(|| self.alerts().contains_key(kind)), "no {kind}: {:?}\n{}", self.alerts(), self.errors());
    }

    fn stop(&mut self) {
        signal(&self.child, "-TERM");
        assert_eq!(wait(&mut self.child, Duration::from_secs(20)), Some(0), "{}", self.errors());
        assert!(!self.errors().contains("panicked"), "{}", self.errors());
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Forty refused requests of a key; `time` is the field with its comma, or nothing.
fn refused(key: &str, time: &str) -> String {
    (0..40).fold(String::new(), |mut all, n| {
        writeln!(
            all,
            "{{{time}\"method\":\"GET\",\"path\":\"/v1/items/{n}\",\"status\":401,\"apiKeyId\":\"{key}\",\"ip\":\"203.0.113.9\"}}"
        )
        .unwrap();
        all
    })
}

/// The state's keys as `logwarden keys` lists them.
fn keys(dir: &Path) -> String {
    let ran = run(&["keys", "list", "--state", dir.join("state").to_str().unwrap(), "--format", "json"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.text()
}

/// What the lines of a case are, which alerts they must raise, and which they may.
type Case = (&'static str, fn() -> String, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    // Without a time of its own a line happened when it arrived: the attack is seen.
    ("no time", || refused("untimed", ""), &["auth_failures"], &[]),
    // A time without a zone, of a source for which none is set: the same.
    ("no zone", || refused("zoneless", "\"time\":\"2026-05-01 12:00:00\","), &["auth_failures"], &[]),
    // Times that are none.
    ("no such time", || refused("timeless", "\"time\":\"0000-99-99T99:99:99Z\","), &["auth_failures"], &[]),
    // A clock that is ahead is not believed: the lines happened when they arrived, and the clock is told of.
    ("future", || refused("ahead", "\"time\":\"2094-05-01T12:00:00Z\","), &["auth_failures", "clock_skew"], &[]),
    // Lines of the past are counted and not scored: no flood from a log that is sent again.
    (
        "past",
        || refused("behind", "\"time\":\"2011-05-01T12:00:00Z\","),
        &[],
        &["source_lag", "clock_skew", "auth_failures"],
    ),
];

#[test]
fn wrong_clocks_raise_no_flood_and_hide_no_attack() {
    for (name, bad, must, may) in CASES {
        let mut service = Service::start("");
        // time is known to be now before the bad lines come
        let ordinary = |n: u64| {
            format!(
                "{{\"time\":{},\"method\":\"GET\",\"path\":\"/\",\"status\":200,\"apiKeyId\":\"usual\"}}\n",
                now() * 1000 + n
            )
        };
        service.append(&ordinary(1));
        service.append(&bad());
        must.iter().for_each(|kind| service.expect(kind));
        let before = service.alerts().get("auth_failures").copied().unwrap_or(0);
        service.append(&refused("victim", &format!("\"time\":{},", now() * 1000)));
        assert!(
            until(|| service.alerts().get("auth_failures").copied().unwrap_or(0) > before),
            "{name}: the attack is not seen: {:?}\n{}",
            service.alerts(),
            service.errors()
        );
        for (kind, n) in service.alerts() {
            assert!(
                n <= 2 && (kind == "auth_failures" || must.contains(&&*kind) || may.contains(&&*kind)),
                "{name}: {n} {kind}"
            );
        }
        service.stop();
    }
}

#[test]
fn a_hidden_key_is_nobody() {
    let mut service = Service::start("");
    let hidden = ["REDACTED", "[Redacted]", "***", "-", "null", "xxxxxxxx", "<masked>", "anonymous"];
    service.append(&hidden.iter().map(|key| refused(key, "")).collect::<String>());
    service.append(&refused("victim", ""));
    service.expect("auth_failures");
    assert_eq!(service.alerts().get("auth_failures"), Some(&1), "{}", service.errors());
    let dir = service.dir.path().to_owned();
    let listed = until(|| keys(&dir).contains("victim"));
    let listing = keys(&dir);
    assert!(listed, "{listing}");
    assert!(hidden.iter().all(|key| !listing.contains(&format!(":{key}\""))), "{listing}");
    service.stop();
}

#[test]
fn absurd_numbers_are_no_news() {
    let mut service = Service::start("");
    let absurd = [
        "-1",
        "-1e308",
        "1e308",
        "1e999",
        "-0",
        "18446744073709551616",
        "99999999999999999999999999",
        "\"NaN\"",
        "\"Infinity\"",
        "\"-5 ms\"",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "0.0000000000000000000001",
        "1e-400",
    ];
    let mut text = String::new();
    for number in absurd {
        for field in
            ["status", "responseTime", "prompt_tokens", "completion_tokens", "cost", "bytes_sent", "time", "level"]
        {
            let status = if field == "status" { "" } else { "\"status\":200," };
            writeln!(text, "{{\"method\":\"GET\",\"path\":\"/\",{status}\"apiKeyId\":\"odd\",\"{field}\":{number}}}")
                .unwrap();
        }
    }
    service.append(&text);
    service.append(&refused("victim", ""));
    service.expect("auth_failures");
    let alerts = service.alerts();
    // that most of these lines bear no time is told, and nothing else
    assert_eq!(alerts.keys().collect::<Vec<_>>(), ["auth_failures", "parse_failures"], "{}", service.errors());
    let dir = service.dir.path().to_owned();
    assert!(until(|| keys(&dir).contains(":odd\"") && keys(&dir).contains("victim")), "{}", keys(&dir));
    service.stop();
}

/// How many keys are minted; a million as `LOGWARDEN_TEST_KEYS=1000000`.
fn minted() -> u64 {
    std::env::var("LOGWARDEN_TEST_KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

#[test]
fn minted_keys_push_out_no_true_one_and_are_told_of() {
    let (all, most) = (minted(), minted() / 10);
    let mut service = Service::start(&format!("[detect]\nmax_keys = {most}\n"));
    let true_keys: Vec<String> = (0..20).map(|n| format!("customer-{n}")).collect();
    // customers that have called for some hours, and call now
    let mut text = String::new();
    for ago in [4u64, 3, 2, 1, 0] {
        for key in &true_keys {
            let at = now() - ago * 3600;
            writeln!(text, "{{\"time\":{at},\"method\":\"GET\",\"path\":\"/\",\"status\":200,\"apiKeyId\":\"{key}\",\"ip\":\"192.0.2.7\"}}").unwrap();
        }
    }
    service.append(&text);
    let before = std::time::Instant::now();
    let mut left = 0;
    while left < all {
        let end = (left + 100_000).min(all);
        let text = (left..end).fold(String::new(), |mut text, n| {
            let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555_5555;
            writeln!(text, "{{\"time\":{},\"method\":\"GET\",\"path\":\"/\",\"status\":401,\"apiKeyId\":\"m{key:016x}\",\"ip\":\"203.0.113.66\"}}", now()).unwrap();
            text
        });
        service.append(&text);
        left = end;
    }
    let took = before.elapsed();
    service.expect("keys_evicted");
    service.expect("key_enumeration");
    let status = fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
    let peak: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap();
    eprintln!("{all} minted keys, room for {most}: {took:.1?}, at most {} MB resident", peak / 1000);
    assert!(peak < 200_000 + 3 * most, "{peak} kB for {most} keys");
    let alerts = service.alerts();
    assert!(alerts.values().sum::<usize>() <= 4, "a flood: {alerts:?}");
    service.append(&refused("customer-7", &format!("\"time\":{},", now())));
    service.expect("auth_failures");
    let dir = service.dir.path().to_owned();
    service.stop();
    let listing = keys(&dir);
    for key in &true_keys {
        assert!(listing.contains(&format!(":{key}\"")), "{key} was pushed out");
    }
    assert!(listing.lines().count() as u64 <= most, "{} keys", listing.lines().count());
}

#[test]
fn a_calendar_without_a_zone_is_refused_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let root = dir.path().display();
    let with = |calendar: &str| {
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[sinks.out]\ntype = \"stdout\"\n\
             [state]\ndir = \"{root}/state\"\n[calendars.office]\n{calendar}"
        );
        fs::write(&config, text).unwrap();
        [
            run(&["check", "--config", config.to_str().unwrap()], b""),
            run(&["run", "--config", config.to_str().unwrap()], b""),
        ]
    };
    for ran in with("hours = [\"09:00-17:00\"]\nweekdays = [\"mon\"]\n") {
        assert_eq!(ran.code, 78, "{}{}", ran.text(), ran.err);
        let told = format!("{}{}", ran.text(), ran.err);
        assert!(told.contains("zone") && told.contains("Europe/Berlin"), "{told}");
    }
    for ran in with("zone = \"Mars/Olympus\"\nhours = [\"09:00-17:00\"]\nweekdays = [\"mon\"]\n") {
        assert_eq!(ran.code, 78, "{}{}", ran.text(), ran.err);
    }
}

#[test]
fn a_state_of_a_later_version_is_refused_and_left_as_it_is() {
    let mut service = Service::start("");
    service.append("{\"n\":1}\n");
    service.stop();
    let database = service.path("state/state.db");
    let later = rusqlite::Connection::open(&database).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);
    let before = fs::read(&database).unwrap();
    let ran = run(&["run", "--config", service.path("c.toml").to_str().unwrap()], b"");
    assert_eq!(ran.code, 74, "{}", ran.err);
    assert!(
        ran.err.contains("was written by a later logwarden") && ran.err.contains("`dir` in [state]"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read(&database).unwrap(), before);
    let names = fs::read_dir(service.path("state")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("damaged")));
}
