//! Vector's language redacting the lines of the corpus, beside logwarden, in memory and on one thread:
//! `RUSTFLAGS= cargo run --release` in `benches/vrl`, since our flags for size would slow the peer.
//!
//! VRL gets each line as a string and runs `redact` on it, with the twelve patterns of `benches/patterns.txt`, then with
//! two hundred of the rules' patterns; logwarden has everything on. They take turns; the best round of each counts.

#[path = "../../common/mod.rs"]
mod common;

use std::time::Instant;

use common::corpus;
use logwarden::redact::{PseudonymKey, Redacted, Redactor};
use logwarden::rules::load_embedded;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, Program, TargetValue, TimeZone, compile};
use vrl::value::{Secrets, Value};

const CORPUS: usize = 8 << 20;
const ROUNDS: usize = 5;

/// A program that redacts the line it is given with these patterns.
fn program<'p>(patterns: impl Iterator<Item = &'p str>) -> Program {
    let filters: Vec<String> = patterns.map(|p| format!("r'{}'", p.replace('\'', "\\x27"))).collect();
    let source = format!(". = redact(string!(.), filters: [{}])", filters.join(", "));
    match compile(&source, &vrl::stdlib::all()) {
        Ok(result) => result.program,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn with_vrl(program: &Program, text: &[u8]) -> usize {
    let (timezone, mut state, mut written) = (TimeZone::default(), RuntimeState::default(), 0);
    for line in text.split(|b| *b == b'\n') {
        let value = Value::from(String::from_utf8_lossy(line).into_owned());
        let mut target = TargetValue { value, metadata: Value::from(0), secrets: Secrets::default() };
        let mut context = Context::new(&mut target, &mut state, &timezone);
        let value = program.resolve(&mut context).expect("the program takes any string");
        written += value.as_bytes().map_or(0, |b| b.len());
        state.clear();
    }
    written
}

fn with_logwarden(redactor: &Redactor, text: &[u8]) -> usize {
    let (mut worker, mut out, mut written, mut rest) = (redactor.worker(), Redacted::default(), 0, text);
    while !rest.is_empty() {
        let most = rest.len().min(256 << 10);
        let cut = rest[..most].iter().rposition(|b| *b == b'\n').map_or(most, |n| n + 1);
        worker.redact(&rest[..cut], &mut out);
        written += out.bytes().len();
        rest = &rest[cut..];
    }
    written
}

fn main() {
    let packs = load_embedded();
    let rules = packs.iter().flat_map(|p| &p.rules).filter_map(|r| r.pattern.as_deref()).take(200);
    let (twelve, many) = (program(include_str!("../../patterns.txt").lines()), program(rules));
    let redactor = Redactor::new(PseudonymKey::new(0, b"a key of the bench"));
    for dirty in [5, 50] {
        let text = corpus(dirty, CORPUS);
        let subjects: [(&str, &dyn Fn() -> usize); 3] = [
            ("VRL, 12 patterns", &|| with_vrl(&twelve, &text)),
            ("VRL, 200 patterns", &|| with_vrl(&many, &text)),
            ("logwarden, everything", &|| with_logwarden(&redactor, &text)),
        ];
        let mut best = [f64::MAX; 3];
        for _ in 0..ROUNDS {
            for ((_, run), best) in subjects.iter().zip(&mut best) {
                let from = Instant::now();
                assert!(run() > text.len() / 2);
                *best = best.min(from.elapsed().as_secs_f64());
            }
        }
        println!("{dirty} % dirty lines, {} MiB, one thread", CORPUS >> 20);
        for ((name, _), seconds) in subjects.iter().zip(best) {
            println!("  {name:24} {:8.1} MB/s", text.len() as f64 / seconds / 1e6);
        }
    }
}
