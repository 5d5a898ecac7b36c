//! What the documents say is what the program does.

use std::fs;
use std::process::Command;

use regex::Regex;

use crate::support::{root, run, run_command};

/// Pseudonyms differ from run to run.
fn masked(text: &str) -> String {
    let tag = Regex::new(r"\b0[0-9a-hjkmnp-tv-z]{13}\b").unwrap();
    tag.replace_all(text, "TAG").into_owned()
}

/// Blocks marked `console`: each `$ command` is run in the root of the checkout, and what follows it is what it prints.
#[test]
fn the_manual_shows_real_output() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_logwarden")).parent().unwrap();
    let path = std::env::join_paths(
        [program.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut shown = 0;
    for page in ["README.md", "docs/getting-started.md", "docs/redaction.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
        let examples =
            blocks.flat_map(|block| format!("\n{block}").split("\n$ ").map(str::to_owned).collect::<Vec<_>>());
        for example in examples {
            let Some((command, output)) = example.split_once('\n') else { continue };
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(root()).env("PATH", &path).env("NO_COLOR", "1");
            let ran = run_command(&mut shell, b"");
            assert_eq!(masked(ran.text().trim_end()), masked(output), "{page}: $ {command}\n{}", ran.err);
            shown += 1;
        }
    }
    assert!(shown >= 8, "only {shown} commands with output");
}

#[test]
fn the_readme_shows_the_example_configuration_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let example = fs::read_to_string(root().join("examples/service.toml")).unwrap();
    assert!(readme.contains(&format!("```toml\n{example}```\n")), "examples/service.toml has changed");
}

/// `UPDATE_DOCS=1 cargo test --test it docs` writes the file anew.
#[test]
fn the_configuration_reference_is_current() {
    let path = root().join("docs/configuration.md");
    let want = format!(
        "# Configuration\n\n\
         One TOML file and every `conf.d/*.toml` beside it. This is what `logwarden config reference` prints.\n\n\
         ```toml\n{}```\n",
        run(&["config", "reference"], b"").text()
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &want).unwrap();
    }
    let have = fs::read_to_string(&path).unwrap_or_default();
    assert!(have == want, "docs/configuration.md is not current; run UPDATE_DOCS=1 cargo test --test it docs");
}

#[test]
fn a_pack_shown_in_the_manual_is_right() {
    let manual = fs::read_to_string(root().join("docs/redaction.md")).unwrap();
    let pack = manual.split("```toml\n").find(|block| block.starts_with("pack = ")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acme.toml");
    fs::write(&path, pack.split("```").next().unwrap()).unwrap();
    let ran = run(&["rules", "test", path.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
}

#[test]
fn every_configuration_shown_about_alerting_loads() {
    let manual = fs::read_to_string(root().join("docs/alerting.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shown.toml");
    let blocks: Vec<&str> = manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in blocks {
        fs::write(&path, block).unwrap();
        let ran = run(&["config", "show", "--config", path.to_str().unwrap()], b"");
        assert_eq!(ran.code, 0, "{block}\n{}", ran.err);
    }
}

/// Templates are tried too, which `check` does where it has the secrets.
#[test]
fn the_templates_shown_about_alerting_work() {
    let manual = fs::read_to_string(root().join("docs/alerting.md")).unwrap();
    let block =
        manual.split("```toml\n").find(|block| block.contains("template]")).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shown.toml");
    let local = Regex::new(r#""(\$\{cred:[a-z_]+\}|https://[a-z.]+/)""#).unwrap();
    fs::write(&path, local.replace_all(block, "\"http://127.0.0.1:9/\"").as_ref()).unwrap();
    let ran = run(&["check", "--config", path.to_str().unwrap()], b"");
    assert!(ran.code == 0 && !ran.text().contains("template"), "{}{}", ran.text(), ran.err);
}

#[test]
fn every_cause_of_failure_is_explained() {
    let manual = fs::read_to_string(root().join("docs/alerting.md")).unwrap();
    for cause in logwarden::delivery::Cause::ALL {
        assert!(manual.contains(&format!("| `{}` |", cause.word())), "{}", cause.word());
    }
}

/// Each `module::name` in the guarantees is a test.
#[test]
fn the_tests_that_the_guarantees_name_are_there() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let name = Regex::new(r"`((?:[a-z_]+::)+)([a-z0-9_]+)`").unwrap();
    let mut seen = 0;
    for found in name.captures_iter(&text) {
        let path = found[1].trim_end_matches("::").trim_end_matches("::tests").replace("::", "/");
        let last = path.rsplit('/').next().unwrap().to_owned();
        let places = [
            format!("tests/it/{path}.rs"),
            format!("src/{path}.rs"),
            format!("src/{path}/tests.rs"),
            format!("src/{path}/{last}.rs"),
        ];
        let wanted = format!("fn {}(", &found[2]);
        let there =
            places.iter().any(|place| fs::read_to_string(root().join(place)).is_ok_and(|t| t.contains(&wanted)));
        assert!(there, "docs/guarantees.md names `{}`, which is not in {places:?}", &found[0]);
        seen += 1;
    }
    assert!(seen >= 30, "only {seen}");
}

/// The doc of a kind's file, as Markdown: links within the code become plain names.
fn file_doc(name: &str) -> String {
    let of_its_own = root().join(format!("src/alert/kinds/{name}.rs"));
    let path = if of_its_own.exists() { of_its_own } else { root().join("src/alert/kinds/ourselves.rs") };
    let code = fs::read_to_string(path).unwrap();
    let lines = code.lines().take_while(|l| l.starts_with("//!")).map(|l| l.trim_start_matches("//!").trim_start());
    let lines: Vec<&str> = lines.filter(|l| !l.starts_with("[`")).collect();
    // The first paragraph says what the heading says.
    let rest = lines.join("\n").split_once("\n\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let link = Regex::new(r"\[`(?:[a-z_]+::)*([A-Za-z_:]+)`\](?:\([^)]*\))?").unwrap();
    link.replace_all(rest.trim(), "`$1`").into_owned()
}

/// `UPDATE_DOCS=1 cargo test --test it docs` writes the file anew.
#[test]
fn the_manual_of_detectors_is_current() {
    let path = root().join("docs/detectors.md");
    let have = fs::read_to_string(&path).unwrap_or_default();
    // What stands before the first kind is written by hand.
    let head = have.split("\n## volume_spike\n").next().unwrap();
    let detect = toml::Table::try_from(logwarden::alert::DetectConfig::default()).unwrap();
    let mut want = head.to_owned();
    for info in logwarden::alert::KINDS {
        let urgency = format!("{:?}", info.urgency).to_lowercase();
        want += &format!("\n## {}\n\nWhen {}. Urgency: {urgency}.\n", info.name, info.doc);
        let doc = file_doc(info.name);
        if !doc.is_empty() {
            want += &format!("\n{doc}\n");
        }
        let one = toml::Table::from_iter([(info.name.to_owned(), detect[info.name].clone())]);
        let shown = toml::to_string(&toml::Table::from_iter([("detect".to_owned(), one.into())])).unwrap();
        want += &format!("\n```toml\n{shown}```\n\n{}\n", info.tune);
        want += &format!("\nUsual causes: {}.\n", info.causes.join("; "));
    }
    for (file, kinds) in
        [("excess", "volume_spike, cost_spike and bytes_spike"), ("shares", "error_rate and auth_failures")]
    {
        want += &format!("\n## What {kinds} share\n\n{}\n", file_doc(file));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&path, &want).unwrap();
    }
    assert!(have == want, "docs/detectors.md is not current; run UPDATE_DOCS=1 cargo test --test it docs");
}

#[test]
fn the_manual_of_the_window_names_every_metric_and_path() {
    let manual = fs::read_to_string(root().join("docs/http.md")).unwrap();
    for (name, labels) in crate::web::PROMISED {
        let row = manual.lines().find(|l| l.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in docs/http.md"));
        labels.iter().for_each(|label| assert!(row.contains(&format!("`{label}`")), "{label}: {row}"));
    }
    let code = fs::read_to_string(root().join("src/web/route.rs")).unwrap();
    let rooms: Vec<&str> = code.lines().filter_map(|l| l.trim().strip_prefix("/// `/")?.strip_suffix('`')).collect();
    assert!(rooms.len() > 10, "{rooms:?}");
    for room in rooms {
        assert!(manual.contains(&format!("/{room}")), "/{room} is not in docs/http.md");
    }
}
