//! `scan`: what sits in existing logs, told in three formats and never with the value.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, run};

const SECRETS: [&str; 3] = ["hunter2horse", "jo@example.org", "4eC39HqLyjWDarjtT1"];

/// A directory of logs: plain, gzip, zstd, one without anything, one that is no text.
fn logs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("old")).unwrap();
    let plain = "{\"level\":\"info\"}\n{\"user\":{\"email\":\"jo@example.org\"},\"password\":\"hunter2horse\"}\n";
    std::fs::write(at("app.jsonl"), plain).unwrap();
    std::fs::write(at("clean.log"), "started\nlistening on port 80\n").unwrap();
    std::fs::write(at("db.bin"), b"SQLite\0\0password=hunter2horse\n").unwrap();
    let file = std::fs::File::create(at("old/a.log.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gz.write_all(b"one\ntwo\nkey sk_live_EXAMPLE4eC39HqLyjWDarjtT1 used").unwrap();
    gz.finish().unwrap();
    let zst = zstd::encode_all(&b"GET /?password=hunter2horse HTTP/1.1\n"[..], 1).unwrap();
    std::fs::write(at("old/b.log.zst"), zst).unwrap();
    dir
}

fn scan(args: &[&str], path: &Path) -> Ran {
    let mut all = vec!["scan"];
    all.extend(args);
    all.push(path.to_str().unwrap());
    let ran = run(&all, b"");
    for secret in SECRETS {
        assert!(!ran.text().contains(secret) && !ran.err.contains(secret), "{}{}", ran.text(), ran.err);
    }
    ran
}

#[test]
fn a_directory_is_told_for_people() {
    let dir = logs();
    let ran = scan(&[], dir.path());
    let text = ran.text();
    assert_eq!(ran.code, 1, "{text}{}", ran.err);
    let base = dir.path().display();
    assert!(text.contains(&format!("{base}/app.jsonl:2: EMAIL ")), "{text}");
    assert!(text.contains(" in /user/email\n    {\"user\":{\"email\":\"[EMAIL]\"}"), "{text}");
    assert!(text.contains(&format!("{base}/old/a.log.gz:3: STRIPE_SECRET_KEY ")), "{text}");
    assert!(text.contains(&format!("{base}/old/b.log.zst:1: PASSWORD ")), "{text}");
    assert!(text.contains("\n4 findings in 4 files, 8 lines\n        2  PASSWORD\n        1  EMAIL\n"), "{text}");
    assert!(ran.err.contains("1 file that is no text was left out"), "{}", ran.err);
    let named = scan(&[], &dir.path().join("db.bin"));
    assert!(named.code == 1 && named.text().contains("1 finding in 1 file, 1 line\n"), "{}", named.text());
}

#[test]
fn findings_are_told_for_programs() {
    let dir = logs();
    let ran = scan(&["--format", "json"], dir.path());
    assert_eq!(ran.code, 1, "{}", ran.err);
    let found: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(found.len(), 4, "{}", ran.text());
    let email = found.iter().find(|f| f["type"] == "EMAIL").unwrap();
    assert_eq!((email["line"].as_u64(), email["field"].as_str()), (Some(2), Some("/user/email")));
    assert!(email["file"].as_str().unwrap().ends_with("/app.jsonl"), "{email}");
    let span = |name: &str| usize::try_from(email[name].as_u64().unwrap()).unwrap();
    let line = std::fs::read_to_string(dir.path().join("app.jsonl")).unwrap();
    assert_eq!(&line.lines().nth(1).unwrap()[span("raw_start")..span("raw_end")], "jo@example.org");
}

#[test]
fn findings_are_told_as_sarif() {
    let dir = logs();
    for (path, code, results) in [(dir.path().to_owned(), 1, 4), (dir.path().join("clean.log"), 0, 0)] {
        let ran = scan(&["--format", "sarif"], &path);
        assert_eq!(ran.code, code, "{}", ran.err);
        let sarif: Value = serde_json::from_slice(&ran.out).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "logwarden");
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
        assert_eq!(run["results"].as_array().unwrap().len(), results);
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()), "{result}");
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("file:///"), "{place}");
            assert!(place["region"]["startLine"].as_u64().unwrap() >= 1, "{place}");
            assert!(result["message"]["text"].as_str().unwrap().contains('['), "{result}");
        }
    }
}

#[test]
fn clean_is_0_and_unreadable_is_74_and_the_rest_is_scanned() {
    let dir = logs();
    let clean = scan(&[], &dir.path().join("clean.log"));
    assert_eq!((clean.code, clean.text().as_str()), (0, "nothing found in 1 file, 2 lines\n"));
    let whole = std::fs::read(dir.path().join("old/b.log.zst")).unwrap();
    std::fs::write(dir.path().join("old/cut.zst"), &whole[..whole.len() - 8]).unwrap();
    let ran = run(&["scan", "/no/such/file.log", dir.path().to_str().unwrap()], b"");
    assert_eq!(ran.code, 74, "{}", ran.err);
    assert!(ran.err.contains("cannot read /no/such/file.log: "), "{}", ran.err);
    assert!(ran.err.contains("old/cut.zst: "), "{}", ran.err);
    assert!(ran.text().contains("old/b.log.zst:1: PASSWORD"), "{}", ran.text());
    assert_eq!(run(&["scan"], b"").code, 2);
}

#[test]
fn links_in_a_directory_are_not_followed() {
    let dir = logs();
    let inner = dir.path().join("links");
    std::fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(dir.path().join("app.jsonl"), inner.join("out.jsonl")).unwrap();
    std::os::unix::fs::symlink(dir.path(), inner.join("loop")).unwrap();
    assert_eq!(scan(&[], &inner).text(), "nothing found in 0 files, 0 lines\n");
    assert_eq!(scan(&[], &inner.join("out.jsonl")).code, 1);
}

#[test]
fn the_configuration_counts() {
    let dir = logs();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[redact.strategies]\nEMAIL = 'keep'\nPASSWORD = 'mask'\n").unwrap();
    let path = dir.path().join("app.jsonl");
    // What is kept on purpose is shown, so this one is not held to `scan`'s check of the output.
    let ran = run(&["scan", "--config", config.to_str().unwrap(), "--format", "json", path.to_str().unwrap()], b"");
    assert_eq!(ran.text().lines().count(), 1, "{}{}", ran.text(), ran.err);
    assert!(ran.text().contains("[PASSWORD]") && !ran.text().contains("orse"), "{}", ran.text());
    std::fs::write(&config, "[redact.strategies]\nEMAIL = 'hide'\n").unwrap();
    let ran = run(&["scan", "--config", config.to_str().unwrap(), path.to_str().unwrap()], b"");
    assert!(ran.code == 78 && ran.err.contains("`hide`"), "{} {}", ran.code, ran.err);
}

#[test]
fn near_misses_show_shapes_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    std::fs::write(&path, "{\"user_code7\":\"orders-by-day\"}\n".repeat(3) + "sk_live_12-not-one-at-all x\n").unwrap();
    let ran = scan(&["--near-misses", "5", "--format", "json"], &path);
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
    assert!(!ran.text().contains("orders") && !ran.text().contains("one-at"), "{}", ran.text());
    let near: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let want = (Some("weak_field"), Some("user_code9"), Some("a{6}-a{2}-a{3}"), Some(3));
    let told = |n: &Value| n["near_miss"].as_str().is_some_and(|r| r == "prefix") && n["line"] == 4;
    let first = &near[0];
    let text = |key: &str| first[key].as_str();
    assert_eq!((text("near_miss"), text("name"), text("shape"), first["count"].as_u64()), want, "{}", ran.text());
    assert!(near.iter().any(told), "{}", ran.text());
    assert!(scan(&["--near-misses", "1"], &path).text().ends_with("a.log:1)\n"));
    let sarif: Value = serde_json::from_slice(&scan(&["--near-misses", "1", "--format", "sarif"], &path).out).unwrap();
    assert_eq!(sarif["runs"][0]["properties"]["nearMisses"].as_array().unwrap().len(), 1);
    assert_eq!(scan(&[], &path).text(), "nothing found in 1 file, 4 lines\n");
}

/// A log that holds a key in every line is one thing to mend, not a thousand.
#[test]
fn the_same_in_every_line_is_told_three_times_and_counted() {
    let log = crate::support::root().join("examples/logs/gateway.jsonl");
    let text = scan(&[], &log).text();
    assert_eq!(text.lines().filter(|line| line.contains(": API_KEY field-api-key in /api_key")).count(), 3, "{text}");
    assert!(text.contains(": and 592 more of API_KEY field-api-key in /api_key, the last in line 595\n"), "{text}");
    assert!(text.contains("\n595 findings in 1 file, 595 lines\n"), "{text}");
    let all = scan(&["--all"], &log).text();
    assert_eq!(all.lines().filter(|line| line.contains(": API_KEY field-api-key in /api_key")).count(), 595);
    assert_eq!(scan(&["--format", "json"], &log).text().lines().count(), 595);
}
