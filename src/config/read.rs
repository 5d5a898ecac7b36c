//! From a tree to typed sections: every mistake is told with its place, not only the first one.

use serde::de::DeserializeOwned;

use super::error::{Problem, without_secrets};
use super::plain;
use super::suggest::nearest;
use super::tree::{Item, Step, Tree, dotted, is_secret};

/// More mistakes than this are not told in one go
pub const MOST_PROBLEMS: usize = 20;

/// Reads the tree as a `T`.
pub(super) fn typed<T: DeserializeOwned>(tree: &Tree) -> Result<T, Vec<Problem>> {
    let mut rest = tree.clone();
    let mut problems = Vec::new();
    let mut touched: Vec<Vec<Step>> = Vec::new();
    loop {
        let failure = match attempt::<T>(&rest) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(failure) => failure,
        };
        let culprit = culprit::<T>(&rest, &failure);
        // What a section lacks only because we took it out is not a mistake of the user's.
        let echo = touched.iter().any(|t| t.len() > culprit.len() && t.starts_with(&culprit));
        if !echo {
            problems.push(describe(&rest, &culprit, &failure));
        }
        if problems.len() >= MOST_PROBLEMS || !rest.remove(&culprit) {
            break;
        }
        touched.push(culprit);
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.col).cmp(&(&b.file, b.line, b.col)));
    Err(problems)
}

#[derive(PartialEq)]
struct Failure {
    path: Vec<Step>,
    message: String,
}

fn attempt<T: DeserializeOwned>(tree: &Tree) -> Result<T, Failure> {
    plain::read(tree.value())
        .map_err(|mistake| Failure { path: mistake.0.path.into(), message: in_toml(&mistake.0.message) })
}

/// Serde's words are about Rust; these are about TOML.
fn in_toml(message: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("a sequence", "a list in [..]"),
        ("expected a map", "expected a table"),
        ("type: map", "type: table"),
        ("expected a boolean", "expected true or false"),
    ];
    let mut message = WORDS.iter().fold(message.to_owned(), |text, (rust, toml)| text.replace(rust, toml));
    if let Some(at) = message.rfind("expected ") {
        let word = match &message[at + "expected ".len()..] {
            "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
            "f32" | "f64" => "a number",
            _ => return message,
        };
        message.replace_range(at + "expected ".len().., word);
    }
    message
}

/// A mistake that serde found in a single value, for people: the nearest known word instead of all of them.
pub fn mistake(serde: &str) -> String {
    let quoted: Vec<&str> = serde.split('`').skip(1).step_by(2).collect();
    match (serde.starts_with("unknown field") || serde.starts_with("unknown variant"), quoted.as_slice()) {
        (true, [name, known @ ..]) => format!("`{name}` is not known; {}", choose(name, known, "known here")),
        _ => in_toml(serde),
    }
}

/// The path of what is to blame.
///
/// Serde names the place only as far as it can: a section whose `type` chooses its shape is read as one piece. Then the
/// one whose removal changes the message is to blame.
fn culprit<T: DeserializeOwned>(tree: &Tree, failure: &Failure) -> Vec<Step> {
    let (_, node, depth) = tree.nearest(&failure.path);
    let mut path = failure.path[..depth].to_vec();
    if failure.message.starts_with("missing field") {
        return path;
    }
    if let Some(name) = failure.message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        let under = |path: &[Step]| path.last() == Some(&Step::Key(name.to_owned()));
        if under(&path) {
            return path;
        }
        if node.keys().contains(&name) {
            path.push(Step::Key(name.to_owned()));
            return path;
        }
    }
    if matches!(node.item, Item::Leaf(_)) {
        return path;
    }
    let mut below = Vec::new();
    node.below(&path, &mut below);
    let blamed = below.into_iter().find(|candidate| {
        let mut without = tree.clone();
        without.remove(candidate);
        attempt::<T>(&without).err().as_ref() != Some(failure)
    });
    blamed.unwrap_or(path)
}

fn describe(tree: &Tree, culprit: &[Step], failure: &Failure) -> Problem {
    let message = failure.message.as_str();
    let quoted = || message.split('`').skip(1).step_by(2);
    let (entry, node, _) = tree.nearest(culprit);
    if message.starts_with("unknown field") {
        let (name, parent) = (quoted().next().unwrap_or(""), &culprit[..culprit.len().saturating_sub(1)]);
        let known: Vec<&str> = quoted().skip(1).collect();
        let text = match parent {
            [] => format!("unknown section `{name}`"),
            parent => format!("unknown key `{name}` in [{}]", dotted(parent)),
        };
        let at = entry.map_or(&node.at, |e| &e.key);
        return tree.problem_with_key(at, text, Some(choose(name, &known, "known here")));
    }
    if message.starts_with("missing field") {
        let name = quoted().next().unwrap_or("");
        let text = match culprit {
            [] => format!("the configuration lacks `{name}`"),
            path => format!("[{}] lacks `{name}`", dotted(path)),
        };
        let slip = node.keys().into_iter().find(|key| nearest(key, [name]).is_some() && *key != name);
        let help = match slip {
            Some(slip) => format!("there is `{slip}`; did you mean `{name}`?"),
            None => hint(culprit, name),
        };
        return tree.problem_at(culprit, text, Some(help));
    }
    if message.starts_with("unknown variant") {
        let (name, known) = (quoted().next().unwrap_or(""), quoted().skip(1).collect::<Vec<_>>());
        let text = format!("`{}` cannot be `{name}`", dotted(culprit));
        return tree.problem_at(
            culprit,
            secretless(culprit, node_text(&node.item), &text),
            Some(choose(name, &known, "possible")),
        );
    }
    let text = secretless(culprit, node_text(&node.item), &format!("`{}`: {message}", dotted(culprit)));
    tree.problem_at(culprit, text, None)
}

/// "did you mean" when a known word is near, else the list of them.
fn choose(name: &str, known: &[&str], what: &str) -> String {
    match nearest(name, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => format!("nothing is {what}"),
        None => {
            let list: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
            format!("{what}: {}", list.join(", "))
        }
    }
}

/// The way out when a key is missing.
fn hint(path: &[Step], name: &str) -> String {
    let section = path.first().and_then(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    match (section, name) {
        (Some("calendars"), "zone") => {
            "office hours mean nothing without a place; add an IANA zone, such as `zone = \"Europe/Berlin\"`".to_owned()
        }
        (Some("sources"), "type") => "add `type = \"file\"` or `type = \"stdin\"`".to_owned(),
        (Some("sinks"), "type") => "add `type = \"file\"` or `type = \"stdout\"`".to_owned(),
        (Some(section @ ("receivers" | "detect" | "keys")), _) => {
            format!("add `{name} = ...`; `logwarden config reference` shows [{section}] with all its keys")
        }
        _ => format!("add `{name} = ...`"),
    }
}

fn node_text(item: &Item) -> Option<&str> {
    match item {
        Item::Leaf(toml::Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The message without the value when the value is secret, and without anything the redactor knows in any case.
fn secretless(path: &[Step], value: Option<&str>, message: &str) -> String {
    match value {
        Some(value) if is_secret(path) && !value.is_empty() => without_secrets(&message.replace(value, "…")),
        _ => without_secrets(message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Fake {
        #[serde(default)]
        sources: BTreeMap<String, Source>,
        #[serde(default)]
        calendars: BTreeMap<String, Calendar>,
        #[serde(default)]
        mail: Option<Mail>,
        #[serde(default)]
        routes: Vec<Mail>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Source {
        File(File),
        Stdin(Empty),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        paths: Vec<String>,
        #[serde(default)]
        depth: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Calendar {
        zone: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Mail {
        #[serde(default)]
        port: u16,
        #[serde(default)]
        password: Option<u8>,
    }

    fn read(texts: &[&str]) -> Result<Fake, String> {
        let files = texts.iter().enumerate().map(|(n, text)| (format!("{n}.toml").into(), (*text).to_owned()));
        let show = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        typed(&Tree::parse(files.collect()).map_err(show)?).map_err(show)
    }

    #[test]
    fn a_good_file_and_its_parts_are_one() {
        let fake = read(&[
            "[sources.a]\ntype = \"file\"\npaths = [\"x\"]\n[[routes]]\nport = 1",
            "[sources.b]\ntype = \"stdin\"\n[[routes]]\nport = 2",
        ])
        .unwrap();
        assert_eq!((fake.sources.len(), fake.routes.len()), (2, 2));
        assert!(matches!(&fake.sources["a"], Source::File(f) if f.paths == ["x"] && f.depth == 0));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases: &[(&str, &[&str])] = &[
            (
                "[sorces.a]\n",
                &["0.toml:1:2: unknown section `sorces`", "did you mean `sources`?", " | [sorces.a]", "  ^^^^^^"],
            ),
            ("[mail]\nprt = 1", &["0.toml:2:1: unknown key `prt` in [mail]", "did you mean `port`?"]),
            ("[mail]\nport = \"x\"", &["0.toml:2:8: `mail.port`: invalid type", "expected a whole number"]),
            ("[mail]\nport = 70000", &["0.toml:2:8: `mail.port`: invalid value", "70000"]),
            ("[sources.a]\ntype = \"file\"\npths = []", &["0.toml:3:1: unknown key `pths`", "did you mean `paths`?"]),
            ("[sources.a]\ntype = \"file\"\npaths = []\ndepht = 1", &["0.toml:4:1: unknown key `depht`", "`depth`?"]),
            (
                "[sources.a]\ntype = \"file\"\npaths = []\ndepth = \"x\"",
                &["0.toml:4:9: `sources.a.depth`: invalid type"],
            ),
            ("[sources.a]\ntype = \"file\"\npaths = [1]", &["0.toml:3:10: `sources.a.paths[0]`: invalid type"]),
            (
                "[sources.a]\ntype = \"fil\"\npaths = []",
                &["0.toml:2:8: `sources.a.type` cannot be `fil`", "mean `file`?"],
            ),
            ("[sources.a]\npaths = []", &["0.toml:1:10: [sources.a] lacks `type`", "`type = \"file\"`"]),
            ("[sources.a]\ntyp = \"file\"", &["0.toml:1:10: [sources.a] lacks `type`", "there is `typ`; did you"]),
            ("[calendars.office]\n", &["0.toml:1:12: [calendars.office] lacks `zone`", "`zone = \"Europe/Berlin\"`"]),
            ("[mail\n", &["0.toml:1:"]),
            ("[mail]\nport = 1\nport = 2", &["0.toml:3:1: duplicate key"]),
            ("[[routes]]\nport = 1\n[[routes]]\npot = 2", &["0.toml:4:1: unknown key `pot` in [routes[1]]"]),
            ("[mail]\nport = 99999999999999999999", &["0.toml:2:8", "99999999999999999999"]),
        ];
        for (text, wants) in cases {
            let got = read(&[text]).unwrap_err();
            for want in *wants {
                assert!(got.contains(want), "{text}\n wanted {want}\n got {got}");
            }
        }
    }

    #[test]
    fn all_mistakes_come_at_once_and_in_order() {
        let got = read(&["[mail]\nprt = 1\nport = \"x\"\n[sources.a]\ntype = \"flie\"\n[calendars.c]"]).unwrap_err();
        let heads: Vec<&str> = got.lines().filter(|l| l.starts_with("0.toml")).collect();
        assert_eq!(heads.len(), 4, "{got}");
        assert!(heads[0].starts_with("0.toml:2:1") && heads[1].starts_with("0.toml:3:8"), "{got}");
    }

    #[test]
    fn what_two_files_set_is_told_with_both() {
        let got = read(&["[mail]\nport = 1", "[mail]\nport = 2"]).unwrap_err();
        assert!(got.contains("1.toml:2:8: `mail.port` is set twice"), "{got}");
        assert!(got.contains("first set in 0.toml:2"), "{got}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        for text in [
            "[mail]\npassword = \"hunter2hunter2\"",
            "mail = { password = 'hunter2hunter2' }",
            "[mail]\npassword = \"${env:X}\"\npassword = \"hunter2hunter2\"",
            "[mail]\npassword = hunter2hunter2",
            "[mail]\npaswordd = \"hunter2hunter2\"",
            "[mail]\npassword = \"\"\"\nhunter2hunter2\"\"\" x",
        ] {
            let got = read(&[text]).unwrap_err();
            assert!(!got.contains("hunter2"), "{got}");
        }
    }
}
