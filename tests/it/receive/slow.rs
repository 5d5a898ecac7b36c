//! An output that nobody reads: who waits, and what is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use super::kit::{free_port, request, until};
use crate::process::{Running, signal, wait};
use crate::support::logwarden;

const FILE_LINES: usize = 60_000;
const LIVE_LINES: usize = 100_000;

fn live_line(n: usize) -> String {
    let (dot, secret) = ("of a sender that cannot wait, on and on ".repeat(4), "password=hunter2hunter2");
    format!("{{\"n\":{n},\"apiKeyId\":\"live-key\",\"status\":200,\"msg\":\"line {dot}{secret}\"}}\n")
}

/// The numbers of lines that hold `word`, in order.
fn numbers(lines: &[String], word: &str) -> Vec<usize> {
    let number = |line: &String| {
        let digits = line.split(word).nth(1)?;
        digits[..digits.find(|c: char| !c.is_ascii_digit())?].parse().ok()
    };
    lines.iter().filter_map(number).collect()
}

#[test]
fn a_slow_output_costs_live_sources_their_oldest_lines_and_files_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (root, tcp, http) = (dir.path().display(), free_port(), free_port());
    let config = format!(
        "[sources.file]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n\
         [sources.live]\ntype = \"tcp\"\nlisten = \"{tcp}\"\nwhen_slow = \"drop-oldest\"\n\
         [sinks.out]\ntype = \"stdout\"\n[http]\nlisten = \"{http}\"\nhosts = [\"test\"]\n[state]\ndir = \"{root}/state\"\n"
    );
    fs::write(dir.path().join("c.toml"), config).unwrap();
    let text: String = (0..FILE_LINES).map(|n| format!("file line {n} with some more words in it\n")).collect();
    fs::write(dir.path().join("app.log"), text).unwrap();
    let errors = || fs::read_to_string(dir.path().join("errors")).unwrap_or_default();
    let mut command = logwarden();
    command.arg("run").arg("--config").arg(dir.path().join("c.toml")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running(command.stderr(fs::File::create(dir.path().join("errors")).unwrap()).spawn().unwrap());
    let metric = |name: &str| -> Option<usize> {
        TcpStream::connect(http).ok()?;
        let page = request(http, "GET /metrics HTTP/1.1\r\n", b"").body;
        let line = page.lines().find(|line| line.starts_with(&format!("{name}{{source=\"live\"}}")))?.to_owned();
        line.rsplit(' ').next()?.parse().ok()
    };
    assert!(until(|| TcpStream::connect(tcp).is_ok()), "{}", errors());

    // nobody reads, and the sender gets rid of everything
    let mut sender = TcpStream::connect(tcp).unwrap();
    sender.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let all: String = (0..LIVE_LINES).map(live_line).collect();
    sender.write_all(all.as_bytes()).unwrap_or_else(|e| panic!("the sender had to wait: {e}\n{}", errors()));
    drop(sender);
    let dropped = || metric("logwarden_lines_dropped_total").unwrap_or(0);
    assert!(until(|| dropped() > 0), "{}", errors());
    assert!(until(|| errors().contains("alert output_failing firing")), "{}", errors());
    assert!(errors().contains("source live: the output is too slow: "), "{}", errors());

    // somebody reads
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let last = format!("{{\"n\":{},", LIVE_LINES - 1);
    let mut left = FILE_LINES + 1;
    while left > 0 {
        let mut line = String::new();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "{}", errors());
        left -= usize::from(line.starts_with("file line ")) + usize::from(line.starts_with(&last));
        lines.push(line);
    }
    assert_eq!(numbers(&lines, "file line "), (0..FILE_LINES).collect::<Vec<_>>());
    let live = numbers(&lines, "{\"n\":");
    assert!(live.is_sorted() && live.len() < LIVE_LINES);
    assert_eq!(live.len() + dropped(), LIVE_LINES, "{}", errors());
    assert!(lines.iter().all(|line| !line.contains("hunter2")));
    let read = || metric("logwarden_lines_total") == Some(LIVE_LINES);
    assert!(until(read), "{:?}", metric("logwarden_lines_total"));
    // the key of lines that were dropped was watched
    let keys = request(http, "GET /api/v1/keys HTTP/1.1\r\n", b"").body;
    assert!(keys.contains(&format!("\"requests\":{LIVE_LINES}")), "{keys}");
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    let told = regex::Regex::new("too slow: ([0-9]+) lines were dropped").unwrap();
    let told: usize = told.captures_iter(&errors()).map(|c| c[1].parse::<usize>().unwrap()).sum();
    assert_eq!(told + live.len(), LIVE_LINES, "{}", errors());
}
