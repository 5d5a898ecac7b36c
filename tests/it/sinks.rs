//! Sinks of the service: rotation under kills, a server that misbehaves, disks that are full or fail.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::{Running, grows_to, signal, wait};
use crate::receive::kit::until;
use crate::support::{find, logwarden, skip};

/// A service that follows `in.log`.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(sink: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.configure(sink);
        place
    }

    fn configure(&self, sink: &str) {
        let root = self.dir.path().display().to_string();
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/in.log\"]\n[sinks.out]\n{}\n[state]\ndir = \"{root}/state\"\n",
            sink.replace("DIR", &root)
        );
        fs::write(self.path("c.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = logwarden();
        command.arg("run").arg("--config").arg(self.path("c.toml")).stdin(Stdio::null()).stderr(errors);
        command
    }

    fn start(&self) -> Running {
        Running(self.command().spawn().unwrap())
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    fn append(&self, from: u64, to: u64) {
        let mut log = OpenOptions::new().append(true).create(true).open(self.path("in.log")).unwrap();
        let lines: String = (from..to).map(|n| format!("{{\"seq\":{n},\"password\":\"hunter2\"}}\n")).collect();
        log.write_all(lines.as_bytes()).unwrap();
    }

    /// All output, of rotated and compressed files too, the oldest first.
    fn output(&self) -> String {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.dir.path()).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "out.log" || (name.starts_with("out-") && !name.ends_with(".tmp")) {
                // one that is being compressed may go while we look
                let Ok(mut bytes) = fs::read(entry.path()) else { continue };
                if name.ends_with(".zst") {
                    bytes = zstd::decode_all(&bytes[..]).unwrap();
                }
                files.insert(name.trim_end_matches(".zst").to_owned(), String::from_utf8(bytes).unwrap());
            }
        }
        files.into_values().collect()
    }
}

fn stop(mut child: Running) -> Option<i32> {
    signal(&child, "-TERM");
    wait(&mut child, Duration::from_secs(10))
}

/// Each number from 0 to `count` once, and no password.
fn complete(output: &str, count: u64) -> Result<(), String> {
    let mut seen = vec![0u32; count as usize];
    for line in output.lines() {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
        seen[value["seq"].as_u64().unwrap() as usize] += 1;
    }
    let lost = seen.iter().filter(|n| **n == 0).count();
    let doubled = seen.iter().filter(|n| **n > 1).count();
    let ok = lost == 0 && doubled == 0 && !output.contains("hunter2");
    if ok { Ok(()) } else { Err(format!("{lost} lost, {doubled} doubled of {count}")) }
}

#[test]
fn kills_under_rotation_of_the_output_lose_and_double_nothing() {
    let place = Place::new(
        "type = \"file\"\npath = \"DIR/out.log\"\nrotate_size = \"20 KiB\"\nrotate_every = \"1h\"\ncompress = \"zstd\"",
    );
    place.append(0, 1);
    let kills: u64 = std::env::var("LOGWARDEN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let (over, written) = (AtomicBool::new(false), AtomicU64::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let from = written.load(Ordering::Relaxed);
                place.append(from, from + 40);
                written.store(from + 40, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        for n in 0..kills {
            let mut child = place.start();
            std::thread::sleep(Duration::from_millis(40 + n * 37 % 300));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let count = written.load(Ordering::Relaxed);
    let child = place.start();
    let all = grows_to(count, || place.output().lines().count() as u64);
    assert_eq!(stop(child), Some(0));
    complete(&place.output(), count).unwrap_or_else(|e| panic!("{e}\n{}", place.errors()));
    assert!(all);
    let rotated: Vec<_> = fs::read_dir(place.dir.path())
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("out-"))
        .collect();
    assert!(rotated.len() >= 3, "{} rotated", rotated.len());
    for file in rotated {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn two_services_do_not_write_one_file() {
    let (first, second) = (Place::new("type = \"file\"\npath = \"DIR/out.log\""), Place::new("type = \"stdout\""));
    first.append(0, 10);
    second.append(0, 10);
    let out = first.path("out.log");
    let same = format!("type = \"file\"\npath = \"{}\"", out.display());
    let told = format!("sinks.out: {} is already written by another logwarden", out.display());
    let child = first.start();
    assert!(until(|| first.output().lines().count() == 10), "{}", first.errors());
    // a service with a state of its own is refused at its start, as one with the same state is
    second.configure(&same);
    let mut refused = second.start();
    assert_eq!(wait(&mut refused, Duration::from_secs(5)), Some(74));
    assert!(second.errors().contains(&told), "{}", second.errors());
    assert!(second.errors().contains("choose another `path`"), "{}", second.errors());
    // and at a reload, where it goes on as before
    second.configure("type = \"file\"\npath = \"DIR/out.log\"");
    let other = second.start();
    assert!(until(|| second.output().lines().count() == 10), "{}", second.errors());
    second.configure(&same);
    signal(&other, "-HUP");
    assert!(until(|| second.errors().contains("the configuration stays as it was")), "{}", second.errors());
    assert_eq!(second.errors().matches(&told).count(), 2, "{}", second.errors());
    second.append(10, 20);
    assert!(until(|| second.output().lines().count() == 20), "{}", second.errors());
    assert_eq!(stop(other), Some(0));
    // whoever has it keeps it over a reload and when something else rotates it, and gives it back at the end
    fs::rename(&out, first.path("out.old")).unwrap();
    signal(&child, "-HUP");
    assert!(until(|| out.exists()), "{}", first.errors());
    first.append(10, 20);
    assert!(until(|| first.output().lines().count() == 10), "{}", first.errors());
    let mut refused = second.start();
    assert_eq!(wait(&mut refused, Duration::from_secs(5)), Some(74), "{}", second.errors());
    assert_eq!(stop(child), Some(0));
    second.append(20, 30);
    let child = second.start();
    assert!(until(|| first.output().lines().count() == 20), "{}", second.errors());
    assert_eq!(stop(child), Some(0));
    complete(&second.output(), 20).unwrap();
    assert!(!first.errors().contains("already written"), "{}", first.errors());
}

/// A server that takes NDJSON, and answers as it is told.
struct Server {
    address: std::net::SocketAddr,
    taken: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    status: std::sync::Arc<std::sync::atomic::AtomicU16>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(token: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let taken = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let status = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(200));
        let (shared, answer) = (taken.clone(), status.clone());
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let body = loop {
                    if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        break None;
                    }
                    let Some(head_end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                    if bytes.len() >= head_end + 4 + length.parse::<usize>().unwrap() {
                        assert!(head.contains(&format!("authorization: bearer {token}")), "{head}");
                        assert!(head.contains("application/x-ndjson") && head.contains("idempotency-key: "), "{head}");
                        let mut text = String::new();
                        flate2::read::GzDecoder::new(&bytes[head_end + 4..]).read_to_string(&mut text).unwrap();
                        break Some(text);
                    }
                };
                let Some(body) = body else { continue };
                let status = answer.load(Ordering::Relaxed);
                if status == 0 {
                    // taken, and the answer is lost
                    shared.lock().unwrap().push(body);
                    continue;
                }
                if status == 200 {
                    shared.lock().unwrap().push(body);
                }
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _gone = stream.write_all(head.as_bytes()).await;
            }
        });
        Self { address, taken, status, _runtime: runtime }
    }

    fn numbers(&self) -> BTreeMap<u64, u32> {
        let mut numbers = BTreeMap::new();
        for line in
            self.taken.lock().unwrap().iter().flat_map(|body| body.lines().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!line.contains("hunter2"));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            *numbers.entry(value["seq"].as_u64().unwrap()).or_default() += 1;
        }
        numbers
    }
}

#[test]
fn a_server_that_fails_or_is_killed_in_between_gets_every_line() {
    let server = Server::start("t0ken");
    let place = Place::new(&format!(
        "type = \"http\"\nurl = \"http://{}/in\"\ntoken = \"t0ken\"\nmax_batch = \"16 KiB\"",
        server.address
    ));
    place.append(0, 2000);
    let child = place.start();
    assert!(until(|| server.numbers().len() == 2000), "{}", place.errors());
    for (round, status) in [503, 0, 429, 500].into_iter().enumerate() {
        let from = 2000 + 500 * round as u64;
        server.status.store(status, Ordering::Relaxed);
        place.append(from, from + 500);
        assert!(
            until(|| place.errors().matches("nothing more is read").count() > round),
            "{status}: {}",
            place.errors()
        );
        server.status.store(200, Ordering::Relaxed);
        assert!(until(|| server.numbers().len() as u64 == from + 500), "{status}: {}", place.errors());
        assert!(
            until(|| place.errors().matches("can be written again").count() > round),
            "{status}: {}",
            place.errors()
        );
    }
    drop(child);
    place.append(4000, 4100);
    let child = place.start();
    assert!(until(|| server.numbers().len() == 4100), "{}", place.errors());
    // what was committed does not come again
    let (before, bodies) = (server.numbers(), server.taken.lock().unwrap().len());
    assert_eq!(stop(child), Some(0));
    let child = place.start();
    place.append(4100, 4101);
    assert!(until(|| server.numbers().len() == 4101));
    assert_eq!(stop(child), Some(0));
    assert_eq!(server.taken.lock().unwrap().len(), bodies + 1);
    assert!(before.values().filter(|n| **n > 1).count() < 1200, "{before:?}");
}

/// Runs the service with a small disk of its own at `disk/`; `None` where no disk may be mounted.
fn on_a_small_disk(place: &Place, kib: u32) -> Option<Running> {
    fs::create_dir_all(place.path("disk")).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size={1}k none {0}/disk && echo ok >{0}/mounted && exec \"$0\" run --config {0}/c.toml",
        place.dir.path().display(),
        kib
    );
    let errors = OpenOptions::new().create(true).append(true).open(place.path("errors")).unwrap();
    let mut command = Command::new(find("unshare")?);
    command.args(["-r", "-m", "sh", "-c", &mount, env!("CARGO_BIN_EXE_logwarden")]);
    let child = Running(command.stdin(Stdio::null()).stderr(errors).spawn().ok()?);
    until_or(|| place.path("mounted").exists(), Duration::from_secs(5)).then_some(child)
}

fn until_or(done: impl Fn() -> bool, limit: Duration) -> bool {
    let end = std::time::Instant::now() + limit;
    while std::time::Instant::now() < end {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// The disk as the service sees it.
fn disk(child: &Running, place: &Place) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", child.id(), place.path("disk").display()))
}

fn alerts(state: &Path) -> String {
    let ran = crate::support::run(&["alerts", "list", "--state", state.to_str().unwrap(), "--format", "json"], b"");
    ran.text()
}

#[test]
fn a_full_disk_under_the_output_holds_everything_and_is_alerted() {
    let place = Place::new("type = \"file\"\npath = \"DIR/disk/out.log\"");
    place.append(0, 10);
    let Some(child) = on_a_small_disk(&place, 400) else {
        return skip(
            "a_full_disk_under_the_output_holds_everything_and_is_alerted",
            "no file system may be mounted here",
        );
    };
    let out = || fs::read_to_string(disk(&child, &place).join("out.log")).unwrap_or_default();
    assert!(until(|| out().lines().count() == 10), "{}", place.errors());
    fs::write(disk(&child, &place).join("ballast"), vec![0; 300 << 10]).unwrap();
    place.append(10, 6000);
    assert!(until(|| place.errors().contains("nothing more is read until it works again")), "{}", place.errors());
    let alerted = || alerts(&place.path("state")).contains("output_failing");
    assert!(until(alerted), "{}\n{}", alerts(&place.path("state")), place.errors());
    fs::remove_file(disk(&child, &place).join("ballast")).unwrap();
    assert!(until(|| out().lines().count() == 6000), "{}", place.errors());
    complete(&out(), 6000).unwrap();
    assert!(place.errors().contains("can be written again"), "{}", place.errors());
    assert_eq!(stop(child), Some(0));
}

#[test]
fn a_full_disk_under_the_state_holds_the_commits_and_is_alerted() {
    let place = Place::new("type = \"file\"\npath = \"DIR/out.log\"");
    let config = fs::read_to_string(place.path("c.toml")).unwrap().replace("/state\"", "/disk/state\"");
    fs::write(place.path("c.toml"), config).unwrap();
    place.append(0, 10);
    let Some(child) = on_a_small_disk(&place, 8000) else {
        return skip(
            "a_full_disk_under_the_state_holds_the_commits_and_is_alerted",
            "no file system may be mounted here",
        );
    };
    assert!(until(|| place.output().lines().count() == 10), "{}", place.errors());
    let ballast = disk(&child, &place).join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    place.append(10, 20);
    assert!(until(|| place.errors().contains("cannot commit: no space left for the state")), "{}", place.errors());
    place.append(20, 30);
    drop(file);
    let freed = std::time::Instant::now();
    fs::remove_file(&ballast).unwrap();
    assert!(until(|| place.errors().contains("committing works again")), "{}", place.errors());
    assert!(until(|| place.errors().contains("alert output_failing firing")), "{}", place.errors());
    assert!(freed.elapsed() < Duration::from_secs(10), "alerted as soon as it can be: {:?}", freed.elapsed());
    assert!(until(|| place.output().lines().count() == 30), "{}", place.errors());
    complete(&place.output(), 30).unwrap();
    assert_eq!(stop(child), Some(0));
}

/// Fails `fdatasync` on the output while a file is there, and throws away what was not synced, as a disk does.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0) {
        path[n] = 0;
        if (strstr(path, "out.log") && access(getenv("FAIL_WHEN"), F_OK) == 0) {
            unlink(getenv("FAIL_WHEN"));
            struct stat s;
            fstat(fd, &s);
            if (s.st_size > 20) truncate(path, s.st_size - 20);
            errno = EIO;
            return -1;
        }
    }
    return real(fd);
}
"#;

/// Builds a library that makes a sync of the output fail when there is a file, and cuts off what was not synced.
fn failing_disk(place: &Place) -> bool {
    let Some(cc) = find("cc") else { return false };
    fs::write(place.path("shim.c"), SHIM).unwrap();
    let built =
        Command::new(cc).args(["-shared", "-fPIC", "-o"]).arg(place.path("shim.so")).arg(place.path("shim.c")).status();
    assert!(built.unwrap().success());
    true
}

#[test]
fn a_disk_that_loses_what_it_was_given_is_written_anew() {
    let place = Place::new("type = \"file\"\npath = \"DIR/out.log\"");
    if !failing_disk(&place) {
        return skip("a_disk_that_loses_what_it_was_given_is_written_anew", "no C compiler");
    }
    place.append(0, 100);
    let mut command = place.command();
    command.env("LD_PRELOAD", place.path("shim.so")).env("FAIL_WHEN", place.path("fail"));
    let child = Running(command.spawn().unwrap());
    assert!(until(|| place.output().lines().count() == 100), "{}", place.errors());
    for round in 1..=3u64 {
        fs::write(place.path("fail"), "").unwrap();
        place.append(100 * round, 100 * (round + 1));
        assert!(until(|| !place.path("fail").exists()));
        assert!(
            until(|| complete(&place.output(), 100 * (round + 1)).is_ok()),
            "{}\n{}",
            place.output(),
            place.errors()
        );
    }
    assert!(place.errors().contains("could not be made durable"), "{}", place.errors());
    assert_eq!(stop(child), Some(0));
    complete(&place.output(), 400).unwrap();
}

#[test]
fn a_disk_that_fails_costs_no_line_of_those_who_cannot_send_again() {
    let place = Place::new("type = \"file\"\npath = \"DIR/out.log\"");
    if !failing_disk(&place) {
        return skip("a_disk_that_fails_costs_no_line_of_those_who_cannot_send_again", "no C compiler");
    }
    let root = place.dir.path().display().to_string();
    let address = crate::receive::kit::free_port();
    let text = format!(
        "[sources.pipe]\ntype = \"stdin\"\n[sources.net]\ntype = \"tcp\"\nlisten = \"{address}\"\n\
         [sources.local]\ntype = \"unix\"\npath = \"{root}/in.sock\"\n[sinks.out]\ntype = \"file\"\n\
         path = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n"
    );
    fs::write(place.path("c.toml"), text).unwrap();
    let mut command = place.command();
    command.env("LD_PRELOAD", place.path("shim.so")).env("FAIL_WHEN", place.path("fail"));
    let mut child = Running(command.stdin(Stdio::piped()).spawn().unwrap());
    let mut pipe = child.stdin.take().unwrap();
    let mut count = 0;
    let mut lines = |n: u64| -> String {
        let text = (count..count + n).map(|n| format!("{{\"seq\":{n},\"password\":\"hunter2\"}}\n")).collect();
        count += n;
        text
    };
    let mut written = 0;
    for round in 0..3 {
        let socket = place.path("in.sock");
        assert!(
            until(|| TcpStream::connect(address).is_ok() && UnixStream::connect(&socket).is_ok()),
            "{}",
            place.errors()
        );
        let (mut net, mut local) = (TcpStream::connect(address).unwrap(), UnixStream::connect(&socket).unwrap());
        if round > 0 {
            fs::write(place.path("fail"), "").unwrap();
        }
        pipe.write_all(lines(200).as_bytes()).unwrap();
        net.write_all(lines(200).as_bytes()).unwrap();
        local.write_all(lines(200).as_bytes()).unwrap();
        written += 600;
        assert!(until(|| !place.path("fail").exists()), "{}", place.errors());
        assert!(
            until(|| complete(&place.output(), written).is_ok()),
            "{:?}\n{}",
            complete(&place.output(), written),
            place.errors()
        );
    }
    assert_eq!(place.errors().matches("could not be made durable").count(), 2, "{}", place.errors());
    // what was written anew is watched as well
    assert!(until(|| alerts(&place.path("state")).contains("secret_leaked")), "{}", place.errors());
    assert_eq!(stop(child), Some(0));
    complete(&place.output(), written).unwrap();
}
