//! `top` on a running service.

use super::kit::{append, get_when, start};
use crate::support::{logwarden, run, run_command};

#[test]
fn top_shows_the_service_over_its_socket() {
    let service = start("[receivers.ops]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n");
    append(
        &service,
        "{\"time\":\"2026-05-04T10:00:00Z\",\"api_key\":\"AKIAIOSFODNN7EXAMPL3\",\"path\":\"/x\",\"method\":\"GET\",\"status\":200}\n{\"msg\":\"password=hunter2hunter2 \\u001b[31m\"}\n",
    );
    get_when(&service, "/api/v1/status", |s| {
        s["now"]["lines"] == 2 && s["alerts"]["firing"].as_u64() > Some(0) && s["keys"]["tracked"] == 1
    });
    let (config, state) = (service.path("c.toml"), service.path("state"));
    let (config, state) = (config.to_str().unwrap(), state.to_str().unwrap());
    let now = run(&["top", "--once", "--config", config], b"");
    assert_eq!((now.code, &*now.err), (0, ""));
    let text = now.text();
    for word in ["FIRING", "aws-access-key-id", "ops", "failing", "keys 1"] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    let keys = run(&["top", "--once", "--view", "keys", "--state", state], b"").text();
    assert!(keys.contains("[AWS_ACCESS_KEY_ID:") && keys.contains("1 keys"), "{keys}");
    let alerts = run(&["top", "--once", "--view", "alerts", "--address", &service.address.to_string()], b"").text();
    assert!(alerts.contains("secret_leaked") && !alerts.contains('\u{1b}'), "{alerts}");
    for text in [text, keys, alerts] {
        assert!(!text.contains("hunter2") && !text.contains("AKIAIOSFODNN7EXAMPL3"), "{text}");
    }
    let plain = run(&["top", "--config", config], b"");
    assert_eq!(plain.code, 2, "no terminal: {}", plain.err);
}

#[test]
fn top_says_why_it_sees_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = run(&["top", "--once", "--state", dir.path().to_str().unwrap()], b"");
    assert_eq!(nobody.code, 74);
    assert!(nobody.err.contains("cannot reach the service at") && nobody.err.contains("[http]"), "{}", nobody.err);
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[sources.a]\ntype = \"stdin\"\n").unwrap();
    let none = run(&["top", "--once", "--config", config.to_str().unwrap()], b"");
    assert!(none.code == 78 && none.err.contains("no [http] section"), "{}", none.err);
    let mut far = logwarden();
    far.args(["top", "--once", "--address", "192.0.2.1:1"]).env("LOGWARDEN_HTTP_TOKEN", "t0ken");
    let far = run_command(&mut far, b"");
    assert!(far.code == 2 && far.err.contains("in clear"), "{}", far.err);
}
