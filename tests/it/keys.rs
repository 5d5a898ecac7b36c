//! `keys`: what each key was used for, its age, and the policy that its use supports.

use std::fmt::Write;

use crate::support::run;

/// 2026-03-02T00:00:00Z, a Monday.
const START: i64 = 1_772_409_600;

#[test]
fn a_key_is_shown_with_its_age_its_use_and_the_narrowest_policy() {
    let dir = tempfile::tempdir().unwrap();
    let (state, config) = (dir.path().join("state"), dir.path().join("c.toml"));
    let text = format!(
        "[state]\ndir = \"{}\"\n[keys.desk]\nid = \"k1\"\ncreated = \"2026-01-01\"\nrotate_after = \"30d\"\n\
         [keys.gone]\nid = \"k2\"\nretired = \"2026-03-03\"\n[receivers.none]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n",
        state.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut log = String::new();
    for t in (START..START + 12 * 86_400).step_by(900) {
        let (hour, weekday) = (t.rem_euclid(86_400) / 3600, (t - START) / 86_400 % 7);
        if (9..17).contains(&hour) && weekday < 5 {
            writeln!(log, "{{\"time\":{t},\"apiKeyId\":\"k1\",\"remote_addr\":\"192.0.2.{}\",\"method\":\"POST\",\"path\":\"/v1/chat/{t}\",\"model\":\"small-1\",\"status\":200}}", t % 200).unwrap();
        }
        if t == START || t == START + 9 * 86_400 {
            writeln!(log, "{{\"time\":{t},\"apiKeyId\":\"k2\",\"remote_addr\":\"198.51.100.7\",\"method\":\"GET\",\"path\":\"/v1/x\",\"status\":401}}").unwrap();
        }
    }
    let config = config.to_str().unwrap();
    let ran = run(&["--config", config], log.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);

    let list = run(&["keys", "list", "--config", config], b"").text();
    let line = |key: &str| list.lines().find(|l| l.contains(key)).unwrap_or_else(|| panic!("{key}: {list}")).to_owned();
    assert!(line("k1").contains(" desk") && line("k1").contains(" OLD"), "{list}");
    assert!(line("k2").contains("RETIRED BUT USED"), "{list}");

    let gone = run(&["keys", "show", "gone", "--config", config], b"").text();
    assert!(gone.contains("retired     on 2026-03-03; uses since: 1"), "{gone}");
    let show = run(&["keys", "show", "desk", "--config", config], b"").text();
    for part in [
        "should have been replaced after 30 days",
        "endpoints   POST /v1/chat/*",
        "models      small-1",
        "networks = [\"192.0.2.0/24\"]",
        "endpoints = [\"POST /v1/chat/*\"]",
        "models = [\"small-1\"]",
        "limit = \"10/h\"",
        "weekdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]",
    ] {
        assert!(show.contains(part), "{part}\n{show}");
    }
    let several = run(&["keys", "show", "k", "--config", config], b"");
    assert!(several.code == 1 && several.err.contains("2 keys begin with `k`: "), "{}", several.err);
    let part = run(&["keys", "show", "API_KEY_ID:k2", "--config", config], b"");
    assert_eq!((part.code, part.text()), (0, gone));
    // What is proposed can be pasted as it stands.
    let pasted = dir.path().join("pasted.toml");
    let policy: String = show.lines().filter_map(|l| l.strip_prefix("    ")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&pasted, &policy).unwrap();
    let log_file = dir.path().join("log.jsonl");
    std::fs::write(&log_file, &log).unwrap();
    let replay =
        run(&["replay", log_file.to_str().unwrap(), "--config", pasted.to_str().unwrap(), "--format", "json"], b"");
    assert_eq!(replay.code, 0, "{policy}{}", replay.err);
    let about_desk = replay.text().lines().filter(|l| l.contains("\"k1\"")).count();
    assert_eq!(about_desk, 0, "its own past breaks no policy made of it\n{policy}\n{}", replay.text());

    let json: serde_json::Value =
        serde_json::from_str(&run(&["keys", "show", "desk", "--config", config, "--format", "json"], b"").text())
            .unwrap();
    assert_eq!((json["rotate_after_days"].as_u64(), json["models"][0].as_str()), (Some(30), Some("small-1")));
    assert!(json["narrowest_policy"].as_str().unwrap().starts_with("[keys."));
}

#[test]
fn first_use_last_use_and_silence_are_told_to_the_second() {
    let dir = tempfile::tempdir().unwrap();
    let (state, config) = (dir.path().join("state"), dir.path().join("c.toml"));
    std::fs::write(&config, format!("[state]\ndir = \"{}\"\n", state.display())).unwrap();
    // hours of it in one piece, and more of it later
    let lines = |seconds: &[i64]| {
        let line =
            |s: &i64| format!("{{\"time\":{},\"apiKeyId\":\"k1\",\"path\":\"/v1/x\",\"status\":200}}\n", START + s);
        seconds.iter().map(line).collect::<String>()
    };
    let config = config.to_str().unwrap();
    let show = |log: String| {
        let ran = run(&["--config", config], log.as_bytes());
        assert_eq!(ran.code, 0, "{}", ran.err);
        run(&["keys", "show", "k1", "--config", config], b"").text()
    };
    let shown = show(lines(&[299, 700, 800, 11_480, 11_520, 90_000]));
    for part in ["first seen  2026-03-02T00:04:59Z", "last seen   2026-03-03T01:00:00Z", "silence     21h48m at most"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let shown = show(lines(&[90_000 + 86_400 + 61]));
    assert!(
        shown.contains("first seen  2026-03-02T00:04:59Z") && shown.contains("silence     1d1m at most"),
        "{shown}"
    );
}
