//! `rules`: what is looked for, as it is compiled into the program.

use crate::support::run;

#[test]
fn rules_are_listed_and_shown() {
    let list = run(&["rules", "list"], b"");
    assert!(list.code == 0 && list.text().contains("openai-api-key"), "{}", list.text());
    let json = run(&["rules", "list", "--format", "json"], b"").text();
    let ids: Vec<String> = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(list.text().lines().count(), ids.len() + 1);
    for id in ids.iter().step_by(20) {
        let shown = run(&["rules", "show", id], b"");
        assert!(shown.code == 0 && shown.text().starts_with(&format!("{id}: ")), "{id}: {}", shown.text());
    }
}

#[test]
fn an_unknown_rule_is_a_usage_error_with_a_way_out() {
    let ran = run(&["rules", "show", "no-such-rule"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no-such-rule") && ran.err.contains("help: "), "{}", ran.err);
}
