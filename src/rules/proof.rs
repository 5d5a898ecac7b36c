//! The embedded packs, proved: each rule fires on its examples in the way that it states, and stays silent on its negatives.

use std::collections::HashSet;
use std::ops::Range;

use super::check::Example;
use super::load::{FILES, Pack, compile_pattern, embedded, load_embedded, load_pack};
use super::model::RuleDef;
use super::validate;

/// Bytes between a keyword and its value.
const REACH: usize = 40;

/// Where the rule fires in `text`, by prefix, keyword or field: the plain reading of [`RuleDef`]'s doc.
fn fires(rule: &RuleDef, text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for prefix in &rule.prefixes {
        for (at, _) in text.match_indices(prefix.as_str()) {
            if !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) {
                found.extend(matched(rule, text, at, text.len(), false));
            }
        }
    }
    let lower = text.to_ascii_lowercase();
    for keyword in &rule.keywords {
        for (at, word) in lower.match_indices(keyword.as_str()) {
            let behind = at + word.len();
            let near = (behind..text.len().min(behind + REACH + 1)).filter(|&i| text.is_char_boundary(i));
            found.extend(
                near.filter(|&i| is_gap(&text[behind..i])).find_map(|i| matched(rule, text, i, text.len(), true)),
            );
        }
    }
    for field in &rule.fields {
        for (at, name) in lower.match_indices(field.as_str()) {
            let rest = text[at + name.len()..].trim_start_matches(['"', ' ', '=', ':']);
            let start = text.len() - rest.len();
            let end = start + rest.find(['"', '\n', '&', ';', '}']).unwrap_or(rest.len());
            found.extend(matched(rule, text, start, end, true).filter(|r| start > at + name.len() && r.end <= end));
        }
    }
    found
}

fn is_gap(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "_-\"'`=:>,.([{\\/@$".contains(c))
}

/// The part that goes when the rule's pattern, entropy and validator accept `text` at `at`.
fn matched(rule: &RuleDef, text: &str, at: usize, end: usize, whole: bool) -> Option<Range<usize>> {
    let range = match &rule.pattern {
        Some(p) => {
            let captures = compile_pattern(p).unwrap().captures(&text.as_bytes()[at..end])?;
            let all = captures.get(0)?;
            let glued = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            let left = at > 0 && text.as_bytes()[at - 1].is_ascii_alphanumeric();
            let right = text.as_bytes().get(at + all.end()).is_some_and(|&b| glued(b));
            if whole && (left || right) {
                return None;
            }
            let part = captures.get(1).unwrap_or(all);
            at + part.start()..at + part.end()
        }
        None => at..end,
    };
    let part = &text.as_bytes()[range.clone()];
    let random = rule.entropy.is_none_or(|least| entropy(part) >= f64::from(least));
    (!part.is_empty() && random && rule.validator.is_none_or(|v| validate::check(v, part))).then_some(range)
}

/// Shannon entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|&b| counts[usize::from(b)] += 1);
    let n = bytes.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| f64::from(c) / n).map(|p| -p * p.log2()).sum()
}

fn packs() -> Vec<Pack> {
    load_embedded()
}

#[test]
fn every_embedded_pack_passes_the_checks_of_a_user_pack() {
    let mut ids = HashSet::new();
    for (((name, _), embedded), text) in embedded().iter().zip(packs()).zip(FILES) {
        let pack = load_pack(name, text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format!("{}.toml", pack.pack), *name);
        assert_eq!(format!("{pack:?}"), format!("{embedded:?}"), "what is embedded is not what the file says");
        for rule in pack.rules {
            assert!(ids.insert(rule.id.clone()), "{name}: {} is defined twice", rule.id);
        }
    }
    assert!(ids.len() >= 300, "{} rules", ids.len());
}

#[test]
fn every_rule_says_where_its_format_comes_from_and_what_to_do_about_a_leak() {
    for rule in packs().iter().flat_map(|p| &p.rules) {
        let id = &rule.id;
        assert!(rule.description.len() > 5 && !rule.description.ends_with('.'), "{id}: description");
        assert!(rule.reference.as_deref().is_some_and(|r| r.starts_with("https://")), "{id}: reference");
        assert!(!rule.examples.is_empty() && !rule.negatives.is_empty(), "{id}: examples and negatives");
        let credential = rule.tag || matches!(rule.kind.as_str(), "PASSWORD" | "PRIVATE_KEY");
        assert!(!credential || rule.revoke.as_deref().is_some_and(|r| r.len() > 8), "{id}: revoke");
    }
}

#[test]
fn rules_fire_on_their_examples_and_not_on_their_negatives() {
    let mut wrong = Vec::new();
    for rule in packs().iter().flat_map(|p| &p.rules).filter(|r| r.builtin.is_none()) {
        for marked in &rule.examples {
            let Some(e) = Example::parse(marked) else {
                wrong.push(format!("{}: marks of {marked}", rule.id));
                continue;
            };
            if !fires(rule, &e.text).contains(&(e.start..e.end)) {
                wrong.push(format!("{}: silent on {marked}", rule.id));
            }
        }
        for text in &rule.negatives {
            if !fires(rule, text).is_empty() {
                wrong.push(format!("{}: fires on {text}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_pattern_reaches_over_a_backslash() {
    // An escape ends a value inside a JSON string; a pattern that took its backslash would break the line.
    for rule in packs().iter().flat_map(|p| &p.rules) {
        let pattern = rule.pattern.as_deref().unwrap_or_default();
        for (at, _) in pattern.match_indices("[^") {
            let class = pattern[at..].split(']').next().unwrap_or_default();
            assert!(class.contains(r"\\"), "{}: `{class}]` takes a backslash", rule.id);
        }
        for (at, _) in pattern.match_indices(r"\\") {
            let inside = pattern[..at].rfind('[').is_some_and(|open| pattern[open..at].starts_with("[^"));
            assert!(inside, "{}: the pattern asks for a backslash", rule.id);
        }
    }
}

#[test]
fn every_prefix_is_one_that_a_match_can_start_with() {
    for rule in packs().iter().flat_map(|p| &p.rules) {
        let shown: Vec<_> = rule.examples.iter().filter_map(|e| Example::parse(e)).map(|e| e.text).collect();
        let used = rule.prefixes.iter().any(|p| shown.iter().any(|t| t.contains(p.as_str())));
        assert!(rule.prefixes.is_empty() || used, "{}: no example shows one of its prefixes", rule.id);
    }
}
