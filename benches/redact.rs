//! How fast lines are redacted, in memory: `cargo bench --bench redact`.
//!
//! Prints GB/s and the ratio to a plain copy of the same chunks (256 KiB at a time): for clean lines, for 5 % and 50 %
//! dirty lines, for JSON inside JSON strings, for lines of other lengths, for fewer rules, for two threads, and for
//! lines made to be slow. The corpus is made from a fixed seed; figures are the best of several rounds.
//!
//! Two more modes serve the scripts beside this file:
//! `--passes N PATH` redacts 2 MiB of the corpus N times, with PATH `fast` or `portable`, so that the instructions of a
//! pass can be counted; `--corpus PERCENT MIB` writes that much of the corpus to standard output.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop where it stands, and prints")]

mod common;

use std::io::Write;
use std::time::Instant;

use common::corpus;
use logwarden::pipeline::Crew;
use logwarden::redact::{PseudonymKey, Redacted, Redactor, use_portable_path};
use logwarden::rules::load_embedded;

const CHUNK: usize = 256 << 10;
const CORPUS: usize = 32 << 20;
const ROUNDS: usize = 5;

fn key() -> PseudonymKey {
    PseudonymKey::new(0, b"a key of the bench")
}

/// The lines as strings in JSON, as container runtimes write them.
fn wrapped(lines: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(lines).unwrap().lines().take(30_000);
    lines.map(|l| format!("{}\n", serde_json::json!({"log": l, "stream": "stdout"}))).collect::<String>().into_bytes()
}

/// The same lines, cut or joined to about `len` bytes.
fn of_length(lines: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len() + lines.len() / len + 1);
    for piece in lines.chunks(len) {
        out.extend(piece.iter().map(|b| if *b == b'\n' { b' ' } else { *b }));
        out.push(b'\n');
    }
    out
}

fn chunks(text: &[u8]) -> Vec<&[u8]> {
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let most = rest.len().min(CHUNK);
        let cut = memchr::memrchr(b'\n', &rest[..most])
            .map_or_else(|| memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1), |n| n + 1);
        let (head, tail) = rest.split_at(cut);
        out.push(head);
        rest = tail;
    }
    out
}

/// GB/s of the best round.
fn best(text: &[u8], mut round: impl FnMut(&[&[u8]])) -> f64 {
    let chunks = chunks(text);
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let from = Instant::now();
        round(&chunks);
        best = best.min(from.elapsed().as_secs_f64());
    }
    text.len() as f64 / best / 1e9
}

fn one_thread(redactor: &Redactor, text: &[u8]) -> f64 {
    let mut worker = redactor.worker();
    let mut out = Redacted::default();
    best(text, |chunks| chunks.iter().for_each(|chunk| worker.redact(chunk, &mut out)))
}

fn threads(redactor: &Redactor, text: &[u8], hands: usize) -> f64 {
    let mut crew = Crew::new(redactor, hands);
    best(text, |chunks| {
        for some in chunks.chunks(crew.round()) {
            let pieces: Vec<(&[u8], Option<&'static str>)> = some.iter().map(|chunk| (*chunk, None)).collect();
            crew.redact(&pieces).for_each(|redacted| {
                std::hint::black_box(redacted.bytes());
            });
        }
    })
}

fn copying(text: &[u8]) -> f64 {
    let mut copy = Vec::with_capacity(2 * CHUNK);
    best(text, |chunks| {
        for chunk in chunks {
            copy.clear();
            copy.extend_from_slice(std::hint::black_box(chunk));
        }
    })
}

/// A redactor with about this many rules, spread over the packs.
fn some_rules(count: usize) -> Redactor {
    let mut packs = load_embedded();
    let all: usize = packs.iter().map(|p| p.rules.len()).sum();
    let mut n = 0;
    for pack in &mut packs {
        pack.rules.retain(|_| {
            n += 1;
            n * count / all != (n - 1) * count / all
        });
    }
    Redactor::with_packs(key(), packs)
}

fn print(name: &str, speed: f64, copy: f64) {
    println!("{name:32} {speed:8.3} {copy:8.1} {:8.4}", speed / copy);
}

fn table() {
    let redactor = Redactor::new(key());
    println!("{} rules, chunks of {} KiB, best of {ROUNDS} rounds", redactor.rules().len(), CHUNK >> 10);
    let mixed = corpus(5, CORPUS);
    println!("\n{:32} {:>8} {:>8} {:>8}", "", "GB/s", "copy", "ratio");
    let copy = copying(&mixed);
    for (name, text) in [
        ("clean lines", corpus(0, CORPUS)),
        ("5 % dirty", mixed.clone()),
        ("50 % dirty", corpus(50, CORPUS)),
        ("JSON in JSON, 5 % dirty", wrapped(&mixed)),
        ("5 % dirty, lines of 100 B", of_length(&mixed, 100)),
        ("5 % dirty, lines of 1 KiB", of_length(&mixed, 1 << 10)),
        ("5 % dirty, lines of 64 KiB", of_length(&mixed, 64 << 10)),
        ("5 % dirty, lines of 1 MiB", of_length(&mixed, 1 << 20)),
    ] {
        print(name, one_thread(&redactor, &text), copy);
    }
    for hands in [1, 2] {
        print(&format!("5 % dirty, {hands} threads in order"), threads(&redactor, &mixed, hands), copy);
    }
    for count in [10, 200] {
        let few = some_rules(count);
        print(&format!("5 % dirty, {count} rules of packs"), one_thread(&few, &mixed), copy);
    }
    for unit in ["@", "4", "\"", "\\", "eyJ", "sk-", "ghp_"] {
        let text = format!("{}\n", unit.repeat((1 << 20) / unit.len())).into_bytes();
        print(&format!("1 MiB of `{unit}`"), one_thread(&redactor, &text), copy);
    }
    use_portable_path();
    print("5 % dirty, portable path", one_thread(&redactor, &mixed), copy);
}

/// Redacts the same 2 MiB `passes` times; prints how many bytes they are.
fn passes(passes: usize, path: &str) {
    if path == "portable" {
        use_portable_path();
    }
    let text = corpus(5, 2 << 20);
    let mut worker = Redactor::new(key()).worker();
    let mut out = Redacted::default();
    let chunks = chunks(&text);
    for _ in 0..passes {
        chunks.iter().for_each(|chunk| worker.redact(chunk, &mut out));
    }
    println!("{}", text.len());
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--passes", count, path] => passes(count.parse().unwrap(), path),
        ["--corpus", percent, mib] => {
            let text = corpus(percent.parse().unwrap(), mib.parse::<usize>().unwrap() << 20);
            std::io::stdout().write_all(&text).unwrap();
        }
        _ => table(),
    }
}
