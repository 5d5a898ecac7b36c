//! What the API says, and to whom.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use super::kit::{TOKEN, append, ask, ask_unix, get, get_when, start};
use crate::process::signal;
use crate::receive::kit::{Service, until};

const KEY: &str = "sk-proj-Zq3vT8yLmN4pR7sW2xK9cB5dF6gH1jQ0aE8uI3oP7rT5yV2n";

/// `n` requests with one key, and one leak.
fn traffic(n: usize) -> String {
    let use_of = |i: usize| {
        format!(
            "{{\"time\":\"2026-05-04T10:{:02}:{:02}Z\",\"api_key\":\"{KEY}\",\"ip\":\"203.0.113.7\",\"method\":\"GET\",\"path\":\"/v1/x\",\"status\":{}}}\n",
            i / 60 % 60,
            i % 60,
            if i.is_multiple_of(10) { 500 } else { 200 }
        )
    };
    let leak = "{\"time\":\"2026-05-04T10:59:00Z\",\"msg\":\"using password=hunter2hunter2 and AKIAIOSFODNN7EXAMPL3\"}\n{\"broken\":\n";
    (0..n).map(use_of).collect::<String>() + leak
}

#[test]
fn the_api_says_what_happened_and_never_a_secret() {
    let service = start("");
    append(&service, &traffic(120));
    let status = get_when(&service, "/api/v1/status", |s| s["now"]["lines"] == 122 && s["keys"]["tracked"] == 2);
    assert_eq!(status["not_ready"].as_array().unwrap().len(), 0);
    let keys = get_when(&service, "/api/v1/keys?search=openai", |k| k["matched"] == 1);
    let key = &keys["keys"][0];
    assert_eq!((&key["requests"], &key["last_hour"]["errors"]), (&120.into(), &12.into()), "{key}");
    assert_eq!(key["sparkline"].as_array().unwrap().iter().filter_map(|n| n.as_u64()).sum::<u64>(), 120);
    let story = get(&service, &format!("/api/v1/keys/{}", key["key"].as_str().unwrap()));
    assert_eq!((story["hours_24"].as_array().unwrap().len(), story["days_56"].as_array().unwrap().len()), (24, 56));
    assert_eq!(story["hours_24"][23]["requests"], 120, "{story}");
    assert_eq!(story["days_56"][55]["requests"], 120, "{story}");
    assert_eq!(story["seen_from"][0]["network"], "203.0.113.0/24");
    assert_eq!(story["used_for"][0]["name"], "GET /v1/x", "{story}");
    let sources = get(&service, "/api/v1/sources");
    let source = &sources["sources"][0];
    assert_eq!((&source["lines"], &source["events"]), (&122.into(), &121.into()), "{source}");
    assert_eq!(source["invalid_json"], 1);
    let roles = source["mappings"].as_array().unwrap().iter().flat_map(|m| m["fields"].as_array().unwrap());
    assert!(roles.clone().any(|f| f["role"] == "key" && f["field"] == "/api_key"), "{source}");
    let redactions = get(&service, "/api/v1/redactions");
    let by_source = &redactions["by_source"]["in"];
    assert_eq!(by_source["openai-api-key"], 120, "{redactions}");
    let counted: u64 = by_source.as_object().unwrap().values().filter_map(|n| n.as_u64()).sum();
    assert_eq!(status["now"]["redactions"], counted, "{redactions}");
    let by_field = |field: &str| {
        redactions["fields"].as_array().unwrap().iter().find(|f| f["field"] == field).map(|f| f["count"].clone())
    };
    assert_eq!((by_field("/api_key"), by_field("/msg")), (Some(120.into()), Some(2.into())), "{redactions}");
    let alerts = get_when(&service, "/api/v1/alerts", |a| a["matched"].as_u64() > Some(0));
    let all = [status, keys, story, sources, redactions, alerts].map(|v| v.to_string()).join("\n");
    for secret in [KEY, "hunter2", "AKIAIOSFODNN7EXAMPL3", TOKEN] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(!service.errors().contains(TOKEN));
}

#[test]
fn an_alert_is_taken_in_hand_and_silenced_with_the_token_only() {
    let mut service = start("");
    append(&service, &traffic(1));
    let alerts = get_when(&service, "/api/v1/alerts", |a| a["matched"].as_u64() > Some(0));
    let id = alerts["alerts"][0]["id"].as_str().unwrap().to_owned();
    let (line, bearer) = (format!("POST /api/v1/alerts/{id}/ack"), format!("Authorization: Bearer {TOKEN}"));
    let json = "Content-Type: application/json";
    let body = "{\"author\":\"ada\",\"comment\":\"rotating <b>it</b>, password=hunter2hunter2\"}";
    assert_eq!(ask(&service, &line, &[json], body).status, 401);
    assert_eq!(ask(&service, &line, &[json, "Authorization: Bearer wrong"], body).status, 401);
    assert_eq!(ask(&service, &line, &[json, &bearer, "Origin: http://evil.example"], body).status, 403);
    assert_eq!(ask(&service, &line, &["Content-Type: text/plain", &bearer], body).status, 415);
    assert_eq!(ask(&service, &line, &[json, &bearer], "{\"autor\":1}").status, 400);
    assert_eq!(ask(&service, &line, &[json, &bearer], &"x".repeat(20_000)).status, 400);
    assert_eq!(ask(&service, &line.replacen("POST", "GET", 1), &[&bearer], "").status, 405);
    assert_eq!(ask(&service, "POST /api/v1/alerts/01AAAAAAAAAAAAAAAAAAAAAAAA/ack", &[json, &bearer], "").status, 404);
    assert_eq!(get(&service, &format!("/api/v1/alerts/{id}"))["in_hand"], false);
    let page = format!("https://watch.example.com/#alert/{id}");
    assert_eq!(get(&service, &format!("/api/v1/alerts/{id}"))["links"]["page"], page);
    assert_eq!(ask(&service, &line, &[json, &bearer], body).status, 200);
    let alert = get(&service, &format!("/api/v1/alerts/{id}"));
    assert_eq!(alert["in_hand"], true);
    let change = alert["timeline"].as_array().unwrap().iter().find(|c| c["what"] == "acked").unwrap();
    assert_eq!(
        (&change["author"], &change["note"]),
        (&"ada".into(), &"rotating <b>it</b>, password=[PASSWORD]".into())
    );
    // the socket's mode is the guard there
    let mode = fs::metadata(service.path("state/http.sock")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // A slip of the pen must not look like peace.
    for path in ["alerts?status=bogus", "alerts?severity=critcal", "alerts?kind=volume_spyke", "alerts?limit=-1"] {
        assert_eq!(ask(&service, &format!("GET /api/v1/{path}"), &[], "").status, 400, "{path}");
    }
    for path in ["keys?sort=bogus", "keys?offset=x"] {
        assert_eq!(ask(&service, &format!("GET /api/v1/{path}"), &[], "").status, 400, "{path}");
    }
    let silence = "{\"matchers\":[\"kind=secret_leaked\"],\"for\":\"2h\",\"comment\":\"known\"}";
    let answer = ask_unix(&service, "POST /api/v1/silences", &[json], silence);
    assert_eq!(answer.status, 200, "{answer:?}");
    for bad in [
        "{\"matchers\":[],\"for\":\"2h\"}",
        "{\"matchers\":[\"kind=x\"],\"for\":\"-1\"}",
        "{\"matchers\":[\"knd=x\"],\"for\":\"2h\"}",
        "{\"matchers\":[\"kind=volume_spyke\"],\"for\":\"2h\"}",
    ] {
        let answer = ask_unix(&service, "POST /api/v1/silences", &[json], bad);
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
    let silences = get(&service, "/api/v1/silences");
    let id = silences["silences"][0]["id"].as_str().unwrap();
    let answer = ask_unix(&service, &format!("POST /api/v1/silences/{id}/end"), &[json], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(get(&service, "/api/v1/silences")["silences"].as_array().unwrap().len(), 0);
    assert_eq!(service.stop(), Some(0));
    assert!(!service.path("state/http.sock").exists(), "the socket is gone with the service");
}

#[test]
fn foreign_names_pages_and_methods_are_refused() {
    let service = start("");
    let status = |line: &str, headers: &[&str]| ask(&service, line, headers, "").status;
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/events"] {
        let line = format!("GET {path}");
        assert_eq!(status(&line, &["Host: evil.example"]), 421, "{path}");
        assert_eq!(status(&line, &["Origin: https://evil.example"]), 403, "{path}");
        assert_eq!(status(&line, &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]), 403, "{path}");
    }
    assert_eq!(status("GET /", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"]), 200);
    assert_eq!(status("GET /nothing", &[]), 404);
    assert_eq!(status("GET /api/v1/keys/unknown", &[]), 404);
    assert_eq!(status("DELETE /api/v1/keys", &[]), 405);
    assert_eq!(status("OPTIONS /api/v1/status", &["Origin: http://evil.example"]), 405);
    let page = ask(&service, "GET /", &[], "");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(page.head.contains(header), "{header}\n{}", page.head);
    }
    assert!(!page.head.contains("access-control-allow"), "{}", page.head);
    let head = ask(&service, "HEAD /metrics", &[], "");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn with_token_for_reads_nothing_but_health_is_open() {
    let service = start("token_for_reads = true\n");
    let status = |path: &str, headers: &[&str]| ask(&service, &format!("GET {path}"), headers, "").status;
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for path in ["/metrics", "/api/v1/status", "/api/v1/keys", "/api/v1/events?x", "/api/v1/sources"] {
        assert_eq!(status(path, &[]), 401, "{path}");
    }
    for path in ["/metrics", "/api/v1/status", "/api/v1/keys"] {
        assert_eq!(status(path, &[&bearer]), 200, "{path}");
    }
    // the page itself holds nothing, and asks for the token
    assert_eq!((status("/healthz", &[]), status("/readyz", &[]), status("/", &[])), (200, 200, 200));
    assert_eq!(ask_unix(&service, "GET /api/v1/status", &[], "").status, 200);
}

#[test]
fn a_broken_reload_is_seen_and_mended() {
    let service = start("");
    let metric = |value: &str| {
        let page = ask(&service, "GET /metrics", &[], "").body;
        page.contains(&format!("\nlogwarden_config_last_reload_successful {value}\n"))
    };
    assert!(metric("1"));
    let good = fs::read_to_string(service.path("c.toml")).unwrap();
    fs::write(service.path("c.toml"), format!("{good}\nnonsense = 1\n")).unwrap();
    signal(service.process(), "-HUP");
    assert!(until(|| metric("0")), "{}", service.errors());
    assert_eq!(get(&service, "/api/v1/status")["reload"]["successful"], false);
    fs::write(service.path("c.toml"), good).unwrap();
    signal(service.process(), "-HUP");
    let mended = || {
        std::net::TcpStream::connect(service.address).is_ok() && {
            let answer = ask(&service, "GET /metrics", &[], "");
            answer.body.contains("\nlogwarden_config_last_reload_successful 1\n")
        }
    };
    assert!(until(mended), "{}", service.errors());
}

/// A receiver that refuses what is posted to it, which is given up at once.
fn refusing() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (mut stream, mut buffer) = (stream, [0; 64 << 10]);
            // all of it: what is left unread would cut the answer off
            stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
            let _answered =
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    url
}

/// What the metrics of these names say; 0 where there is none.
fn numbers<const N: usize>(service: &Service, names: &[&str; N]) -> [f64; N] {
    if std::os::unix::net::UnixStream::connect(service.path("state/http.sock")).is_err() {
        return [0.0; N];
    }
    // the socket knows no limit of requests
    let page = ask_unix(service, "GET /metrics", &[], "").body;
    let value = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    names.map(|name| value(name).unwrap_or_default())
}

#[test]
fn counters_go_on_over_a_reload_and_count_every_alert() {
    let mut service = start(&format!("[receivers.ops]\ntype = \"webhook\"\nurl = \"{}\"\n", refusing()));
    append(&service, &traffic(120));
    let names = [
        "logwarden_lines_total{source=\"in\"}",
        "logwarden_redactions_total{rule=\"openai-api-key\"}",
        "logwarden_line_latency_seconds_count",
        "logwarden_notifications_total{receiver=\"ops\",outcome=\"dead\"}",
        "logwarden_alerts_total{kind=\"delivery_failing\",status=\"firing\"}",
        "logwarden_alerts_total{kind=\"secret_leaked\",status=\"firing\"}",
    ];
    let counted = || numbers(&service, &names);
    assert!(until(|| counted().iter().all(|n| *n >= 1.0)), "{:?}\n{}", counted(), service.errors());
    let before = counted();
    assert_eq!((before[0], before[1], before[4]), (122.0, 120.0, 1.0), "{before:?}");
    signal(service.process(), "-HUP");
    assert!(until(|| service.errors().contains("the new configuration runs")), "{}", service.errors());
    append(&service, "{\"level\":\"info\"}\n");
    assert!(until(|| counted()[0] == 123.0), "{:?}\n{}", counted(), service.errors());
    for ((name, before), after) in names.iter().zip(before).zip(counted()) {
        assert!(after >= before, "{name}: {before}, then {after}");
    }
    // what is in the state outlives a restart too
    assert_eq!(service.stop(), Some(0));
    service.begin();
    assert!(until(|| numbers(&service, &names)[4] >= 1.0), "{}", service.errors());
}
