//! The manual as a whole: every command in it parses, every configuration passes, every link leads somewhere, every name
//! is known. What single pages promise is in `docs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

use crate::support::{logwarden, root, run, run_command};

/// All documents with their paths below the root.
fn documents() -> BTreeMap<PathBuf, String> {
    let dirs = ["", "docs", "packaging", "examples", "fuzz", "benches"];
    let files = dirs.iter().filter_map(|dir| fs::read_dir(root().join(dir)).ok()).flatten().flatten();
    let pages: BTreeMap<PathBuf, String> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .map(|path| (path.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(pages.len() >= 16, "{:?}", pages.keys());
    pages
}

/// The fenced blocks of a page, with what stands behind their opening fence.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fence = Regex::new(r"(?ms)^[ ]*```([a-z]*)\n(.*?)^[ ]*```$").unwrap();
    fence.captures_iter(text).map(|c| (c.get(1).unwrap().as_str(), c.get(2).unwrap().as_str())).collect()
}

/// A page without its fenced blocks.
fn prose(text: &str) -> String {
    Regex::new(r"(?ms)^[ ]*```.*?^[ ]*```$").unwrap().replace_all(text, "").into_owned()
}

/// The spans of code in a page's prose, in one line each.
fn spans(text: &str) -> Vec<String> {
    let span = Regex::new(r"`([^`]+)`").unwrap();
    span.captures_iter(&prose(text)).map(|c| c[1].split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in documents().keys().filter(|page| page.starts_with("docs") && !page.ends_with("README.md")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(index.contains(&format!("]({name})")), "docs/README.md does not name {name}");
    }
}

/// What a heading is called in a link, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").unwrap();
    let heading = Regex::new(r"(?m)^#+ (.+)$").unwrap();
    let mut seen = 0;
    for (page, text) in documents() {
        for found in link.captures_iter(&prose(&text)).filter(|found| !found[1].starts_with("http")) {
            let target = match &found[1] {
                "" => root().join(&page),
                path => root().join(&page).parent().unwrap().join(path),
            };
            assert!(target.exists(), "{} links to {}", page.display(), &found[1]);
            if let Some(wanted) = found.get(2) {
                let there = fs::read_to_string(&target).unwrap();
                let known: BTreeSet<String> = heading.captures_iter(&prose(&there)).map(|c| anchor(&c[1])).collect();
                assert!(known.contains(wanted.as_str()), "{}: no heading for #{}", page.display(), wanted.as_str());
            }
            seen += 1;
        }
    }
    assert!(seen > 80, "only {seen}");
}

/// The words of the first simple command in `text`, as a shell would cut them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut open, mut begun) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (open, c) {
            (Some(quote), c) if c == quote => open = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (open, begun) = (Some(c), true),
            (None, '|' | ';' | '&' | '<' | '>' | ')') => break,
            (None, '#') if word.is_empty() => break,
            (None, ' ') if !word.is_empty() || begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() || begun {
        words.push(word);
    }
    words.retain(|word| !matches!(word.as_str(), "2" | "..." | "…" | "[...]"));
    words
}

/// Every command line of ours in a page, without the program's name.
fn commands(text: &str) -> Vec<Vec<String>> {
    let begins = Regex::new(r"(?:^|[|;&(`] *|\bsudo (?:-u [a-z]+ )?)logwarden(?: ([^`]*))?$").unwrap();
    let mut lines = spans(text);
    for (kind, block) in blocks(text) {
        let shell = block.replace("\\\n", " ");
        lines.extend(shell.lines().filter_map(|line| match kind {
            "console" => line.strip_prefix("$ ").map(str::to_owned),
            "sh" => Some(line.trim().to_owned()),
            _ => None,
        }));
    }
    let each = lines.iter().flat_map(|line| line.match_indices("logwarden").map(move |(at, _)| (line, at)));
    each.filter_map(|(line, at)| {
        let until = &line[..at + "logwarden".len()];
        let rest = &line[until.len()..];
        (begins.is_match(until) && (rest.is_empty() || rest.starts_with(' '))).then(|| words(rest))
    })
    .collect()
}

#[test]
fn every_command_in_the_manual_parses() {
    let help = run(&["--help"], b"").text();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs: BTreeSet<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut seen = BTreeSet::new();
    for (page, text) in documents() {
        for mut args in commands(&text) {
            let first = args.first().cloned().unwrap_or_default();
            if first == "VERB" || !seen.insert(args.clone()) {
                continue;
            }
            let word = !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase());
            let at = page.display();
            assert!(!word || verbs.contains(first.as_str()), "{at}: `logwarden {}`: no such verb", args.join(" "));
            for arg in &mut args {
                match arg.as_str() {
                    "N" => *arg = "1".to_owned(),
                    "SHELL" => *arg = "bash".to_owned(),
                    _ => {}
                }
            }
            // Help is given when all that stands before it was understood; nothing is run.
            let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
            args.truncate(end);
            args.push("--help".to_owned());
            let ran = run(&args.iter().map(String::as_str).collect::<Vec<_>>(), b"");
            assert_eq!(ran.code, 0, "{at}: `logwarden {}`\n{}", args.join(" "), ran.err);
        }
    }
    assert!(seen.len() > 60, "only {}", seen.len());
    for verb in verbs {
        assert!(seen.iter().any(|args| args.first().is_some_and(|a| a == verb)), "the manual never shows `{verb}`");
    }
}

#[test]
fn every_configuration_in_the_manual_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (path, pack) = (dir.path().join("shown.toml"), dir.path().join("pack.toml"));
    fs::write(&pack, "pack = \"acme\"\n").unwrap();
    let (named, file) = (Regex::new(r"\$\{env:([A-Z_]+)\}").unwrap(), Regex::new(r"\$\{file:[^}]+\}").unwrap());
    let mut seen = 0;
    for (page, text) in documents() {
        for (_, block) in blocks(&text).into_iter().filter(|(kind, _)| *kind == "toml") {
            // Packs are proved by `rules test`, the reference by a test of its own.
            let other = block.starts_with("pack = ") || block.contains("[[schema]]");
            if other || page.ends_with("configuration.md") || !block.contains('[') {
                continue;
            }
            seen += 1;
            let block = block.replace("/usr/local/sbin/revoke-key", "/bin/true");
            let block = block.replace("/etc/logwarden/rules/*.toml", pack.to_str().unwrap());
            let block = file.replace_all(&block, "$${env:SECRET_OF_THE_TEST}");
            fs::write(&path, block.as_ref()).unwrap();
            let mut command = logwarden();
            command.args(["check", "--config", path.to_str().unwrap()]);
            for name in named.captures_iter(&block) {
                command.env(&name[1], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
            }
            let ran = run_command(&mut command, b"");
            assert_eq!(ran.code, 0, "{}:\n{block}\n{}{}", page.display(), ran.text(), ran.err);
        }
    }
    assert!(seen > 40, "only {seen}");
}

/// Whether the schema knows this key. Capitals and `*` stand for any name.
fn known(schema: &Value, node: &Value, path: &[&str]) -> bool {
    if let Some(to) = node["$ref"].as_str() {
        return known(schema, &schema["$defs"][to.trim_start_matches("#/$defs/")], path);
    }
    let Some((first, rest)) = path.split_first() else { return true };
    let any = first.chars().all(|c| c.is_ascii_uppercase() || c == '*') || node["properties"].get(*first).is_none();
    let below = match (any, node["properties"].get(*first)) {
        (false, Some(child)) => known(schema, child, rest),
        _ => {
            let named = node["properties"].as_object().into_iter().flat_map(|map| map.values());
            let wild = first.chars().all(|c| c.is_ascii_uppercase() || c == '*');
            let open = node.get("additionalProperties").filter(|more| more.is_object());
            open.is_some_and(|more| known(schema, more, rest)) || wild && { named }.any(|one| known(schema, one, rest))
        }
    };
    let ways = ["anyOf", "oneOf", "allOf"].iter().filter_map(|way| node[way].as_array()).flatten();
    below || { ways }.any(|way| known(schema, way, path)) || node.get("items").is_some_and(|i| known(schema, i, path))
}

#[test]
fn every_setting_named_in_the_manual_is_there() {
    let schema: Value = serde_json::from_slice(&run(&["config", "schema"], b"").out).unwrap();
    let sections = schema["properties"].as_object().unwrap();
    assert!(known(&schema, &schema, &["detect", "volume_spike", "score_60m"]));
    assert!(known(&schema, &schema, &["detect", "KIND", "mute"]) && known(&schema, &schema, &["keys", "NAME", "tag"]));
    assert!(!known(&schema, &schema, &["detect", "volume_spike", "scroe_60m"]));
    assert!(!known(&schema, &schema, &["detect", "volume_spikes"]));
    let mut code = String::new();
    collect(&root().join("src"), &mut code);
    let section = Regex::new(r"^\[+([a-z_]+(?:\.[A-Za-z_*]+)*)\]+$").unwrap();
    let key = Regex::new(r"^([a-z_]+(?:\.[A-Za-z0-9_*]+)+)(?: = .*)?$").unwrap();
    let mut seen = 0;
    for (page, text) in documents() {
        for span in spans(&text) {
            let found = section.captures(&span).or_else(|| key.captures(&span));
            let Some(found) = found else { continue };
            let path: Vec<&str> = found[1].split('.').collect();
            let file = span.ends_with(".sock") || span.ends_with(".db");
            if file || !span.starts_with('[') && !sections.contains_key(path[0]) {
                continue;
            }
            // Records of the audit log have such names too.
            if code.contains(&format!("\"{span}\"")) {
                continue;
            }
            seen += 1;
            assert!(known(&schema, &schema, &path), "{} names `{span}`, which is no setting", page.display());
        }
    }
    assert!(seen > 30, "only {seen}");
}

fn collect(dir: &Path, out: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else if let Ok(text) = fs::read_to_string(&path) {
            out.push_str(&text);
        }
    }
}

/// Metrics, kinds, keys, words of the API: a name with an underscore stands somewhere in the code.
#[test]
fn every_name_in_the_manual_is_in_the_code() {
    let mut code = run(&["config", "reference"], b"").text();
    ["src", "rules", "examples", "packaging"].iter().for_each(|dir| collect(&root().join(dir), &mut code));
    let word = Regex::new(r"[a-z0-9]+(?:_[a-z0-9]+)+").unwrap();
    let all: BTreeSet<&str> = word.find_iter(&code).map(|m| m.as_str()).collect();
    let metrics: Vec<&str> = crate::web::PROMISED.iter().map(|(name, _)| *name).collect();
    let mut seen = 0;
    for (page, text) in documents() {
        let shown = blocks(&text).into_iter().filter(|(kind, _)| *kind == "yaml").map(|(_, block)| block.to_owned());
        for span in spans(&text).into_iter().chain(shown) {
            for name in word.find_iter(&span).map(|m| m.as_str()).filter(|name| name.starts_with("logwarden_")) {
                assert!(metrics.contains(&name), "{}: no metric `{name}`", page.display());
            }
            if word.find(&span).is_some_and(|m| m.len() == span.len()) && !span.starts_with("logwarden_") {
                assert!(all.contains(span.as_str()), "{} names `{span}`, which the code does not know", page.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "only {seen}");
}

#[test]
fn the_readme_counts_right() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (rules, kinds) = (run(&["rules", "list"], b"").text().lines().count(), logwarden::alert::KINDS.len());
    assert!(readme.contains("more than a thousand rules") && (1_001..1_500).contains(&rules), "{rules}");
    assert!(readme.contains("some forty kinds") && (36..46).contains(&kinds), "{kinds}");
}

#[test]
fn every_exit_code_is_explained() {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let table = page.split("\n## Exit codes\n").nth(1).unwrap();
    let row = Regex::new(r"(?m)^\| (\d+) \|").unwrap();
    let explained: BTreeSet<String> = row.captures_iter(table).map(|c| c[1].to_owned()).collect();
    let code = fs::read_to_string(root().join("src/cli/exit.rs")).unwrap();
    let constant = Regex::new(r"pub const [A-Z_]+: Self = Self\((\d+)\);").unwrap();
    let real: BTreeSet<String> = constant.captures_iter(&code).map(|c| c[1].to_owned()).collect();
    assert!(real.len() >= 9 && explained == real, "explained {explained:?}, real {real:?}");
}

#[test]
fn every_alert_about_ourselves_has_a_runbook() {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let code = fs::read_to_string(root().join("src/alert/kinds/ourselves.rs")).unwrap();
    let name = Regex::new(r#"\n    name: "([a-z_]+)","#).unwrap();
    let kinds: Vec<String> = name.captures_iter(&code).map(|c| c[1].to_owned()).collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
    for kind in kinds.iter().map(String::as_str).chain(["source_silent"]) {
        assert!(page.contains(&format!("\n### {kind}\n")), "docs/operations.md has no runbook for {kind}");
    }
}
