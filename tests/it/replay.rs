//! `replay`: the sample history through the live detectors.

use logwarden::alert::Alert;

use crate::support::{root, run};

fn replay(more: &[&str]) -> crate::support::Ran {
    let log = root().join("examples/logs/gateway.jsonl");
    let config = root().join("examples/demo.toml");
    let args = ["replay", log.to_str().unwrap(), "--config", config.to_str().unwrap()];
    run(&[&args[..], more].concat(), b"")
}

#[test]
fn the_theft_in_the_sample_log_is_found_in_history() {
    let text = replay(&[]);
    assert_eq!((text.code, text.err.as_str()), (0, ""));
    for part in ["CRITICAL volume_spike", "CRITICAL after_hours", "fires at 10", " key-days)"] {
        assert!(text.text().contains(part), "{part}\n{}", text.text());
    }
    assert!(!text.text().contains("lw_live"), "{}", text.text());

    let json = replay(&["--format", "json", "--fail-on-alert"]);
    assert_eq!(json.code, 1);
    let alerts: Vec<Alert> = json.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let spike = alerts.iter().find(|a| a.kind == "volume_spike").unwrap();
    assert_eq!(spike.schema, Alert::SCHEMA);
    assert!(spike.ends_at.is_some_and(|end| end > spike.starts_at), "{spike:?}");
    assert_eq!(alerts.len() + 1, text.text().lines().filter(|l| !l.starts_with(' ')).count(), "{}", text.text());
}

#[test]
fn pseudonyms_are_those_of_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = |more: &[&str]| -> Vec<String> {
        let ran = replay(&[&["--format", "json"], more].concat());
        let alerts = ran.text().lines().map(|l| serde_json::from_str::<Alert>(l).expect(l)).collect::<Vec<_>>();
        alerts.iter().filter_map(|a| Some(a.key.as_ref()?.tag.clone())).collect()
    };
    let fixed = ["--state", state.to_str().unwrap()];
    assert_eq!(keys(&fixed), keys(&fixed));
    assert_ne!(keys(&fixed), keys(&[]));
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let missing = run(&["replay", "/no/such.log"], b"");
    assert!(missing.code == 74 && missing.err.contains("/no/such.log"), "{}", missing.err);
    assert_eq!(run(&["replay"], b"").code, 2);
    let prose = root().join("README.md");
    let ran = run(&["replay", prose.to_str().unwrap()], b"");
    assert!(
        ran.code == 0 && ran.text().contains("alerts in ") || ran.text().contains("no line could be read"),
        "{}",
        ran.text()
    );
}
