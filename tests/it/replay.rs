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
    assert_eq!(alerts.len() + 2, text.text().lines().filter(|l| !l.starts_with(' ')).count(), "{}", text.text());
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

fn simulated() -> [String; 2] {
    let dir = root().join("tests/data/simulated");
    ["gateway-1.jsonl.zst", "gateway-2.jsonl.gz"].map(|f| dir.join(f).to_str().unwrap().to_owned())
}

#[test]
fn another_setting_is_compared_and_a_budget_is_kept() {
    let [one, two] = simulated();
    let plain = run(&["replay", &one, &two], b"");
    assert!(plain.text().contains("for 1000 key-days: "), "{}", plain.text());
    let other = run(&["replay", &one, &two, "--what-if", "detect.key_dormant.silence=60d"], b"");
    assert_eq!(other.code, 0, "{}", other.err);
    assert!(plain.text().contains("key_dormant") && other.text().contains("no longer: "), "{}", other.text());
    let wrong = run(&["replay", &one, "--what-if", "detect.key_dormant.silense=60d"], b"");
    assert!(wrong.code == 2 && wrong.err.contains("silense"), "{}", wrong.err);

    let generous = run(&["replay", &one, &two, "--budget", "10 pages per day"], b"");
    assert!(generous.text().contains("nothing to change"), "{}", generous.text());
    let tight = run(&["replay", &one, &two, "--budget", "0 digests per week"], b"");
    let text = tight.text();
    assert!(text.contains("over the budget") && text.contains("[detect.after_hours]"), "{text}");
    assert!(text.contains("of `new_ip` have no threshold"), "{text}");
    // What is proposed can be pasted, and does what was said.
    let proposal: String = text
        .lines()
        .filter_map(|l| l.strip_prefix("  "))
        .filter(|l| l.starts_with('[') || l.contains(" = "))
        .map(|l| format!("{l}\n"))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, &proposal).unwrap();
    let after = run(&["replay", &one, &two, "--config", config.to_str().unwrap(), "--format", "json"], b"");
    assert_eq!(after.code, 0, "{proposal}{}", after.err);
    assert!(!after.text().contains("after_hours"), "{proposal}");
    assert_eq!(run(&["replay", &one, "--budget", "some"], b"").code, 2);
}

#[test]
fn the_report_is_one_file_that_fetches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.html");
    let log = dir.path().join("a.jsonl");
    let line = |t: u32| {
        format!("{{\"time\":{},\"apiKeyId\":\"<script>x\",\"status\":401,\"ip\":\"192.0.2.1\"}}\n", 1_777_636_800 + t)
    };
    std::fs::write(&log, (0..200).map(line).collect::<String>()).unwrap();
    let [one, two] = simulated();
    let ran = run(&["replay", log.to_str().unwrap(), &one, &two, "--html", path.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let html = std::fs::read_to_string(&path).unwrap();
    for part in
        ["auth_failures", "&lt;script&gt;x", "<svg", "What each detector saw", "volume_spike", "prefers-color-scheme"]
    {
        assert!(html.contains(part), "{part}");
    }
    for never in ["<script", "http://", "https://", "url(", "@import", "<link", "<img"] {
        assert!(!html.contains(never), "{never}");
    }
    let missing = run(&["replay", &one, "--html", "/no/such/dir/x.html"], b"");
    assert_eq!(missing.code, 74, "{}", missing.err);
}

#[test]
fn mistakes_are_told_before_the_work() {
    let log = root().join("examples/logs/gateway.jsonl");
    let log = log.to_str().unwrap();
    let typo = run(&["replay", "--what-if", "detect.volume_spik.score_60m=3", log], b"");
    assert_eq!((typo.code, typo.out.len()), (2, 0));
    assert!(typo.err.contains("`volume_spik` is not known; did you mean `volume_spike`?"), "{}", typo.err);
    let word = run(&["replay", "--what-if", "detect.volume_spike.score_60m=many", log], b"");
    assert!(word.code == 2 && word.err.contains("expected a number"), "{}", word.err);
    let html = run(&["replay", "--html", "/no/such/place.html", log], b"");
    assert_eq!((html.code, html.out.len()), (74, 0));
    assert!(html.err.contains("cannot write /no/such/place.html"), "{}", html.err);
}
