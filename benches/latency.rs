//! How long a lone line takes through the pipe: `cargo bench --bench latency`.
//!
//! An open load: lines are sent when they are due, whether the one before has come back or not, and the time of each
//! counts from when it was due. One thread sends and receives, and never sleeps, so that its own waking is in no figure.
//! The built program and `cat` take turns on the same lines; what `cat` needs is the price of two pipes and of being
//! woken.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop where it stands, and prints")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::corpus;
use hdrhistogram::Histogram;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Lines of one turn.
const LINES: usize = 4_000;

/// Lines at the start of a turn that do not count: the program is still starting.
const WARM: usize = 500;

/// Turns of each program.
const ROUNDS: usize = 5;

/// From one line to the next; a thousand lines a second.
const EVERY: Duration = Duration::from_millis(1);

/// Reads what is there; counts its lines.
fn arrived(out: &mut ChildStdout, buffer: &mut [u8]) -> usize {
    match out.read(buffer) {
        Ok(0) => panic!("the program has ended"),
        Ok(n) => memchr::memchr_iter(b'\n', &buffer[..n]).count(),
        Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
        Err(e) => panic!("{e}"),
    }
}

/// Sends `lines` through a program; the times go to `seen`, in nanoseconds.
fn turn(program: &mut Command, lines: &[&[u8]], seen: &mut Histogram<u64>) {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut into, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    fcntl_setfl(&out, fcntl_getfl(&out).unwrap() | OFlags::NONBLOCK).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let from = Instant::now();
    let due = |n: usize| from + EVERY * n as u32;
    let mut back = 0;
    for sent in 0..=lines.len() {
        while if sent < lines.len() { Instant::now() < due(sent) } else { back < lines.len() } {
            let n = arrived(&mut out, &mut buffer);
            let now = Instant::now();
            for line in back..back + n {
                if line >= WARM {
                    seen.record((now - due(line)).as_nanos() as u64).unwrap();
                }
            }
            back += n;
        }
        if let Some(line) = lines.get(sent) {
            into.write_all(line).unwrap();
        }
    }
    drop(into);
    assert!(child.wait().unwrap().success());
}

fn main() {
    let text = corpus(5, LINES * 2_000);
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').take(LINES).collect();
    let mean = lines.iter().map(|l| l.len()).sum::<usize>() / lines.len();
    println!("{LINES} lines of {mean} bytes, one every {EVERY:?}, {ROUNDS} turns each; microseconds");
    let mut seen = [(); 2].map(|()| Histogram::<u64>::new(3).unwrap());
    for _ in 0..ROUNDS {
        turn(&mut Command::new("cat"), &lines, &mut seen[0]);
        turn(&mut Command::new(env!("CARGO_BIN_EXE_logwarden")), &lines, &mut seen[1]);
    }
    for (name, seen) in ["cat", "logwarden"].iter().zip(&seen) {
        let at = |quantile| seen.value_at_quantile(quantile) as f64 / 1e3;
        println!("{name:10} p50 {:8.1}  p90 {:8.1}  p99 {:8.1}  p99.9 {:8.1}", at(0.5), at(0.9), at(0.99), at(0.999));
    }
}
