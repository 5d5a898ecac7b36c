//! `exec`: the command's streams, signals and exit code.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::process::{read_line, signal, wait};
use crate::support::{logwarden, run};

#[test]
fn both_streams_are_kept_apart() {
    let ran = run(&["exec", "--", "sh", "-c", "echo to out; echo to err >&2; printf 'no newline'"], b"");
    assert_eq!(ran.code, 0);
    assert_eq!(ran.text(), "to out\nno newline");
    assert_eq!(ran.err, "to err\n");
}

#[test]
fn the_command_gets_our_input_and_arguments() {
    let ran = run(&["exec", "--", "sh", "-c", "cat; echo $0 $1", "-a", "--stats"], b"input\n");
    assert_eq!(ran.text(), "input\n-a --stats\n");
}

#[test]
fn exit_codes_are_the_command_s() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["/no/such/program"], 127),
        (&[plain.to_str().unwrap()], 126),
    ];
    for (command, want) in cases {
        let ran = run(&[&["exec", "--"], command].concat(), b"");
        assert_eq!(ran.code, want, "{command:?}: {}", ran.err);
    }
    assert_eq!(run(&["exec"], b"").code, 2);
}

#[test]
fn a_lot_on_both_streams_passes_whole() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo out line $i; echo err line $i >&2; i=$((i+1)); done";
    let ran = run(&["exec", "--", "sh", "-c", script], b"");
    let want = |name: &str| (0..20_000).map(|i| format!("{name} line {i}\n")).collect::<String>();
    assert!(ran.text() == want("out"));
    assert!(ran.err == want("err"));
}

#[test]
fn signals_are_forwarded() {
    for name in ["INT", "TERM", "HUP", "USR1", "USR2", "QUIT"] {
        let script = format!("trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.05; done");
        // Tests that run in the background may be run with signals ignored, which a shell then cannot trap.
        let mut child = std::process::Command::new("env")
            .args(["--default-signal", env!("CARGO_BIN_EXE_logwarden"), "exec", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        assert_eq!(read_line(&mut stdout), "ready\n");
        signal(&child, &format!("-{name}"));
        assert_eq!(read_line(&mut stdout), format!("got {name}\n"));
        assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(3), "{name}");
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" exec -- sh -c 'echo ready; read x; echo $x'"])
        .arg(env!("CARGO_BIN_EXE_logwarden"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    assert_eq!(read_line(&mut stdout), "ready\n");
    signal(&child, "-HUP");
    child.stdin.take().unwrap().write_all(b"still here\n").unwrap();
    assert_eq!(read_line(&mut stdout), "still here\n");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
}

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hang_us() {
    let began = Instant::now();
    let ran = run(&["exec", "--drain", "300ms", "--", "sh", "-c", "echo done; sleep 4 & exit 5"], b"");
    assert_eq!(ran.code, 5);
    assert_eq!(ran.text(), "done\n");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn what_a_grandchild_writes_soon_after_still_passes() {
    let ran = run(&["exec", "--", "sh", "-c", "(sleep 0.3; echo late) & exit 0"], b"");
    assert_eq!((ran.code, ran.text().as_str()), (0, "late\n"));
}

#[test]
fn a_reader_that_leaves_closes_the_command_s_pipe() {
    let mut child =
        logwarden().args(["exec", "--", "yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    assert_eq!(read_line(&mut stdout), "y\n");
    drop(stdout);
    // `yes` ends as it would in a plain pipe: by SIGPIPE
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(128 + 13));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

/// The workers of a running `exec`.
fn workers(of: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let mut pids: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    // started by one of its other threads
    for task in std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten() {
        let more = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        pids.extend(more.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    let is_worker = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("exec-worker")
    };
    pids.retain(is_worker);
    pids.sort_unstable();
    pids.dedup();
    pids
}

#[test]
fn killed_workers_cost_no_line_and_the_command_does_not_notice() {
    let kills: u32 = std::env::var("LOGWARDEN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let dir = tempfile::tempdir().unwrap();
    let stop = dir.path().join("stop");
    // a command that would say so if it could not write, on both streams
    let script = format!(
        "trap 'echo PIPE >{0}/noticed' PIPE; n=0; while [ ! -e {0}/stop ]; do for i in 1 2 3 4 5 6 7 8 9 10; do \
         n=$((n+1)); echo \"{{\\\"seq\\\":$n,\\\"password\\\":\\\"hunter2\\\"}}\" || exit 9; echo \"err $n password=hunter2\" >&2 || exit 9; \
         done; sleep 0.002; done; echo $n >{0}/count; exit 7",
        dir.path().display()
    );
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut child = logwarden()
        .args(["exec", "--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let mut killed = std::collections::BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(120 + u64::from(kills));
    while killed.len() < kills as usize && Instant::now() < end {
        for pid in workers(child.id()) {
            // at any moment of its life: while it starts, and while it works
            std::thread::sleep(Duration::from_millis(killed.len() as u64 * 7 % 60));
            if killed.insert(pid) {
                assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().is_ok());
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(stop, "").unwrap();
    assert_eq!(wait(&mut child, Duration::from_secs(20)), Some(7));
    assert!(!dir.path().join("noticed").exists());
    let count: usize = std::fs::read_to_string(dir.path().join("count")).unwrap().trim().parse().unwrap();
    let out = std::fs::read_to_string(&out).unwrap();
    let want: String = (1..=count).map(|n| format!("{{\"seq\":{n},\"password\":\"[PASSWORD]\"}}\n")).collect();
    assert!(out == want, "{} lines of {count}", out.lines().count());
    let err = std::fs::read_to_string(&err).unwrap();
    let own = |line: &&str| !line.starts_with("logwarden: ");
    let want: Vec<String> = (1..=count).map(|n| format!("err {n} password=[PASSWORD]")).collect();
    assert!(err.lines().filter(own).eq(want.iter().map(String::as_str)), "stderr");
    assert!(err.contains("the worker has died; another one goes on"), "{err}");
    assert_eq!(killed.len(), kills as usize);
}

#[test]
fn a_key_block_that_is_open_when_the_worker_dies_stays_hidden() {
    let body = "MIIEowIBAAKCAQEAn0gsvPTJwzXTCb6HnBLYwkx8vvTZWSmRrJIxYmo8l3uPMlN7qZ5e";
    let script = format!(
        "echo -----BEGIN RSA PRIVATE KEY-----; echo {body}; read go; echo {body}; echo -----END RSA PRIVATE KEY-----; echo after"
    );
    let mut child = logwarden()
        .args(["exec", "--", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let first = read_line(&mut stdout) + &read_line(&mut stdout);
    assert!(!first.contains(body), "{first}");
    for pid in workers(child.id()) {
        assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains(body) && rest.ends_with("after\n"), "{rest}");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
}

#[test]
fn a_slow_reader_holds_the_command_or_costs_the_oldest_lines() {
    let script = "i=0; while [ $i -lt 300000 ]; do echo \"line number $i of a command that writes much more than a pipe holds, on and on\"; i=$((i+1)); done; echo done >&2";
    let mut child = logwarden()
        .args(["exec", "--when-slow", "drop-oldest", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // the command ends although nobody reads
    let mut stderr = child.stderr.take().unwrap();
    let mut line = read_line(&mut stderr);
    while line.starts_with("logwarden: ") {
        line = read_line(&mut stderr);
    }
    assert_eq!(line, "done\n");
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let mut err = String::new();
    stderr.read_to_string(&mut err).unwrap();
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
    let dropped = regex::Regex::new("too slow: ([0-9]+) lines were dropped").unwrap();
    let dropped: usize = dropped.captures_iter(&err).map(|c| c[1].parse::<usize>().unwrap()).sum();
    assert!(dropped > 0, "{err}");
    assert_eq!(out.lines().count() + dropped, 300_000, "{err}");
    assert!(out.ends_with("line number 299999 of a command that writes much more than a pipe holds, on and on\n"));
}
