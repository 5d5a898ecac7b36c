//! Whole log files: no planted secret is left in any spelling, nothing else has changed, JSON stays JSON.
//!
//! The files are our own under `examples/logs`, and those in `../shared/samples` when that folder stands beside the
//! checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use regex::bytes::Regex;

use crate::spellings::{holds, readings};
use crate::support::{root, run};

/// A log with what comes out of it, and the secrets that were planted in its folder.
struct Pass {
    file: String,
    before: Vec<u8>,
    after: Vec<u8>,
    must_go: Vec<(String, String)>,
}

/// All logs, each sent through the program once.
fn passes() -> &'static [Pass] {
    static PASSES: OnceLock<Vec<Pass>> = OnceLock::new();
    PASSES.get_or_init(|| {
        let shared = root().parent().unwrap().join("shared/samples");
        let folders = [root().join("examples/logs"), shared];
        folders.iter().filter(|dir| dir.is_dir()).flat_map(|dir| folder(dir)).collect()
    })
}

fn folder(dir: &Path) -> Vec<Pass> {
    let secrets: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("SECRETS.json")).unwrap()).unwrap();
    let must_go = secrets["must_go"].as_object().unwrap().iter();
    let must_go: Vec<_> = must_go.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let mut logs: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl" || e == "log"))
        .collect();
    logs.sort();
    assert!(logs.len() > 1, "no logs in {}", dir.display());
    let before: Vec<Vec<u8>> = logs.iter().map(|path| fs::read(path).unwrap()).collect();
    let after = through(&logs, &before);
    let files = logs.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let both = before.into_iter().zip(after);
    files.zip(both).map(|(file, (before, after))| Pass { file, before, after, must_go: must_go.clone() }).collect()
}

/// Sends files with these contents through one run of the program and cuts its output back into files.
fn through(files: &[PathBuf], contents: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let args: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let ran = run(&args, b"");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let mut rest = lines(&ran.out).into_iter();
    let pieces = contents.iter().map(|content| {
        assert!(content.ends_with(b"\n"), "a file without a last newline would flow into the next");
        rest.by_ref().take(lines(content).len()).collect::<Vec<_>>().concat()
    });
    let pieces: Vec<Vec<u8>> = pieces.collect();
    assert_eq!(rest.count(), 0, "there are more lines than went in");
    pieces
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    logwarden::line::lines(text).collect()
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn show(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(600).collect()
}

#[test]
fn no_planted_secret_is_left_in_any_spelling() {
    let mut planted = 0;
    let mut left = Vec::new();
    for Pass { file, before, after, must_go } in passes() {
        let (was, is) = (readings(before), readings(after));
        for (name, value) in must_go {
            planted += usize::from(holds(&was, value));
            if holds(&is, value) {
                let line = lines(after).iter().position(|l| holds(&readings(l), value)).map_or(0, |n| n + 1);
                left.push(format!("{file}:{line}: {name}"));
            }
        }
    }
    assert!(planted > 12, "the secrets are not even in the logs ({planted})");
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}

#[test]
fn json_stays_json_and_lines_stay_lines() {
    let mut broken = Vec::new();
    for Pass { file, before, after, .. } in passes() {
        let (before, after) = (lines(before), lines(after));
        assert_eq!(before.len(), after.len(), "{file}");
        for (n, (was, is)) in before.iter().zip(&after).enumerate() {
            if is_json(was) && !is_json(is) {
                broken.push(format!("{file}:{}: {}", n + 1, show(is)));
            }
        }
    }
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

/// What stands outside of labels must stand in the input, in the same order; a line without a label is untouched.
#[test]
fn nothing_changes_outside_of_labels() {
    // A number that went is now a text: the quotes around such a label are new.
    let label = Regex::new(r#"\\*"?\[[A-Z][A-Z0-9_]+(?::[^\]\s"]*)?\]\\*"?|null"#).unwrap();
    let mut changed = Vec::new();
    for Pass { file, before, after, .. } in passes() {
        for (n, (was, is)) in lines(before).into_iter().zip(lines(after)).enumerate() {
            if was != is && !same_outside(was, is, &label) {
                changed.push(format!("{file}:{}:\n  {}\n  {}", n + 1, show(was), show(is)));
            }
        }
    }
    assert!(changed.is_empty(), "{} changed:\n{}", changed.len(), changed.join("\n"));
}

fn same_outside(was: &[u8], is: &[u8], label: &Regex) -> bool {
    if is.starts_with(b"{\"logwarden\":\"withheld\"") {
        return true;
    }
    let pieces: Vec<&[u8]> = label.split(is).collect();
    if pieces.len() < 2 || !was.starts_with(pieces[0]) || !was.ends_with(pieces[pieces.len() - 1]) {
        return false;
    }
    let mut rest = was;
    pieces.iter().all(|piece| {
        let found = memchr::memmem::find(rest, piece);
        rest = found.map_or(rest, |at| &rest[at + piece.len()..]);
        found.is_some()
    })
}

#[test]
fn twice_is_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut changed = Vec::new();
    let once: Vec<Vec<u8>> = passes().iter().map(|pass| pass.after.clone()).collect();
    let paths: Vec<PathBuf> = (0..once.len()).map(|n| dir.path().join(n.to_string())).collect();
    paths.iter().zip(&once).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    for ((first, second), pass) in once.iter().zip(through(&paths, &once)).zip(passes()) {
        for (n, (first, second)) in lines(first).into_iter().zip(lines(&second)).enumerate() {
            if first != second {
                changed.push(format!("{}:{}:\n  {}\n  {}", pass.file, n + 1, show(first), show(second)));
            }
        }
    }
    assert!(changed.is_empty(), "{} changed:\n{}", changed.len(), changed.join("\n"));
}

#[test]
fn the_comparison_sees_a_change() {
    let label = Regex::new(r#""?\[[A-Z][A-Z0-9_]+(?::[^\]\s"]*)?\]"?|null"#).unwrap();
    let was = br#"{"a":"x","pin":1234,"b":"y"}"#;
    assert!(same_outside(was, br#"{"a":"x","pin":"[PIN]","b":"y"}"#, &label));
    assert!(same_outside(was, br#"{"a":"x","pin":null,"b":"y"}"#, &label));
    assert!(!same_outside(was, br#"{"a":"x","pin":"[PIN]","b":"z"}"#, &label));
    assert!(!same_outside(was, br#"{"a":"x","pin":1234,"b": "y"}"#, &label));
}
