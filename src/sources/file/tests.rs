//! What rotation, truncation and restarts do to a tail, on real files with a clock that is set by hand.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;

use super::tail::{Tail, TailSetup};
use crate::line::{Pool, SourceId};
use crate::sources::config::FileSource;
use crate::sources::positions::Positions;
use crate::store::Checkpoint;
use crate::units::Timestamp;

thread_local! {
    static NOW: AtomicI64 = const { AtomicI64::new(0) };
}

fn clock() -> Timestamp {
    NOW.with(|now| Timestamp::from_secs(now.load(Ordering::Relaxed)))
}

fn pass(seconds: i64) {
    NOW.with(|now| now.fetch_add(seconds, Ordering::Relaxed));
}

/// A directory with logs, a tail on it, and what a committer would have.
struct Bench {
    dir: TempDir,
    patterns: Vec<String>,
    tail: Tail,
    positions: Positions,
    committed: RefCell<std::collections::BTreeMap<u64, Checkpoint>>,
    out: Vec<u8>,
    /// Each file written is newer than the one before, by this much.
    step: u64,
    tick: u64,
}

impl Bench {
    fn new(pattern: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let patterns = vec![dir.path().join(pattern).to_string_lossy().into_owned()];
        let positions = Positions::default();
        let tail = start(&patterns, &positions, Vec::new());
        Self { dir, patterns, tail, positions, committed: RefCell::default(), out: Vec::new(), step: 1, tick: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&mut self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.stamp(&file);
    }

    fn stamp(&mut self, file: &File) {
        self.tick += self.step;
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(self.tick)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What `logrotate` does with `copytruncate`.
    fn copy_truncate(&mut self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        let copy = File::options().append(true).open(self.path(to)).unwrap();
        self.stamp(&copy);
        self.truncate(from);
    }

    fn truncate(&mut self, name: &str) {
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_len(0).unwrap();
        self.stamp(&file);
    }

    /// Reads what is there and commits it; gives what came since the last call.
    fn read(&mut self) -> String {
        let (positions, out) = (&self.positions, &mut self.out);
        self.tail.poll(clock, &mut |batch| {
            out.extend_from_slice(&batch.bytes);
            positions.confirm(batch.ack);
            true
        });
        let changed = self.positions.changed();
        let mut committed = self.committed.borrow_mut();
        for ((_, stream), at) in changed.checkpoints {
            committed.insert(stream, at);
        }
        for (_, stream) in changed.forgotten {
            committed.remove(&stream);
        }
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }

    /// Stops without a word and starts from what was committed.
    fn restart(&mut self) {
        self.positions = Positions::default();
        let known: Vec<(u64, Checkpoint)> = self.committed.borrow().iter().map(|(n, at)| (*n, at.clone())).collect();
        self.tail = start(&self.patterns, &self.positions, known);
    }
}

fn start(patterns: &[String], positions: &Positions, known: Vec<(u64, Checkpoint)>) -> Tail {
    for (stream, at) in &known {
        positions.restore(SourceId(0), *stream, at.clone());
    }
    let config = FileSource {
        paths: patterns.to_vec(),
        exclude: Vec::new(),
        learn_from: Vec::new(),
        zone: None,
        trusted_proxies: Vec::new(),
        schema: None,
        trusted_labels: false,
    };
    let setup = TailSetup {
        source: SourceId(0),
        name: "test".to_owned(),
        config,
        known,
        positions: positions.clone(),
        pool: Pool::new(4),
        outputs: Vec::new(),
        meter: Arc::default(),
    };
    Tail::new(setup, clock()).unwrap()
}

#[test]
fn a_growing_file_is_followed_and_a_partial_line_waits() {
    let mut b = Bench::new("app.log");
    assert_eq!(b.read(), "");
    b.append("app.log", "one\ntw");
    assert_eq!(b.read(), "one\n");
    b.append("app.log", "o\nthree\n");
    assert_eq!(b.read(), "two\nthree\n");
    b.append("app.log", "part");
    assert_eq!(b.read(), "");
    b.restart();
    b.append("app.log", "ial\n");
    assert_eq!(b.read(), "partial\n");
    b.restart();
    assert_eq!(b.read(), "");
}

#[test]
fn renaming_loses_and_doubles_nothing() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.append("app.log", "a1\n");
        assert_eq!(b.read(), "a1\n");
        b.append("app.log", "a2\n");
        b.rename("app.log", "app.log.1");
        b.append("app.log.1", "a3\n");
        b.append("app.log", "b1\n");
        assert_eq!(b.read(), "a2\na3\nb1\n", "{pattern}");
        // twice between two looks, and a writer that still holds the old file
        b.append("app.log", "b2\n");
        b.rename("app.log.1", "app.log.2");
        b.rename("app.log", "app.log.1");
        b.append("app.log", "c1\n");
        b.rename("app.log.2", "app.log.3");
        b.rename("app.log.1", "app.log.2");
        b.rename("app.log", "app.log.1");
        b.append("app.log", "d1\n");
        assert_eq!(b.read(), "b2\nc1\nd1\n", "{pattern}");
        pass(10);
        assert_eq!(b.read(), "");
        b.append("app.log.2", "b3, late\n");
        assert_eq!(b.read(), "b3, late\n", "{pattern}");
        pass(10);
        b.read();
        b.restart();
        assert_eq!(b.read(), "", "{pattern}");
    }
}

#[test]
fn rotation_while_stopped_is_caught_up_in_order() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.append("app.log", "a1\n");
        assert_eq!(b.read(), "a1\n");
        b.append("app.log", "a2\n");
        b.rename("app.log", "app.log.2");
        b.append("app.log.1", "b1\n");
        b.append("app.log", "c1\n");
        b.restart();
        assert_eq!(b.read(), "a2\nb1\nc1\n", "{pattern}");
        b.restart();
        assert_eq!(b.read(), "", "{pattern}");
    }
}

#[test]
fn old_rotated_files_are_left_alone_unless_they_match() {
    let mut b = Bench::new("app.log");
    b.append("app.log.1", "old\n");
    b.append("app.log", "new\n");
    assert_eq!(b.read(), "new\n");
    b.restart();
    assert_eq!(b.read(), "");
    let mut b = Bench::new("app.log*");
    b.append("app.log.1", "old\n");
    b.append("app.log", "new\n");
    assert_eq!(b.read(), "old\nnew\n");
}

#[test]
fn copy_and_truncate_loses_and_doubles_nothing() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.append("app.log", "a1\na2\n");
        assert_eq!(b.read(), "a1\na2\n");
        // lines that came between our last look and the copy are in the copy only
        b.append("app.log", "a3\n");
        b.copy_truncate("app.log", "app.log.1");
        b.append("app.log", "b1\n");
        assert_eq!(b.read(), "a3\nb1\n", "{pattern}");
        pass(10);
        assert_eq!(b.read(), "");
        // the same while stopped, and grown past the old offset
        b.append("app.log", "b2\n");
        b.rename("app.log.1", "app.log.2");
        b.copy_truncate("app.log", "app.log.1");
        b.append("app.log", "c1 is a longer line than everything before\n");
        b.restart();
        assert_eq!(b.read(), "b2\nc1 is a longer line than everything before\n", "{pattern}");
        pass(10);
        b.read();
        b.restart();
        assert_eq!(b.read(), "", "{pattern}");
    }
}

#[test]
fn several_copies_between_two_looks_are_all_read_in_order_whatever_their_times() {
    for (pattern, step, stopped) in [
        ("app.log", 1, false),
        ("app.log", 0, false),
        ("app.log", 1, true),
        ("app.log", 0, true),
        ("app.log*", 0, true),
    ] {
        let mut b = Bench::new(pattern);
        b.step = step;
        b.append("app.log", "a1\n");
        assert_eq!(b.read(), "a1\n");
        b.append("app.log", "a2\n");
        b.copy_truncate("app.log", "app.log.1");
        b.append("app.log", "b1, wholly unread\n");
        b.rename("app.log.1", "app.log.2");
        b.copy_truncate("app.log", "app.log.1");
        b.append("app.log", "c1 is longer than everything before\n");
        if stopped {
            b.restart();
        }
        let mut lines: Vec<String> = b.read().lines().map(str::to_owned).collect();
        lines.sort();
        let want = ["a2", "b1, wholly unread", "c1 is longer than everything before"];
        assert_eq!(lines, want, "{pattern} {step} {stopped}");
        b.restart();
        assert_eq!(b.read(), "", "{pattern} {step} {stopped}");
    }
}

#[test]
fn a_stop_between_copy_and_truncation_doubles_nothing() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.step = 0;
        b.append("app.log", "a1\n");
        assert_eq!(b.read(), "a1\n");
        b.append("app.log", "a2\n");
        fs::copy(b.path("app.log"), b.path("app.log.1")).unwrap();
        File::options().append(true).open(b.path("app.log.1")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        b.restart();
        assert_eq!(b.read(), "a2\n", "{pattern}");
        b.truncate("app.log");
        b.append("app.log", "b1\n");
        assert_eq!(b.read(), "b1\n", "{pattern}");
        pass(10);
        b.read();
        b.restart();
        assert_eq!(b.read(), "", "{pattern}");
    }
}

#[test]
fn a_stop_before_the_copy_is_met_doubles_nothing() {
    let mut b = Bench::new("app.log*");
    b.append("app.log", "a1\n");
    assert_eq!(b.read(), "a1\n");
    // what a commit sees that falls between meeting the truncation and meeting the copy
    let before = b.committed.borrow().clone();
    b.append("app.log", "a2\n");
    b.copy_truncate("app.log", "app.log.1");
    b.append("app.log", "b1, longer than a\n");
    b.read();
    b.committed.borrow_mut().extend(before);
    assert_eq!(b.committed.borrow().len(), 2);
    b.restart();
    assert_eq!(b.read(), "a2\n");
}

#[test]
fn a_file_that_was_never_read_claims_no_copy() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.append("app.log", "a1\n");
        assert_eq!(b.read(), "a1\n");
        // met while empty, filled and truncated while nobody looked
        b.copy_truncate("app.log", "app.log.1");
        assert_eq!(b.read(), "");
        b.append("app.log", "b1 was never seen\n");
        b.rename("app.log.1", "app.log.2");
        b.copy_truncate("app.log", "app.log.1");
        b.append("app.log", "c1\n");
        b.restart();
        assert_eq!(b.read(), "b1 was never seen\nc1\n", "{pattern}");
        b.rename("app.log.2", "app.log.3");
        b.rename("app.log.1", "app.log.2");
        fs::copy(b.path("app.log"), b.path("app.log.1")).unwrap();
        assert_eq!(b.read(), "", "{pattern}");
        b.truncate("app.log");
        assert_eq!(b.read(), "", "{pattern}");
    }
}

#[test]
fn a_copy_that_has_only_just_begun_waits() {
    for pattern in ["app.log", "app.log*"] {
        let mut b = Bench::new(pattern);
        b.append("app.log", "a1\na2\n");
        assert_eq!(b.read(), "a1\na2\n");
        b.append("app.log.1", "");
        assert_eq!(b.read(), "");
        b.append("app.log.1", "a1\n");
        assert_eq!(b.read(), "");
        b.append("app.log.1", "a2\n");
        b.truncate("app.log");
        b.append("app.log", "b1\n");
        assert_eq!(b.read(), "b1\n", "{pattern}");
    }
}

#[test]
fn the_copy_of_a_live_file_waits() {
    let mut b = Bench::new("app.log*");
    b.append("app.log", "a1\na2\n");
    assert_eq!(b.read(), "a1\na2\n");
    fs::copy(b.path("app.log"), b.path("app.log.1")).unwrap();
    assert_eq!(b.read(), "");
    b.append("app.log", "a3\n");
    assert_eq!(b.read(), "a3\n");
    // truncated without another copy: the first one is too short to hold the rest, and was read
    b.truncate("app.log");
    b.append("app.log", "b1\n");
    assert_eq!(b.read(), "b1\n");
}

#[test]
fn a_file_that_is_replaced_is_read_from_its_beginning() {
    let mut b = Bench::new("app.log");
    b.append("app.log", "header\na1\n");
    assert_eq!(b.read(), "header\na1\n");
    b.truncate("app.log");
    b.append("app.log", "header\nb1\n");
    assert_eq!(b.read(), "header\nb1\n");
    b.restart();
    b.truncate("app.log");
    b.append("app.log", "header\nc1 and more\n");
    assert_eq!(b.read(), "header\nc1 and more\n");
}

#[test]
fn a_deleted_file_is_read_to_its_end_and_its_inode_may_come_back() {
    let mut b = Bench::new("*.log");
    b.append("a.log", "header\n");
    let mut held = OpenOptions::new().append(true).open(b.path("a.log")).unwrap();
    assert_eq!(b.read(), "header\n");
    fs::remove_file(b.path("a.log")).unwrap();
    held.write_all(b"after\nno newline").unwrap();
    assert_eq!(b.read(), "after\n");
    pass(100);
    assert_eq!(b.read(), "no newline");
    drop(held);
    pass(100);
    b.read();
    assert!(b.committed.borrow().is_empty());
    b.append("a.log", "header\n");
    assert_eq!(b.read(), "header\n");
}

#[test]
fn two_files_with_equal_content_are_two_files() {
    let mut b = Bench::new("*.log");
    b.append("a.log", "same\n");
    b.append("b.log", "same\n");
    assert_eq!(b.read(), "same\nsame\n");
    b.append("b.log", "b\n");
    b.restart();
    assert_eq!(b.read(), "b\n");
}

#[test]
fn a_hole_at_the_start_is_skipped() {
    let mut b = Bench::new("app.log");
    b.append("app.log", &"x".repeat(99));
    b.append("app.log", "\n");
    b.read();
    // a writer that does not append goes on at its old place after the truncation
    let file = File::options().write(true).open(b.path("app.log")).unwrap();
    file.set_len(0).unwrap();
    rustix::io::pwrite(&file, b"after the hole\n", 1 << 20).unwrap();
    assert_eq!(b.read(), "after the hole\n");
    b.append("app.log", "more\n");
    b.restart();
    assert_eq!(b.read(), "more\n");
}

#[test]
fn an_unfinished_last_line_of_a_rotated_file_goes_out_when_it_is_quiet() {
    let mut b = Bench::new("app.log");
    b.append("app.log", "a1\npart");
    assert_eq!(b.read(), "a1\n");
    b.rename("app.log", "app.log.1");
    b.append("app.log", "b1\n");
    assert_eq!(b.read(), "b1\n");
    pass(2);
    b.append("app.log.1", "ial");
    assert_eq!(b.read(), "");
    pass(10);
    assert_eq!(b.read(), "partial");
    b.restart();
    assert_eq!(b.read(), "");
}

#[test]
fn a_directory_that_comes_back_goes_on() {
    let mut b = Bench::new("logs/app.log");
    fs::create_dir(b.path("logs")).unwrap();
    b.append("logs/app.log", "a\n");
    assert_eq!(b.read(), "a\n");
    b.rename("logs", "away");
    pass(10);
    assert_eq!(b.read(), "");
    pass(10);
    assert_eq!(b.read(), "");
    b.rename("away", "logs");
    b.append("logs/app.log", "b\n");
    assert_eq!(b.read(), "b\n");
}

#[test]
fn what_is_behind_and_what_is_lost_is_counted() {
    let mut bench = Bench::new("app.log");
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), "one\n");
    bench.append("app.log", "two\nthree\n");
    bench.tail.look(clock());
    let meter = std::sync::Arc::clone(&bench.tail.meter);
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((read(&meter.lag_bytes), read(&meter.generations), read(&meter.abandonments)), (10, 1, 0));
    assert_eq!(bench.read(), "two\nthree\n");
    bench.tail.look(clock());
    assert_eq!(read(&meter.lag_bytes), 0);
    // truncated, and no copy anywhere
    bench.truncate("app.log");
    bench.append("app.log", "four\n");
    assert_eq!(bench.read(), "four\n");
    pass(61);
    assert_eq!(bench.read(), "");
    assert_eq!(read(&meter.abandonments), 1);
}
