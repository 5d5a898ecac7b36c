//! The HTTP receiver: what it takes, what it refuses, and when it says yes.

use std::io::Write;
use std::time::{Duration, Instant};

use super::kit::{Service, tls_post, until};
use crate::delivery::tls::Authority;
use crate::process::signal;

const HTTP: &str = "type = \"http\"\nlisten = \"ADDRESS\"\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lines_are_taken_in_every_form_and_answered_when_they_are_committed() {
    let mut service = Service::start(HTTP);
    let answer = service.post("/ingest", "", b"{\"n\":1,\"password\":\"hunter2\"}\r\nno json \xff\n\nlast");
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"accepted\":4,\"withheld\":0}\n"), "{answer:?}");
    // committed: it is there at once
    let mut want = "{\"n\":1,\"password\":\"[PASSWORD]\"}\r\nno json \u{fffd}\n\nlast\n".to_owned();
    assert_eq!(service.out(), want);
    let zstd = zstd::encode_all(&b"{\"n\":3}\n"[..], 3).unwrap();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("Content-Type: application/json\r\n", b"[{\"n\":2},\n{\"a\":\n1}]".to_vec(), "{\"n\":2}\n{\"a\": 1}\n"),
        ("Content-Encoding: zstd\r\n", zstd, "{\"n\":3}\n"),
        ("Content-Encoding: gzip\r\n", gzip(b"{\"n\":4}\n"), "{\"n\":4}\n"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", gzip(b"{\"n\":5}"), "{\"n\":5}\n"),
        ("", Vec::new(), ""),
    ];
    for (headers, body, lines) in cases {
        let answer = service.post("/ingest", headers, &body);
        assert_eq!(answer.status, 200, "{headers}: {answer:?}");
        want.push_str(lines);
        assert_eq!(service.out(), want);
    }
    assert_eq!(service.stop(), Some(0));
    service.expect(&want);
}

#[test]
fn what_was_answered_with_yes_survives_a_kill() {
    let mut service = Service::start(HTTP);
    let mut want = String::new();
    for n in 0..12 {
        let line = format!("{{\"n\":{n}}}\n");
        assert_eq!(service.post("/ingest", "", line.as_bytes()).status, 200);
        want.push_str(&line);
        if n % 4 == 3 {
            service.kill();
            service.begin();
        }
    }
    service.expect(&want);
}

#[test]
fn what_cannot_be_taken_is_refused_with_an_id_and_without_details() {
    let limits =
        "max_body = \"64 KiB\"\nmax_decompressed = \"1 MiB\"\nmax_line = \"1 KiB\"\ntoken = \"s3cret-t0ken\"\n";
    let service = Service::start(&format!("{HTTP}{limits}"));
    let auth = "Authorization: Bearer s3cret-t0ken\r\n";
    let bomb = gzip(&vec![b'x'; 16 << 20]);
    let deep = &[b'['; 60_000];
    let json = format!("{auth}Content-Type: application/json\r\n");
    let cases: [(&str, String, &[u8], u16); 11] = [
        ("/ingest", String::new(), b"x\n", 401),
        ("/ingest", "Authorization: Bearer wrong\r\n".to_owned(), b"x\n", 401),
        ("/nowhere", auth.to_owned(), b"x\n", 404),
        ("/ingest", auth.to_owned(), &[b'x'; 70_000], 413),
        ("/ingest", format!("{auth}Content-Encoding: gzip\r\n"), &bomb, 413),
        ("/ingest", format!("{auth}Content-Encoding: gzip\r\n"), b"no gzip", 400),
        ("/ingest", format!("{auth}Content-Encoding: br\r\n"), b"x", 415),
        ("/ingest", json.clone(), b"{\"a\":", 400),
        ("/ingest", json.clone(), deep, 400),
        ("/v1/logs", json.clone(), b"[]", 400),
        ("/loki/api/v1/push", json, b"{\"streams\":[{\"values\":[[\"x\"]]}]}", 400),
    ];
    for (path, headers, body, status) in cases {
        let answer = service.post(path, &headers, body);
        assert_eq!(answer.status, status, "{path} {headers}: {answer:?}");
        let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let id = value["id"].as_str().unwrap();
        assert_eq!((id.len(), value.as_object().unwrap().len()), (26, 2), "{answer:?}");
        assert!(service.errors().contains(id), "{}", service.errors());
        assert_eq!(status == 401, answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    }
    let head = super::kit::request(service.address, &format!("GET /ingest HTTP/1.1\r\n{auth}"), b"");
    assert_eq!((head.status, head.head.contains("allow: post")), (405, true));
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    assert_eq!(service.post("/ingest", &long, b"").status, 431);
    assert_eq!(service.out(), "");
    // one long line does not take the others with it
    let body = format!("one\n{}\ntwo\n", "x".repeat(2000));
    let answer = service.post("/ingest", auth, body.as_bytes());
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"accepted\":2,\"withheld\":1}\n"));
    let withheld = "{\"logwarden\":\"withheld\",\"reason\":\"line over the limit of its receiver\"}";
    assert_eq!(service.out(), format!("one\n{withheld}\ntwo\n"));
    assert!(!service.errors().contains("s3cret"), "{}", service.errors());
}

#[test]
fn a_client_that_sends_too_fast_is_told_when_to_come_again() {
    let service = Service::start(&format!("{HTTP}max_requests_per_second = 2\n"));
    let answers: Vec<_> = (0..8).map(|_| service.post("/ingest", "", b"x\n")).collect();
    let refused: Vec<_> = answers.iter().filter(|a| a.status == 429).collect();
    assert!(!refused.is_empty() && refused.iter().all(|a| a.head.contains("retry-after: 1")), "{answers:?}");
    assert_eq!(service.out().lines().count(), 8 - refused.len());
}

#[test]
fn every_shape_of_token_is_taken() {
    let service = Service::start(&format!("{HTTP}token = \"t0ken\"\n"));
    for header in ["Authorization: ApiKey t0ken", "Authorization: Basic ZWxhc3RpYzp0MGtlbg==", "X-Api-Key: t0ken"] {
        assert_eq!(service.post("/ingest", &format!("{header}\r\n"), b"x\n").status, 200, "{header}");
    }
}

#[test]
fn a_service_that_cannot_write_says_come_again_and_takes_it_later() {
    let mut service = Service::stopped(&format!("{HTTP}answer_within = \"1s\"\n"));
    service.begin();
    let hold = hold(&service.path("state"));
    let began = Instant::now();
    let answer = service.post("/ingest", "", b"one\n");
    assert_eq!((answer.status, answer.head.contains("retry-after")), (503, true), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(hold);
    assert!(until(|| service.post("/ingest", "", b"two\n").status == 200), "{}", service.errors());
    assert!(service.out().contains("one\n") && service.out().contains("two\n"), "{}", service.out());
}

/// Holds the state database as another writer would.
fn hold(state: &std::path::Path) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(state.join("state.db")).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

#[test]
fn a_reload_refuses_no_client_and_a_bad_one_changes_nothing() {
    let mut service = Service::start(HTTP);
    let config = std::fs::read_to_string(service.path("c.toml")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = service.post("/ingest", "", format!("{{\"n\":{sent}}}\n").as_bytes());
                // in the moment of the change the answer may be "come again"
                assert!(matches!(answer.status, 200 | 503 | 0), "{answer:?}");
                sent += u64::from(answer.status == 200);
            }
            sent
        });
        for n in 0..4 {
            let other = format!("{config}[retention]\nkeys = \"{}d\"\n", n + 10);
            std::fs::write(service.path("c.toml"), &other).unwrap();
            signal(service.process(), "-HUP");
            std::thread::sleep(Duration::from_millis(400));
            // an address that cannot be had is found out before anything is stopped
            let bad = config
                .replace(&service.address.to_string(), "192.0.2.1:1")
                .replace("[sinks", "token = \"x\"\nallow_plain = true\n[sinks");
            std::fs::write(service.path("c.toml"), &bad).unwrap();
            let before = service.errors().matches("stays as it was").count();
            signal(service.process(), "-HUP");
            assert!(until(|| service.errors().matches("stays as it was").count() > before), "{}", service.errors());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        sender.join().unwrap()
    });
    assert!(sent > 10, "{sent}");
    assert_eq!(service.stop(), Some(0));
    let lines = service.out().lines().map(str::to_owned).collect::<Vec<_>>();
    for n in 0..sent {
        assert!(lines.contains(&format!("{{\"n\":{n}}}")), "{n} is lost");
    }
}

#[test]
fn tls_and_client_certificates_are_asked_for() {
    let service = |client_ca: &str| {
        let tls = format!("tls = {{ cert = \"DIR/server.pem\", key = \"DIR/server.key\"{client_ca} }}\n");
        let mut service = Service::stopped(&format!("{HTTP}{tls}"));
        let authority = Authority::new(service.dir.path());
        authority.files(service.dir.path());
        service.begin();
        (service, authority)
    };
    let (server, authority) = service("");
    assert_ne!(server.post("/ingest", "", b"x\n").status, 200);
    let answer = tls_post(server.address, &authority.ca_file, None, "password=hunter2\n").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.out(), "password=[PASSWORD]\n");

    let (server, authority) = service(", client_ca = \"DIR/ca.pem\"");
    let without = tls_post(server.address, &authority.ca_file, None, "x\n");
    assert!(without.is_err() || without.is_ok_and(|a| a.status == 0));
    let pair = (server.path("server.pem"), server.path("server.key"));
    let answer = tls_post(server.address, &authority.ca_file, Some(&pair), "x\n").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.out(), "x\n");
}
