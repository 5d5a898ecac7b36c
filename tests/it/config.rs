//! Configuration from the outside: `check`, `config`, and how mistakes are told.

use std::fs;
use std::path::Path;

use crate::support::{Ran, run};

fn check(path: &Path) -> Ran {
    run(&["check", "--config", path.to_str().unwrap()], b"")
}

#[test]
fn a_right_file_is_ok_and_says_what_would_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    fs::write(
        &path,
        "sources.in.type = \"stdin\"\ndetect.new_ip.enabled = false\n[state]\ndir = \"/var/lib/logwarden\"\n",
    )
    .unwrap();
    let ran = check(&path);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for part in [
        "logwarden.toml: ok",
        "source in: reads standard input",
        " kinds of alert; off: new_ip\n",
        "state: in /var/lib/logwarden",
        "warning: no [sinks.NAME]",
        "warning: no [receivers.NAME]",
    ] {
        assert!(ran.text().contains(part), "{part}\n{}", ran.text());
    }
}

#[test]
fn mistakes_are_shown_with_line_caret_and_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    fs::write(&path, "[state]\ndri = \"x\"\n\n[retention]\nlogs = \"90 moons\"\n").unwrap();
    let ran = check(&path);
    assert_eq!(ran.code, 78);
    assert!(ran.out.is_empty());
    let name = path.display();
    assert!(ran.err.contains(&format!("{name}:2:1: unknown key `dri` in [state]")), "{}", ran.err);
    assert!(ran.err.contains("   | ^^^\n") && ran.err.contains("did you mean `dir`?"), "{}", ran.err);
    assert!(ran.err.contains(&format!("{name}:5:8: `retention.logs`: `90 moons` is not a duration")), "{}", ran.err);
    assert!(ran.err.contains("2 mistakes"), "{}", ran.err);
}

#[test]
fn conf_d_is_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    fs::create_dir(dir.path().join("conf.d")).unwrap();
    fs::write(&path, "[state]\ndir = \"/x\"\n").unwrap();
    fs::write(dir.path().join("conf.d/10-keep.toml"), "[retention]\nlogs = \"7d\"\n").unwrap();
    fs::write(dir.path().join("conf.d/ignored.txt"), "not toml at all [").unwrap();
    let shown = run(&["config", "show", "--config", path.to_str().unwrap()], b"");
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.text().contains("dir = \"/x\"") && shown.text().contains("logs = \"7d\""), "{}", shown.text());

    fs::write(dir.path().join("conf.d/20-twice.toml"), "[state]\ndir = \"/y\"\n").unwrap();
    let ran = check(&path);
    assert_eq!(ran.code, 78);
    assert!(ran.err.contains("conf.d/20-twice.toml:2:7: `state.dir` is set twice"), "{}", ran.err);
    assert!(ran.err.contains("logwarden.toml:2;"), "{}", ran.err);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let missing = check(&dir.path().join("none.toml"));
    assert_eq!(missing.code, 78);
    assert!(missing.err.contains("none.toml: cannot read the configuration"), "{}", missing.err);
    let odd = dir.path().join("odd.toml");
    fs::write(&odd, b"[state]\n# \xff\n").unwrap();
    let ran = check(&odd);
    assert_eq!(ran.code, 78);
    assert!(ran.err.contains("line 2 is not UTF-8"), "{}", ran.err);
}

#[test]
fn reference_and_schema_are_made_from_the_code() {
    let reference = run(&["config", "reference"], b"");
    assert_eq!(reference.code, 0);
    assert!(reference.text().contains("\n[state]\n"), "{}", reference.text());
    let schema = run(&["config", "schema"], b"");
    let schema: serde_json::Value = serde_json::from_slice(&schema.out).unwrap();
    assert_eq!(schema["properties"]["retention"]["$ref"], "#/$defs/RetentionConfig");
}

#[test]
fn the_reference_itself_passes_as_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reference.toml");
    fs::write(&path, run(&["config", "reference"], b"").out).unwrap();
    let ran = run(&["config", "show", "--config", path.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn completions_and_man_pages_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell], b"");
        assert!(ran.code == 0 && ran.text().contains("completions"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&["man", dir.path().join("man1").to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let page = fs::read_to_string(dir.path().join("man1/logwarden-check.1")).unwrap();
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
}

#[test]
fn check_looks_for_the_files_of_a_source() {
    let dir = tempfile::tempdir().unwrap();
    let (path, logs) = (dir.path().join("logwarden.toml"), dir.path().join("logs"));
    fs::create_dir(&logs).unwrap();
    let place = logs.display().to_string();
    let about = |paths: &str| {
        fs::write(&path, format!("[sources.app]\ntype = \"file\"\npaths = [{paths}]\n")).unwrap();
        let ran = check(&path);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        ran.text()
    };
    let none = about(&format!("\"{place}/*.log\""));
    assert!(none.contains("*.log (no file yet)\n") && !none.contains("warning: source"), "{none}");
    fs::write(logs.join("a.log"), "x\n").unwrap();
    assert!(about(&format!("\"{place}/*.log\"")).contains("*.log (1 file now)\n"));
    let folder = about(&format!("\"{place}\""));
    assert!(
        folder.contains(&format!("warning: source app: {place} is a directory; to follow the files in it write")),
        "{folder}"
    );
    let gone = about(&format!("\"{place}/gone/*.log\""));
    assert!(gone.contains(&format!("warning: source app: there is no directory {place}/gone")), "{gone}");
}

#[test]
fn a_receiver_that_cannot_be_used_is_not_ok() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    fs::write(&path, "[receivers.m]\ntype = \"email\"\nhost = \"x\"\npassword = \"${env:NOPE}\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n").unwrap();
    let ran = check(&path);
    assert_eq!(ran.code, 78);
    assert!(!ran.text().contains(": ok") && ran.text().contains("receiver m: cannot be used"), "{}", ran.text());
}

/// What `run` would refuse at its start is known before.
#[test]
fn a_token_that_cannot_be_had_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    let text = "[sources.web]\ntype = \"http\"\nlisten = \"127.0.0.1:0\"\ntoken = \"${env:NO_SUCH_TOKEN}\"\n\
                [sinks.clean]\ntype = \"file\"\npath = \"/no/such/place/x.log\"\n";
    fs::write(&path, text).unwrap();
    let ran = check(&path);
    assert_eq!(ran.code, 78);
    for part in [
        "not everything in it can be used",
        "error: source web: its token cannot be had: environment variable NO_SUCH_TOKEN is not set",
        "warning: sink clean: there is no directory /no/such/place",
    ] {
        assert!(ran.text().contains(part), "{part}\n{}", ran.text());
    }
}
