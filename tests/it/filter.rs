//! The filter: bytes in, bytes out, and its manners in a pipe.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{read_line, signal, wait};
use crate::support::{logwarden, run, run_command};

fn piped() -> Child {
    logwarden().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn clean_bytes_pass_unchanged() {
    let long: Vec<u8> = [b"{\"msg\":\"".to_vec(), b"word ".repeat(2_000_000), b"\"}\n{\"a\":1}\n".to_vec()].concat();
    let many: Vec<u8> = (0..200_000).flat_map(|n| format!("{{\"n\":{n},\"msg\":\"ok\"}}\n").into_bytes()).collect();
    let cases: [&[u8]; 9] = [
        b"",
        b"\n",
        b"one line\n",
        b"no final newline",
        b"crlf\r\nagain\r\n\r\n",
        b"nul \0 and \xff\xfe bad utf-8 \xc3\n\0\0\0\n",
        b"{\"broken\": \n{]\n",
        &long,
        &many,
    ];
    for case in cases {
        let ran = run(&[], case);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out == case, "{} bytes in, {} bytes out", case.len(), ran.out.len());
        assert_eq!(ran.err, "");
    }
}

#[test]
fn a_lone_line_does_not_wait() {
    let mut child = piped();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for n in 0..3 {
        stdin.write_all(format!("line {n}\npart").as_bytes()).unwrap();
        assert!(read_line(&mut stdout).ends_with(&format!("line {n}\n")));
    }
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "part");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
}

#[test]
fn a_reader_that_leaves_is_a_quiet_end() {
    let mut child = piped();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"first\n").unwrap();
    assert_eq!(read_line(&mut stdout), "first\n");
    drop(stdout);
    while stdin.write_all(&b"more\n".repeat(10_000)).is_ok() {}
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[test]
fn a_bad_file_is_told_and_the_others_pass() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("a"), "a without newline").unwrap();
    std::fs::write(path("b"), "b\n").unwrap();
    let mut command = logwarden();
    command.arg(path("a")).arg(path("missing")).arg(dir.path()).arg("-").arg(path("b"));
    let ran = run_command(&mut command, b"from stdin\n");
    assert_eq!(ran.code, 74);
    assert_eq!(ran.text(), "a without newlinefrom stdin\nb\n");
    assert!(ran.err.contains("missing: No such file"), "{}", ran.err);
    assert!(ran.err.contains("Is a directory"), "{}", ran.err);
    // One line for each of the two, and the way out of the second.
    assert_eq!(ran.err.lines().filter(|line| line.starts_with("logwarden: ")).count(), 2, "{}", ran.err);
    assert!(ran.err.contains("help: name the files in it, or use `logwarden scan"), "{}", ran.err);
}

#[test]
fn an_unreadable_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret.log");
    std::fs::write(&path, "x\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    // root may read everything; then another descriptor that cannot be read stands in
    let unreadable = std::fs::File::open(&path).is_err();
    let path = if unreadable { path } else { "/proc/self/mem".into() };
    let ran = run_command(logwarden().arg(&path), b"");
    assert_eq!(ran.code, 74);
    assert!(ran.err.contains(path.to_str().unwrap()), "{}", ran.err);
    assert!(ran.out.is_empty());
}

#[test]
fn a_full_output_is_told() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = logwarden().stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"line\n").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(74));
    let err = String::from_utf8(done.stderr).unwrap();
    assert!(err.contains("standard output") && err.contains("No space left"), "{err}");
}

#[test]
fn reading_the_output_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "x\n").unwrap();
    let out = std::fs::File::options().append(true).open(&path).unwrap();
    let done = logwarden().arg(&path).stdout(out).output().unwrap();
    assert_eq!(done.status.code(), Some(74));
    assert_eq!(std::fs::read(&path).unwrap(), b"x\n");
}

#[test]
fn a_line_over_the_bound_is_withheld() {
    let long = vec![b'x'; 17 << 20];
    let input = [b"before\n".as_slice(), &long, b"\nafter\n"].concat();
    let ran = run(&["--stats"], &input);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.text(), "before\n{\"logwarden\":\"withheld\",\"reason\":\"line over 16 MiB\"}\nafter\n");
    assert!(ran.err.contains("withheld   1"), "{}", ran.err);
    assert!(ran.err.contains("lines      3"), "{}", ran.err);
}

#[test]
fn an_interrupt_lets_the_last_lines_of_the_pipe_pass() {
    let mut child = piped();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"before\n").unwrap();
    assert_eq!(read_line(&mut stdout), "before\n");
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(100));
    stdin.write_all(b"last words\n").unwrap();
    assert_eq!(read_line(&mut stdout), "last words\n");
    drop(stdin);
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(0));
}

#[test]
fn an_interrupt_ends_file_work() {
    // a pipe nobody writes to, opened as a file, is file work that never ends by itself
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child = logwarden().arg(&fifo).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut writer = std::fs::File::options().write(true).open(&fifo).unwrap();
    writer.write_all(b"x\n").unwrap();
    assert_eq!(read_line(&mut child.stdout.take().unwrap()), "x\n");
    signal(&child, "-INT");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), Some(130));
}

#[test]
fn a_terminated_pipe_drains_first_and_a_second_signal_ends_it() {
    let mut child = piped();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"before\n").unwrap();
    read_line(&mut stdout);
    signal(&child, "-TERM");
    std::thread::sleep(Duration::from_millis(100));
    stdin.write_all(b"last words\n").unwrap();
    assert_eq!(read_line(&mut stdout), "last words\n");
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(2)), Some(130));
}
