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
        let mut child = logwarden()
            .args(["exec", "--", "sh", "-c", &script])
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
