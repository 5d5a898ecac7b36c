//! What `examples/` holds runs as it stands, and what `init` writes is such an example.

use std::fs;

use crate::support::{logwarden, root, run, run_command};

#[test]
fn every_example_configuration_passes_the_check() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        seen += 1;
        let mut command = logwarden();
        command.args(["check", "--config", path.to_str().unwrap()]);
        command.env("LOGWARDEN_HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        command.env("LOGWARDEN_INGEST_TOKEN", "a token of the tests");
        let ran = run_command(&mut command, b"");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}\n{}", path.display(), ran.text());
    }
    assert!(seen >= 8, "only {seen} configurations");
}

#[test]
fn init_writes_a_short_configuration_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("etc/log warden");
    let ran = run(&["init", "--systemd", target.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let path = target.join("logwarden.toml");
    let text = fs::read_to_string(&path).unwrap();
    let useful = text.lines().filter(|l| !l.trim().is_empty() && !l.trim().starts_with('#')).count();
    assert!(useful <= 15, "{useful} lines");
    assert_eq!(run(&["check", "--config", path.to_str().unwrap()], b"").code, 0);

    let unit = fs::read_to_string(target.join("logwarden.service")).unwrap();
    assert!(!unit.contains('@') || !unit.contains("@PROGRAM@"), "{unit}");
    assert!(unit.contains(&format!(" run --config \"{}\"\n", path.display())), "{unit}");

    let again = run(&["init", target.to_str().unwrap()], b"");
    assert_eq!(again.code, 74);
    assert!(again.err.contains("already there"), "{}", again.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_pipe_configuration_watches_without_touching_the_stream() {
    let log = root().join("examples/logs/gateway.jsonl");
    let config = root().join("examples/pipe.toml");
    let mut command = logwarden();
    command.args(["--config", config.to_str().unwrap(), log.to_str().unwrap()]);
    command.env("LOGWARDEN_HOOK_SECRET", "whsec_bG9nd2FyZGVuIGRlbW8gc2VjcmV0LCBub3QgYSByZWFsIG9uZQ==");
    let ran = run_command(&mut command, b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.text().lines().count(), fs::read_to_string(&log).unwrap().lines().count());
    assert!(!ran.text().contains("lw_live_") && ran.text().contains("[API_KEY:"));
}
