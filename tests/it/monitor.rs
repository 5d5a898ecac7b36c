//! From log lines to alerts: redacted, read, counted, judged, in event time.

use logwarden::alert::{Alert, Monitor, Replay, Status, Urgency, Watch};
use logwarden::event::{EventConfig, Reader, Roles, SourceReading};
use logwarden::redact::{PseudonymKey, Redacted, Redactor};
use logwarden::units::Timestamp;

/// Later than every line.
const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600;

const KEY: &str = "sk-proj-EXAMPLE0kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt";
const OTHER: &str = "sk-proj-EXAMPLE1kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt";

fn access(t: i64, key: &str, ip: &str, status: u16) -> String {
    format!(
        "{{\"time\":{t},\"remote_addr\":\"{ip}\",\"method\":\"GET\",\"path\":\"/v1/x\",\"status\":{status},\"authorization\":\"Bearer {key}\"}}\n"
    )
}

/// Replays logs (each a file) and gives every episode.
fn replay(files: &[String]) -> logwarden::alert::Report {
    let redactor = Redactor::new(PseudonymKey::new(0, b"test"));
    let roles = Roles::new(&EventConfig::default()).unwrap();
    let sources = (0..files.len()).map(|n| format!("file{n}")).collect();
    let watch = Watch { sources, host: "host-1".to_owned(), ..Watch::default() };
    let mut replay = Replay::new(Monitor::new(watch, &redactor).unwrap(), files.len());
    let mut lanes: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let source = logwarden::event::SourceId(n as u16);
            let reading = SourceReading { source, ..SourceReading::default() };
            (redactor.worker(), Reader::new(&roles, reading).unwrap(), text.as_bytes())
        })
        .collect();
    let mut out = Redacted::default();
    let mut ended = Vec::new();
    while let Some(file) = replay.next() {
        let (worker, reader, rest) = &mut lanes[file];
        let cut = rest.len().min(20_000);
        let cut = memchr::memchr(b'\n', &rest[cut..]).map_or(rest.len(), |i| cut + i + 1);
        let (chunk, tail) = rest.split_at(cut);
        *rest = tail;
        worker.redact(chunk, &mut out);
        for line in out.lines() {
            if let Some(event) = reader.read(line, NOW) {
                replay.add(file, &event, line);
            }
        }
        if tail.is_empty() {
            replay.end(file);
        }
        ended.extend(replay.advance());
    }
    let mut report = replay.finish();
    report.alerts.extend(ended);
    report.alerts.sort_by_key(|a| a.starts_at);
    report
}

fn of<'a>(alerts: &'a [Alert], kind: &str) -> Vec<&'a Alert> {
    alerts.iter().filter(|a| a.kind == kind).collect()
}

#[test]
fn a_leaked_key_used_from_elsewhere_is_a_page() {
    let day = 86_400;
    let mut log: String = (0..48).map(|h| access(START + h * 3600, KEY, "192.0.2.1", 200)).collect();
    log += &format!("{{\"time\":{},\"level\":\"error\",\"msg\":\"call failed with key {KEY}\"}}\n", START + 2 * day);
    for h in 0..24 {
        let t = START + 2 * day + 3600 + h * 3600;
        log += &access(t, KEY, if h == 20 { "203.0.113.9" } else { "192.0.2.1" }, 200);
        // Moves as well, but has not leaked.
        log += &access(t, OTHER, if h > 12 { "203.0.113.9" } else { "192.0.2.1" }, 200);
    }
    let report = replay(&[log]);
    let used = of(&report.alerts, "leaked_key_used");
    assert_eq!(used.len(), 1, "{:#?}", report.alerts);
    let alert = used[0];
    assert_eq!((alert.urgency, &alert.evidence.networks[..]), (Urgency::Page, &["203.0.113.0/24".to_owned()][..]));
    assert_eq!(alert.key.as_ref().unwrap().kind, "OPENAI_API_KEY");
    assert!(alert.runbook[0].link.as_deref().is_some_and(|l| l.contains("openai.com")), "{:?}", alert.runbook);
    assert!(alert.evidence.lines.iter().all(|l| !l.contains("sk-proj")) && !alert.evidence.lines.is_empty());
    let leaks = of(&report.alerts, "secret_leaked");
    let key = leaks.iter().find(|a| a.key.is_some()).expect("the key in the message");
    assert!(key.why.contains("/msg") && key.source.as_deref() == Some("file0"), "{key:#?}");
    assert_eq!(key.starts_at.secs(), START + 2 * day);
    assert_eq!(leaks.len(), 2, "and one for the access log as a whole");
    assert_eq!(alert.key, key.key, "the same pseudonym joins both");
}

#[test]
fn history_gives_the_same_alerts_however_it_is_cut() {
    let mut log = String::new();
    for m in 0..3 * 1440i64 {
        let t = START + m * 60;
        let n = if m == 4000 { 400 } else { 2 };
        for i in 0..n {
            let status = if (3000..3020).contains(&m) { 401 } else { 200 };
            log += &access(t + i % 60, KEY, "192.0.2.1", status);
        }
    }
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let odd: String = lines.iter().skip(1).step_by(2).copied().collect();
    let even: String = lines.iter().step_by(2).copied().collect();
    let (one, two) = (replay(&[log.clone()]), replay(&[even, odd]));
    let brief = |r: &logwarden::alert::Report| -> Vec<(String, String, Option<Timestamp>)> {
        r.alerts.iter().map(|a| (a.kind.clone(), a.fingerprint.clone(), a.ends_at)).collect()
    };
    let kinds: Vec<&str> = one.alerts.iter().map(|a| a.kind.as_str()).filter(|k| *k != "secret_leaked").collect();
    assert_eq!(kinds, ["auth_failures", "volume_spike"]);
    assert!(one.alerts.iter().all(|a| (a.status == Status::Resolved) == a.ends_at.is_some()));
    assert_eq!(brief(&one).len(), brief(&two).len() - 1, "two sources, so two access logs that record credentials");
    for row in brief(&one).iter().filter(|r| r.0 != "secret_leaked") {
        assert!(brief(&two).contains(row), "{row:?}");
    }
    assert_eq!((one.key_days, one.counters.late), (3, 0));
    assert_eq!(replay(&[log]).alerts, one.alerts, "ids and all");
}

#[test]
fn one_wrong_clock_in_a_file_does_not_hide_the_rest() {
    let mut log = String::new();
    for m in 0..2 * 1440i64 {
        let t = START + m * 60;
        if m % 500 == 7 {
            log += &access(t + 40 * 86_400, OTHER, "192.0.2.1", 200);
        }
        for i in 0..if m == 2800 { 400 } else { 2 } {
            log += &access(t + i % 60, KEY, "192.0.2.1", 200);
        }
    }
    let report = replay(&[log]);
    assert_eq!(of(&report.alerts, "volume_spike").len(), 1);
    assert_eq!((report.counters.late, report.counters.ahead), (0, 6));
}

#[test]
fn the_alert_has_every_field_of_the_contract() {
    let log: String = (0..60).map(|i| access(START + i, KEY, "192.0.2.1", 401)).collect();
    let report = replay(&[log]);
    let alert = serde_json::to_value(of(&report.alerts, "auth_failures")[0]).unwrap();
    let fields: Vec<&str> = alert.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "schema",
            "id",
            "status",
            "kind",
            "severity",
            "urgency",
            "key",
            "source",
            "fingerprint",
            "starts_at",
            "ends_at",
            "updated_at",
            "summary",
            "why",
            "evidence",
            "likely_causes",
            "runbook",
            "count",
            "host",
            "links",
        ]
    );
    assert_eq!(alert["schema"], "logwarden.alert/v1");
    assert_eq!(alert["id"].as_str().unwrap().len(), 26);
    assert_eq!(alert["fingerprint"].as_str().unwrap().len(), 32);
    assert_eq!((alert["severity"].as_str(), alert["urgency"].as_str()), (Some("critical"), Some("page")));
    assert_eq!(alert["ends_at"], serde_json::Value::Null, "history ends before the alert does");
    let evidence: Vec<&str> = alert["evidence"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(evidence, ["unit", "observed", "expected", "threshold", "window_s", "score", "networks", "lines"]);
    assert_eq!(alert["evidence"]["lines"].as_array().unwrap().len(), 5);
}
