//! Every rule of the embedded packs, proved by its own examples in the whole redactor.

use logwarden::redact::{PseudonymKey, Redacted, Redactor};
use logwarden::rules::{Example, load_embedded};

/// A redactor with every rule, also those that are off by default.
fn all_on() -> Redactor {
    let mut packs = load_embedded();
    packs.iter_mut().flat_map(|p| &mut p.rules).for_each(|r| r.off = false);
    Redactor::with_packs(PseudonymKey::random().unwrap(), packs)
}

/// What the redactor makes of `text`, and the labels' rules.
fn redact(redactor: &Redactor, text: &str) -> (String, Vec<String>) {
    let mut out = Redacted::default();
    redactor.worker().redact(format!("{text}\n").as_bytes(), &mut out);
    let rules = out.findings().iter().map(|f| redactor.rule(f.rule).id.clone()).collect();
    (String::from_utf8_lossy(out.bytes()).trim_end_matches('\n').to_owned(), rules)
}

/// Rules whose label another rule of the same worth takes: the value was known by its field before it was remembered.
const NEVER_FIRST: [&str; 1] = ["seen-before"];

#[test]
fn what_an_example_marks_goes_and_the_rest_stays() {
    let redactor = all_on();
    let mut wrong = Vec::new();
    for rule in load_embedded().iter().flat_map(|p| &p.rules) {
        let mut own = NEVER_FIRST.contains(&rule.id.as_str());
        let mut labels = Vec::new();
        for marked in &rule.examples {
            let e = Example::parse(marked).unwrap();
            let (got, rules) = redact(&redactor, &e.text);
            let (before, after) = (&e.text[..e.start], &e.text[e.end..]);
            let kept = got.starts_with(before) && got.ends_with(after);
            if got.contains(e.secret()) || !kept {
                wrong.push(format!("{}: {marked} -> {got}", rule.id));
            }
            own |= rules.contains(&rule.id);
            labels.extend(rules);
        }
        if !own {
            wrong.push(format!("{}: all examples get other rules' labels: {labels:?}", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_negative_never_gets_the_rule_s_label() {
    let redactor = all_on();
    let mut wrong = Vec::new();
    for rule in load_embedded().iter().flat_map(|p| &p.rules) {
        for text in &rule.negatives {
            let (got, rules) = redact(&redactor, text);
            if rules.contains(&rule.id) {
                wrong.push(format!("{}: {text} -> {got}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
