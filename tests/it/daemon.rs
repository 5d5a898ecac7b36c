//! `run`: following files through rotation, restarts and kills; one instance; signals; reload.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::process::{Running, grows_to, read_line, signal, wait};
use crate::support::logwarden;

/// A directory with logs, an output, a state directory and a configuration.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(pattern: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("logs")).unwrap();
        place.configure(pattern, "");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("logs/app.log")
    }

    fn configure(&self, pattern: &str, more: &str) {
        let root = self.dir.path().display();
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/logs/{pattern}\"]\n\
             [sinks.out]\ntype = \"file\"\npath = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n{more}"
        );
        fs::write(self.path("c.toml"), text).unwrap();
    }

    fn start(&self) -> Running {
        let config = self.path("c.toml");
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        Running(logwarden().arg("run").arg("--config").arg(config).stdin(Stdio::null()).stderr(errors).spawn().unwrap())
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    fn out(&self) -> String {
        fs::read_to_string(self.path("out.log")).unwrap_or_default()
    }

    fn append(&self, text: &str) {
        OpenOptions::new().append(true).create(true).open(self.log()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the output is `want`.
    fn expect(&self, want: &str) {
        assert!(until(|| self.out() == want), "wanted {want:?}, got {:?}\n{}", self.out(), self.errors());
    }
}

fn until(done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn stop(mut child: Running) -> Option<i32> {
    signal(&child, "-TERM");
    wait(&mut child, Duration::from_secs(10))
}

#[test]
fn a_file_is_followed_and_a_restart_goes_on() {
    let place = Place::new("*.log");
    place.append("{\"n\":1}\nno json \u{e9}\r\n");
    let child = place.start();
    place.expect("{\"n\":1}\nno json \u{e9}\r\n");
    place.append("{\"n\":2}\npart");
    place.expect("{\"n\":1}\nno json \u{e9}\r\n{\"n\":2}\n");
    assert_eq!(stop(child), Some(0));
    let mode = fs::metadata(place.path("out.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.append("ial\n");
    let child = place.start();
    place.expect("{\"n\":1}\nno json \u{e9}\r\n{\"n\":2}\npartial\n");
    assert_eq!(stop(child), Some(0));
    // what was written is not written again
    let child = place.start();
    place.append("{\"n\":3}\n");
    place.expect("{\"n\":1}\nno json \u{e9}\r\n{\"n\":2}\npartial\n{\"n\":3}\n");
    assert_eq!(stop(child), Some(0));
}

#[test]
fn a_rotated_file_that_is_at_its_end_is_closed_without_a_word() {
    let place = Place::new("*.log");
    place.append("one\n");
    let child = place.start();
    place.expect("one\n");
    fs::rename(place.log(), place.path("logs/app.log.1")).unwrap();
    place.append("two\n");
    place.expect("one\ntwo\n");
    // after five quiet seconds
    std::thread::sleep(Duration::from_millis(6_500));
    assert_eq!(stop(child), Some(0));
    place.expect("one\ntwo\n");
}

#[test]
fn a_second_instance_is_refused() {
    let place = Place::new("*.log");
    place.append("x\n");
    let child = place.start();
    place.expect("x\n");
    let mut second = place.start();
    assert_eq!(wait(&mut second, Duration::from_secs(5)), Some(74));
    assert!(place.errors().contains("in use by another logwarden"), "{}", place.errors());
    assert_eq!(stop(child), Some(0));
    place.expect("x\n");
}

#[test]
fn an_interrupt_ends_with_its_code() {
    let place = Place::new("*.log");
    place.append("x\n");
    let mut child = place.start();
    place.expect("x\n");
    signal(&child, "-INT");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(130));
}

#[test]
fn a_mistake_in_the_configuration_ends_the_start_and_not_the_service() {
    let place = Place::new("*.log");
    place.configure("*.log", "[sorces.x]\n");
    let mut child = place.start();
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(78), "{}", place.errors());
    place.configure("*.log", "");
    place.append("one\n");
    let child = place.start();
    place.expect("one\n");
    place.configure("*.log", "[sorces.x]\n");
    signal(&child, "-HUP");
    assert!(until(|| place.errors().contains("stays as it was")), "{}", place.errors());
    place.append("two\n");
    place.expect("one\ntwo\n");
    // a good one is taken over without a line lost or doubled
    fs::write(place.path("logs/other.txt"), "three\n").unwrap();
    place.configure("*", "");
    signal(&child, "-HUP");
    place.expect("one\ntwo\nthree\n");
    assert_eq!(stop(child), Some(0));
    place.expect("one\ntwo\nthree\n");
}

#[test]
fn a_reload_does_not_move_the_state() {
    let place = Place::new("*.log");
    let root = place.dir.path().display().to_string();
    let page = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let elsewhere = |dir: &str| {
        let text = fs::read_to_string(place.path("c.toml")).unwrap();
        fs::write(place.path("c.toml"), text.replace(&format!("{root}/state\""), &format!("{root}/{dir}\""))).unwrap();
    };
    place.configure("*.log", page);
    place.append("one\n");
    let child = place.start();
    place.expect("one\n");
    elsewhere("new");
    signal(&child, "-HUP");
    assert!(until(|| place.errors().contains("stays as it was")), "{}", place.errors());
    let told =
        format!("state.dir cannot change while the service runs: it stays {root}/state; restart to apply {root}/new");
    assert!(place.errors().contains(&told), "{}", place.errors());
    assert!(!place.path("new").exists());
    place.append("two\n");
    place.expect("one\ntwo\n");
    // the same place in other words is no change
    place.configure("*.log", page);
    elsewhere("./state/../state");
    signal(&child, "-HUP");
    assert!(until(|| place.errors().contains("the new configuration runs")), "{}", place.errors());
    assert_eq!(stop(child), Some(0));
    // what was told to do works
    fs::rename(place.path("state"), place.path("new")).unwrap();
    place.configure("*.log", page);
    elsewhere("new");
    let child = place.start();
    place.append("three\n");
    place.expect("one\ntwo\nthree\n");
    assert_eq!(stop(child), Some(0));
    assert!(!place.path("state").exists());
}

#[test]
fn standard_input_is_a_source_and_standard_output_a_sink() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let state = dir.path().join("state");
    let text = format!(
        "[sources.in]\ntype = \"stdin\"\n[sinks.out]\ntype = \"stdout\"\n[state]\ndir = \"{}\"\n",
        state.display()
    );
    fs::write(&config, text).unwrap();
    let child = logwarden().args(["run", "--config"]).arg(&config).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = Running(child.unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"one\ntw").unwrap();
    assert_eq!(read_line(&mut stdout), "one\n");
    // what was read and not handed out outlives a reload
    signal(&child, "-HUP");
    std::thread::sleep(Duration::from_millis(500));
    stdin.write_all(b"o\nthree").unwrap();
    assert_eq!(read_line(&mut stdout), "two\n");
    drop(stdin);
    assert_eq!(read_line(&mut stdout), "three");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
}

#[test]
fn an_output_that_is_a_link_is_refused() {
    let place = Place::new("*.log");
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("out.log")).unwrap();
    let mut child = place.start();
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(74));
    assert!(place.errors().contains("symbolic link"), "{}", place.errors());
    assert!(!place.path("elsewhere").exists());
}

/// How the log is rotated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotation {
    Rename,
    CopyTruncate,
}

/// What stands in lines and must never stand anywhere of ours, whole or in part.
const PLANTED: [&str; 3] = ["W1nter-is-c0ming", "c3JlY3JldC1vZi10aGUta2lsbHM", "Q7wLk1Rb6Yc9Nf2Hx5Jm7Pd4Gs0AZq3v"];

/// A numbered line; one in ten holds a planted secret.
fn numbered(n: u64) -> String {
    let [password, basic, key] = PLANTED;
    match n % 30 {
        7 => format!("{{\"seq\":{n},\"user\":\"app\",\"password\":\"{password}\"}}"),
        17 => format!("{{\"seq\":{n},\"headers\":{{\"authorization\":\"Basic {basic}\"}}}}"),
        27 => format!("{{\"seq\":{n},\"msg\":\"upstream refused sk-proj-{key}{key}\"}}"),
        _ => format!("{{\"seq\":{n},\"msg\":\"a line of some length, as logs have\"}}"),
    }
}

/// Looks into every file of ours: output, state with its journal, and our own log.
fn nothing_planted(place: &Place) {
    let mut looked = 0;
    let mut dirs = vec![place.dir.path().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("logs") {
                    dirs.push(path);
                }
                continue;
            }
            // a journal may go while we look
            let Ok(bytes) = fs::read(&path) else { continue };
            looked += 1;
            for secret in PLANTED {
                // Half of one is too much as well.
                let found = memchr::memmem::find(&bytes, &secret.as_bytes()[..secret.len() / 2]);
                assert!(found.is_none(), "{secret} in {} at {found:?}", path.display());
            }
        }
    }
    assert!(looked >= 4, "{looked} files");
}

/// Appends numbered lines and rotates now and then, until told to stop; gives how many lines there are.
fn write_and_rotate(log: &Path, rotation: Rotation, stop: &AtomicBool) -> u64 {
    let open = || OpenOptions::new().append(true).create(true).open(log).unwrap();
    let name = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    let mut file = open();
    let (mut count, mut rotations, mut rotated) = (1u64, 0u32, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..20 {
            writeln!(file, "{}", numbered(count)).unwrap();
            count += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
        if rotated.elapsed() < Duration::from_millis(180) {
            continue;
        }
        for n in (1..=rotations).rev() {
            fs::rename(name(n), name(n + 1)).unwrap();
        }
        match rotation {
            Rotation::Rename => {
                fs::rename(log, name(1)).unwrap();
                // a writer goes on for a while in the old file
                writeln!(file, "{{\"seq\":{count}}}").unwrap();
                count += 1;
                file = open();
            }
            Rotation::CopyTruncate => {
                fs::copy(log, name(1)).unwrap();
                File::options().write(true).open(log).unwrap().set_len(0).unwrap();
            }
        }
        rotations += 1;
        rotated = Instant::now();
    }
    count
}

fn survive_kills(pattern: &str, rotation: Rotation, kills: u32) {
    let place = Place::new(pattern);
    // what was rotated away before the first start is nobody's promise
    place.append("{\"seq\":0}\n");
    let child = place.start();
    place.expect("{\"seq\":0}\n");
    assert_eq!(stop(child), Some(0));
    let finish = Arc::new(AtomicBool::new(false));
    let writer = {
        let (log, finish) = (place.log(), Arc::clone(&finish));
        std::thread::spawn(move || write_and_rotate(&log, rotation, &finish))
    };
    let mut random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    for _ in 0..kills {
        let mut child = place.start();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from(random >> 8) % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_planted(&place);
    }
    finish.store(true, Ordering::Relaxed);
    let count = writer.join().unwrap();
    let child = place.start();
    let complete = grows_to(count, || place.out().lines().count() as u64);
    let stopped = stop(child);
    nothing_planted(&place);
    assert!(place.out().contains("\"[PASSWORD]\"") && place.out().contains("[OPENAI_API_KEY:"), "they were there");
    let mut seen = vec![0u32; count as usize];
    for line in place.out().lines() {
        let digits = line.strip_prefix("{\"seq\":").unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
        seen[digits.parse::<usize>().unwrap()] += 1;
    }
    let lost: Vec<usize> = (0..seen.len()).filter(|&n| seen[n] == 0).collect();
    let doubled: Vec<usize> = (0..seen.len()).filter(|&n| seen[n] > 1).collect();
    assert!(
        lost.is_empty() && doubled.is_empty(),
        "{rotation:?} {pattern}: of {count} lines lost {}, doubled {}\n{}",
        ranges(&lost),
        ranges(&doubled),
        place.errors()
    );
    assert!(complete && stopped == Some(0));
}

/// Numbers as runs: `3-5 9-9`.
pub fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    runs.map(|run| format!("{}-{} ", run[0], run[run.len() - 1])).collect()
}

/// How many kills a test does; more when asked for.
fn kills() -> u32 {
    std::env::var("LOGWARDEN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

#[test]
fn kills_under_renaming_lose_and_double_nothing() {
    survive_kills("app.log", Rotation::Rename, kills());
}

#[test]
fn kills_under_renaming_lose_and_double_nothing_when_rotated_names_match() {
    survive_kills("app.log*", Rotation::Rename, kills());
}

#[test]
fn kills_under_copy_and_truncate_lose_and_double_nothing() {
    survive_kills("app.log", Rotation::CopyTruncate, kills());
}

#[test]
fn kills_under_copy_and_truncate_lose_and_double_nothing_when_rotated_names_match() {
    survive_kills("app.log*", Rotation::CopyTruncate, kills());
}
