//! The laws of the house, kept by a test: which room may import which, what a pure room may not name, who may print,
//! who may name a raw line. Sizes only warn. Each law has a fixture that must be caught.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "tidy/laws.rs"]
mod laws;
#[path = "tidy/text.rs"]
mod text;

use std::fmt::Debug;
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use laws::{ARROWS, House};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, out: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned();
            out.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn tree() -> Vec<(String, String)> {
    let mut out = Vec::new();
    files(&src(), &mut out);
    out
}

#[test]
fn the_house_keeps_its_laws() {
    let tree = tree();
    assert!(tree.len() > 20, "the tree was not found");
    let house = House::new(tree.iter().map(|(path, _)| path.as_str()));
    let broken: Vec<String> = tree.iter().flat_map(|(path, text)| house.check(path, text)).collect();
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn sizes_are_told() {
    for (path, text) in tree() {
        for warning in laws::sizes(&path, &text) {
            println!("WARN: {warning}");
        }
    }
}

#[test]
fn arrows_go_down_only() {
    // A table in which each room only names rooms above its own row cannot hold a circle.
    for (n, (room, allowed)) in ARROWS.iter().enumerate() {
        for to in *allowed {
            let at = ARROWS.iter().position(|(r, _)| r == to);
            assert!(at.is_some_and(|at| at < n), "{room} -> {to} does not go down");
        }
    }
}

#[test]
fn the_map_names_every_room_in_order() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("| `src/")?.split(['/', '.']).next()).collect();
    let rooms: Vec<&str> =
        ARROWS.iter().map(|(room, _)| *room).filter(|room| !matches!(*room, "lib" | "main")).collect();
    assert_eq!(rows, rooms);
}

#[test]
fn each_law_catches_its_fixture() {
    let house = House::new(
        ["lib.rs", "line/mod.rs", "line/batch.rs", "redact/mod.rs", "redact/engine.rs", "redact/scan.rs", "units.rs"]
            .into_iter()
            .chain(["cli/mod.rs", "cli/check.rs", "cli/filter.rs", "store/mod.rs", "store/db.rs", "alert/mod.rs"]),
    );
    let caught: &[(&str, &str, &str)] = &[
        ("redact/engine.rs", "use crate::store::Store;", "redact may not import store"),
        ("redact/engine.rs", "use crate::{line::lines, alert::Alert};", "redact may not import alert"),
        ("redact/engine.rs", "fn f() { let _ = crate::store::open(); }", "redact may not import store"),
        ("redact/engine.rs", "use super::super::store::Store;", "climbs out of its room"),
        ("redact/engine.rs", "use crate::Timestamp;", "not a room"),
        ("redact/engine.rs", "use super::Redactor;", "its own mod.rs"),
        ("redact/engine.rs", "use crate::redact::Redactor;", "its own mod.rs"),
        ("redact/engine.rs", "use std::{fmt, fs};", "pure room names std::fs"),
        ("redact/engine.rs", "use std::net::{IpAddr, TcpStream};", "pure room names std::net::TcpStream"),
        ("redact/engine.rs", "fn f() { std::env::var(\"X\"); }", "pure room names std::env"),
        ("redact/engine.rs", "fn f() { std::thread::spawn(g); }", "pure room names std::thread"),
        ("alert/mod.rs", "fn f() { let t = SystemTime::now(); }", "pure room names SystemTime::now"),
        ("alert/mod.rs", "fn f() { let t = std::time::Instant::now(); }", "pure room names Instant::now"),
        ("alert/mod.rs", "fn f() { let t = chrono::Utc::now(); }", "pure room names Utc::now"),
        ("alert/mod.rs", "use tokio::sync::mpsc;", "pure room names tokio"),
        ("store/db.rs", "fn f() { println!(\"x\"); }", "only cli prints"),
        ("store/db.rs", "fn f() { eprint!(\"x\"); }", "only cli prints"),
        ("store/db.rs", "fn f() { std::io::stdout(); }", "only cli prints"),
        ("store/db.rs", "use crate::line::Batch;", "may not name a raw line"),
        ("store/db.rs", "use crate::line::{Ack, RawLine};", "may not name a raw line"),
        ("cli/check.rs", "use crate::line::RawLine;", "may not name a raw line"),
        ("line/batch.rs", "#[derive(Clone, Debug)]\npub struct RawLine<'a>(&'a [u8]);", "must not be printable"),
        ("line/batch.rs", "impl fmt::Display for Batch {}", "must not be printable"),
        ("line/batch.rs", "#[allow(dead_code)]\nfn f() {}", "silences a lint"),
        ("lib.rs", "pub use units::Timestamp;", "lib.rs re-exports"),
    ];
    for (path, text, want) in caught {
        let got = house.check(path, text);
        assert!(got.iter().any(|g| g.contains(want)), "{path}: {text}\n wanted `{want}`, got {got:?}");
    }
    let fine: &[(&str, &str)] = &[
        ("redact/engine.rs", "use std::net::IpAddr;\nuse super::scan::Scan;\nuse crate::line::RawLine;"),
        ("redact/engine.rs", "// std::fs is not for us\nconst S: &str = \"tokio::spawn, println!\";"),
        ("redact/engine.rs", "const C: char = '\"'; fn f<'a>(x: &'a str) {} // crate::store\n"),
        ("redact/engine.rs", "#[cfg(test)]\nmod tests {\n use super::*;\n fn f() { println!(\"x\"); }\n}"),
        ("cli/filter.rs", "use crate::line::Batch;\nfn f() { println!(\"x\"); }"),
        ("redact/mod.rs", "pub use engine::Redactor;"),
        ("store/db.rs", "struct Batch; fn f() { let t = std::time::SystemTime::now(); }"),
    ];
    for (path, text) in fine {
        let got = house.check(path, text);
        assert!(got.is_empty(), "{path}: {text}\n got {got:?}");
    }
    let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(80));
    assert!(laws::sizes("a.rs", &long).iter().any(|w| w.contains("long")));
    assert!(laws::sizes("a.rs", &"const A: u8 = 1;\n".repeat(400)).iter().any(|w| w.contains("400 lines")));
}

/// `Probe::<T>::PRINTS`: the inherent constant wins when `T` can be printed, the trait's stands in when not.
struct Probe<T>(PhantomData<T>);
trait Silent {
    const PRINTS: bool = false;
    const SERIALIZES: bool = false;
}
impl<T> Silent for Probe<T> {}
impl<T: Debug> Probe<T> {
    const PRINTS: bool = true;
}
impl<T: serde::Serialize> Probe<T> {
    const SERIALIZES: bool = true;
}

#[test]
fn raw_lines_cannot_be_printed() {
    use logwarden::line::{Batch, RawLine};
    const {
        assert!(Probe::<String>::PRINTS && Probe::<String>::SERIALIZES, "the probe is blind");
        assert!(!Probe::<RawLine<'static>>::PRINTS && !Probe::<RawLine<'static>>::SERIALIZES);
        assert!(!Probe::<Batch>::PRINTS && !Probe::<Batch>::SERIALIZES);
    }
}
