//! `explain`: each redaction with its rule, place and reason, and never the value.

use crate::support::run;

const LINE: &str = r#"{"level":"info","user":{"email":"jo@example.org"},"headers":{"authorization":"Bearer sk_live_EXAMPLE4eC39HqLyjWDarjtT1"},"n":1}"#;

#[test]
fn a_line_is_explained_for_people() {
    let ran = run(&["explain", LINE], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = ran.text();
    assert!(text.starts_with(r#"{"level":"info","user":{"email":"[EMAIL]"}"#), "{text}");
    assert!(text.contains("[EMAIL] in /user/email\n      rule "), "{text}");
    assert!(text.contains("in /headers/authorization\n"), "{text}");
    assert!(!text.contains("jo@example") && !text.contains("4eC39Hq"), "{text}");
}

#[test]
fn lines_are_explained_for_programs() {
    let input = format!("nothing here\n{LINE}\n");
    let ran = run(&["explain", "--format", "json"], input.as_bytes());
    let lines: Vec<serde_json::Value> =
        ran.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["redactions"].as_array().unwrap().len(), 0);
    let email = &lines[1]["redactions"][0];
    assert_eq!((email["label"].as_str(), email["field"].as_str()), (Some("[EMAIL]"), Some("/user/email")));
    let span = |name: &str| usize::try_from(email[name].as_u64().unwrap()).unwrap();
    assert_eq!(&LINE[span("raw_start")..span("raw_end")], "jo@example.org");
    assert_eq!(&lines[1]["line"].as_str().unwrap()[span("start")..span("end")], "[EMAIL]");
    assert!(!ran.text().contains("jo@example"), "{}", ran.text());
}

#[test]
fn roles_are_explained_and_the_configuration_counts() {
    let line = r#"{"timestamp":"2026-05-04 09:00:00","method":"GET","path":"/x","status":200,"caller":"203.0.113.9"}"#;
    let ran = run(&["explain", line], b"").text();
    assert!(ran.contains("status        200  (/status: known name)") && !ran.contains("/caller"), "{ran}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let config = "[event.roles]\nip = \"/caller\"\n[sources.a]\ntype = \"stdin\"\nzone = \"Europe/Berlin\"\n";
    std::fs::write(&path, config).unwrap();
    let ran = run(&["explain", "--config", path.to_str().unwrap(), "--format", "json", line], b"");
    let explained: serde_json::Value = serde_json::from_slice(&ran.out).expect(&ran.err);
    assert_eq!(explained["event"]["ip"], "203.0.113.9");
    assert!(explained["event"]["time"].as_str().unwrap().starts_with("2026-05-04T07:00:00"), "{explained}");
    let wrong = run(&["explain", "--config", path.to_str().unwrap(), "--source", "b", line], b"");
    assert!(wrong.code == 2 && wrong.err.contains("no source `b`"), "{}", wrong.err);
}
