//! The metrics as Prometheus reads them: its own checker, and its own server that scrapes us.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::kit::{TOKEN, append, ask, get_when, start};
use crate::process::Running;
use crate::receive::kit::{free_port, request, until};
use crate::support::{find, run_command, skip};

/// What was promised: names and labels.
pub const PROMISED: [(&str, &[&str]); 18] = [
    ("logwarden_lines_total", &["source"]),
    ("logwarden_bytes_total", &["source"]),
    ("logwarden_redactions_total", &["rule"]),
    ("logwarden_lines_withheld_total", &["reason"]),
    ("logwarden_lines_invalid_json_total", &["source"]),
    ("logwarden_events_total", &["source"]),
    ("logwarden_events_late_total", &[]),
    ("logwarden_keys_tracked", &[]),
    ("logwarden_keys_evicted_total", &[]),
    ("logwarden_alerts_total", &["kind", "status"]),
    ("logwarden_notifications_total", &["receiver", "outcome"]),
    ("logwarden_notification_failures_total", &["receiver", "cause"]),
    ("logwarden_outbox_pending", &["receiver"]),
    ("logwarden_lines_dropped_total", &["source"]),
    ("logwarden_source_lag_bytes", &["source"]),
    ("logwarden_line_latency_seconds", &["le"]),
    ("logwarden_config_last_reload_successful", &[]),
    ("logwarden_build_info", &["version"]),
];

/// A receiver that nobody answers, so that there are messages to count.
const RECEIVER: &str = "[receivers.ops]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n";

/// Lines that move every counter: one leak, one line that is withheld, one that breaks off.
fn lines() -> Vec<u8> {
    let mut text = b"{\"time\":\"2026-05-04T10:00:00Z\",\"msg\":\"AKIAIOSFODNN7EXAMPL3\"}\n{\"broken\":\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', (16 << 20) + 1));
    text.push(b'\n');
    text
}

fn samples(page: &str) -> BTreeSet<(String, Vec<String>)> {
    let sample = |line: &str| {
        let (series, _) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        let labels = labels.split(',').filter_map(|l| Some(l.split_once('=')?.0.to_owned()));
        Some((name.to_owned(), labels.collect()))
    };
    page.lines().filter(|l| !l.starts_with('#')).filter_map(sample).collect()
}

#[test]
fn names_and_labels_are_as_promised_in_both_formats() {
    let service = start(RECEIVER);
    append(&service, std::str::from_utf8(&lines()).unwrap());
    get_when(&service, "/api/v1/status", |s| {
        let filled = |v: &serde_json::Value| v.as_object().is_some_and(|o| !o.is_empty());
        s["now"]["lines"] == 3 && filled(&s["alerts"]["told_by_kind"]) && filled(&s["receivers"][0]["causes"])
    });
    let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, kind) in
        [("Accept: */*", "text/plain; version=0.0.4"), (open, "application/openmetrics-text; version=1.0.0")]
    {
        let answer = ask(&service, "GET /metrics", &[accept], "");
        assert!(answer.head.contains(kind), "{}", answer.head);
        let found = samples(&answer.body);
        for (name, labels) in PROMISED {
            let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
            assert!(found.contains(&(name.to_owned(), labels.clone())), "{name} {labels:?}\n{}", answer.body);
        }
        let promised: BTreeSet<&str> = PROMISED.iter().map(|(name, _)| *name).collect();
        assert!(found.iter().all(|(name, _)| promised.contains(&**name)), "{found:?}");
        assert_eq!(answer.body.ends_with("# EOF\n"), kind.starts_with("application"), "{kind}");
    }
}

#[test]
fn prometheus_finds_nothing_wrong_with_them() {
    let Some(promtool) = find("promtool") else { return skip("web::prometheus", "no promtool") };
    let service = start(RECEIVER);
    append(&service, std::str::from_utf8(&lines()).unwrap());
    get_when(&service, "/api/v1/status", |s| s["now"]["lines"] == 3);
    let page = ask(&service, "GET /metrics", &[], "").body;
    let ran = run_command(Command::new(promtool).args(["check", "metrics"]), page.as_bytes());
    assert_eq!((ran.code, &*ran.text(), &*ran.err), (0, "", ""), "{page}");
}

#[test]
fn prometheus_scrapes_them() {
    let Some(prometheus) = find("prometheus") else { return skip("web::prometheus", "no prometheus") };
    let service = start(&format!("token_for_reads = true\n{RECEIVER}"));
    append(&service, std::str::from_utf8(&lines()).unwrap());
    assert!(until(|| service.out().lines().count() == 3), "{}", service.errors());
    let config = format!(
        "scrape_configs:\n- job_name: logwarden\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  authorization:\n    credentials: {TOKEN}\n  \
         static_configs:\n  - targets: ['{}']\n",
        service.address
    );
    fs::write(service.path("prometheus.yml"), config).unwrap();
    let at = free_port();
    let log = fs::File::create(service.path("prometheus.log")).unwrap();
    let mut command = Command::new(prometheus);
    command
        .arg(format!("--config.file={}", service.path("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", service.path("tsdb").display()))
        .arg(format!("--web.listen-address={at}"));
    let _server = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let ask = |query: &str| -> Option<Value> {
        std::net::TcpStream::connect(at).ok()?;
        let answer = request(at, &format!("GET /api/v1/query?query={query} HTTP/1.1\r\n"), b"");
        let value: Value =
            serde_json::from_str(answer.body.get(answer.body.find('{')?..=answer.body.rfind('}')?)?).ok()?;
        value["data"]["result"][0]["value"][1].as_str().map(|v| v.into())
    };
    let is = |query: &str, want: &str| {
        let met = until(|| ask(query).as_ref().and_then(Value::as_str) == Some(want));
        let log = fs::read_to_string(service.path("prometheus.log")).unwrap_or_default();
        assert!(met, "{query}: wanted {want}, got {:?}\n{log}", ask(query));
    };
    is("up", "1");
    is("logwarden_lines_total", "3");
    is("sum(logwarden_lines_withheld_total)", "1");
    is("logwarden_lines_invalid_json_total", "1");
    is("logwarden_line_latency_seconds_count", "3");
    is(
        "logwarden_line_latency_seconds_bucket{le=\"%2BInf\"}"
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('"', "%22")
            .as_str(),
        "3",
    );
    is("logwarden_build_info", "1");
}
