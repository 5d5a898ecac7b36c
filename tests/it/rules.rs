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
    for id in ids.iter().step_by(80) {
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

#[test]
fn a_pack_of_one_s_own_is_proved_by_its_examples() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    let pack = |example: &str, negative: &str| {
        let text = format!(
            "pack = \"mine\"\n[[rule]]\nid = \"acme-key\"\ntype = \"ACME_KEY\"\ndescription = \"Acme key\"\n\
             prefixes = [\"acme_\"]\npattern = 'acme_[a-z0-9]{{20}}'\nexamples = ['{example}']\nnegatives = ['{negative}']\n"
        );
        std::fs::write(&path, text).unwrap();
        run(&["rules", "test", path.to_str().unwrap()], b"")
    };
    let good = pack("id=«acme_abcdefghij0123456789»", "acme_short");
    assert_eq!((good.code, good.text().as_str()), (0, "1 rules, 0 failures\n"), "{}", good.err);
    let missed = pack("id=«acme_nope»", "acme_short");
    assert!(missed.code == 1 && missed.text().contains("FAILED acme-key"), "{}", missed.text());
    let eager = pack("id=«acme_abcdefghij0123456789»", "acme_bbbbbbbbbb0123456789");
    assert!(eager.code == 1 && eager.text().contains("must stay"), "{}", eager.text());
    std::fs::write(&path, "pack = \"mine\"\n[[rule]]\nid = \"x\"\n").unwrap();
    let broken = run(&["rules", "test", path.to_str().unwrap()], b"");
    assert!(broken.code == 1 && broken.err.contains("mine.toml:"), "{}", broken.err);
}
