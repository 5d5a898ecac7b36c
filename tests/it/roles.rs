//! Which field of a line has which role: our own lines, and the sample logs of real software when they stand beside
//! the checkout.

use std::collections::BTreeMap;
use std::fs;

use logwarden::event::{EventConfig, Explanation, Reader, Role, RoleFound, Roles, SourceReading};
use logwarden::redact::{PseudonymKey, Redacted, Redactor, Worker};
use logwarden::units::Timestamp;
use serde_json::Value;

use crate::support::root;

/// Later than every sample.
const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

struct Bench {
    worker: Worker,
    reader: Reader,
    out: Redacted,
}

impl Bench {
    fn new(config: &EventConfig, reading: SourceReading) -> Self {
        let redactor = Redactor::new(PseudonymKey::new(0, b"test"));
        let reader = Reader::new(&Roles::new(config).unwrap(), reading).unwrap();
        Self { worker: redactor.worker(), reader, out: Redacted::default() }
    }

    fn explain(&mut self, line: &str) -> Explanation {
        self.worker.redact(format!("{line}\n").as_bytes(), &mut self.out);
        let first = self.out.lines().next().unwrap();
        self.reader.explain(first, NOW)
    }
}

/// Our roles that go by a role of the manifest.
fn roles(name: &str) -> &'static [Role] {
    match name {
        "time" => &[Role::Time],
        "method" => &[Role::Method],
        "path" => &[Role::Path],
        "status" => &[Role::Status],
        "latency" => &[Role::Latency],
        "ip" => &[Role::Ip],
        "xff" => &[Role::ForwardedFor],
        "cred" => &[Role::Key, Role::KeyId],
        "reqid" => &[Role::RequestId],
        "user" => &[Role::User],
        "tenant" => &[Role::Tenant],
        "model" => &[Role::Model],
        "tok_in" => &[Role::TokensIn],
        "tok_out" => &[Role::TokensOut],
        "cost" => &[Role::Cost],
        "reqline" => &[Role::RequestLine],
        "embedded" => &[Role::Message],
        "authfail" => &[Role::Auth],
        _ => &[],
    }
}

/// Whether a value of this role says nothing, so that finding no field is right as well.
fn says_nothing(role: &str, value: &Value) -> bool {
    let text = value.as_str();
    match role {
        "embedded" => text.is_none_or(|t| !t.contains("HTTP/")),
        "status" => value.as_u64() == Some(0) || text.is_some_and(str::is_empty),
        "authfail" => text.is_none_or(|t| ["success", "SUCCESS", "Success", "Active", "0", "sapi"].contains(&t)),
        _ => value.is_null() || text.is_some_and(|t| t.is_empty() || t == "-"),
    }
}

#[derive(Default)]
struct Score {
    right: usize,
    all: usize,
    wrong: BTreeMap<String, usize>,
}

/// Scores one line against the manifest's pointers.
fn score_line(schema: &Value, line: &str, seen: &Explanation, score: &mut Score) {
    let Ok(json) = serde_json::from_str::<Value>(line) else { return };
    let unit = schema["latency_unit"].as_str().and_then(|u| u.split(' ').next());
    for (role, pointer) in schema["pointers"].as_object().unwrap() {
        let (wanted, pointer) = (roles(role), pointer.as_str().unwrap());
        let Some(value) = json.pointer(pointer).filter(|_| !wanted.is_empty()) else { continue };
        let found: Vec<&RoleFound> = seen.roles.iter().filter(|r| wanted.contains(&r.role)).collect();
        let same_unit = |f: &RoleFound| role != "latency" || f.unit.is_none() || f.unit.map(|u| u.name()) == unit;
        let right = found.iter().any(|f| f.field == pointer && same_unit(f))
            || (found.iter().all(|f| f.masked) && says_nothing(role, value));
        score.all += 1;
        score.right += usize::from(right);
        if !right {
            let got: Vec<String> =
                found.iter().map(|f| format!("{} {}", f.field, f.unit.map_or("", |u| u.name()))).collect();
            let file = schema["file"].as_str().unwrap();
            *score.wrong.entry(format!("{file}: {role} is {pointer} {unit:?}, got {got:?}")).or_default() += 1;
        }
    }
}

fn score(config: &EventConfig) -> Option<Score> {
    let dir = root().parent().unwrap().join("shared/samples");
    let manifest: Value = serde_json::from_slice(&fs::read(dir.join("MANIFEST.json")).ok()?).unwrap();
    let mut score = Score::default();
    for schema in manifest["schemas"].as_array().unwrap() {
        if schema["pointers"].is_null() {
            continue;
        }
        let mut bench = Bench::new(config, SourceReading::default());
        let text = fs::read(dir.join(schema["file"].as_str().unwrap())).unwrap();
        for line in String::from_utf8_lossy(&text).lines() {
            let seen = bench.explain(line);
            score_line(schema, line, &seen, &mut score);
        }
    }
    Some(score)
}

fn report(score: &Score, least: f64) {
    let share = score.right as f64 / score.all as f64;
    let wrong: Vec<String> = score.wrong.iter().map(|(what, n)| format!("{n:4} {what}")).collect();
    assert!(share >= least, "{:.1} % of {} roles are right:\n{}", share * 100.0, score.all, wrong.join("\n"));
}

#[test]
fn roles_of_real_software_are_found() {
    match score(&EventConfig::default()) {
        Some(score) => report(&score, 0.98),
        None => crate::support::skip("roles_of_real_software_are_found", "no ../shared/samples"),
    }
}

#[test]
fn roles_are_found_by_name_alone() {
    match score(&EventConfig { recognise: false, ..EventConfig::default() }) {
        Some(score) => report(&score, 0.90),
        None => crate::support::skip("roles_are_found_by_name_alone", "no ../shared/samples"),
    }
}

/// Asserts what our own lines say: (role, field, value).
fn says(bench: &mut Bench, line: &str, wanted: &[(Role, &str, &str)]) -> Explanation {
    let seen = bench.explain(line);
    for &(role, field, value) in wanted {
        let found = seen.roles.iter().find(|r| r.role == role);
        let got = found.map(|r| (r.field.as_str(), r.value.as_str()));
        assert_eq!(got, Some((field, value)), "{role:?} of {line}\n{seen:#?}");
    }
    seen
}

fn bench() -> Bench {
    Bench::new(&EventConfig::default(), SourceReading::default())
}

#[test]
fn our_own_lines_are_read() {
    let mut b = bench();
    let seen = says(
        &mut b,
        r#"{"level":30,"time":1777636800250,"pid":7,"hostname":"web-1","reqId":"req-4","req":{"method":"POST","url":"/v1/pay","remoteAddress":"198.51.100.4"},"res":{"statusCode":402},"responseTime":18.5,"msg":"request completed"}"#,
        &[
            (Role::Time, "/time", "1777636800250"),
            (Role::Method, "/req/method", "POST"),
            (Role::Path, "/req/url", "/v1/pay"),
            (Role::Status, "/res/statusCode", "402"),
            (Role::Latency, "/responseTime", "18.5"),
            (Role::Ip, "/req/remoteAddress", "198.51.100.4"),
            (Role::RequestId, "/reqId", "req-4"),
        ],
    );
    assert_eq!(seen.schema.as_deref(), Some("pino-http"));
    assert!(seen.counts && seen.time.starts_with("2026-05-01T12:00:00.250Z"));
    let seen = says(
        &mut b,
        r#"{"level":"info","ts":1777636800.25,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"10.0.0.2","client_ip":"198.51.100.4","method":"GET","uri":"/v1/me","headers":{"Authorization":["REDACTED"]}},"user_id":"","duration":0.0123,"status":200}"#,
        &[(Role::Latency, "/duration", "0.0123"), (Role::Ip, "/request/client_ip", "198.51.100.4")],
    );
    assert_eq!(seen.schema.as_deref(), Some("caddy"));
    assert!(seen.key.is_none(), "a masked credential is nobody");
    says(
        &mut b,
        r#"{"custom":{"deep":[{"http.method":"PUT","http.target":"/x","HTTP-Status-Code":"503","took_ms":7}]},"client-ip":"2001:db8::9","@timestamp":"2026-05-01T12:00:00,5+02:00"}"#,
        &[
            (Role::Method, "/custom/deep/0/http.method", "PUT"),
            (Role::Status, "/custom/deep/0/HTTP-Status-Code", "503"),
            (Role::Latency, "/custom/deep/0/took_ms", "7"),
            (Role::Ip, "/client-ip", "2001:db8::9"),
            (Role::Time, "/@timestamp", "2026-05-01T12:00:00,5+02:00"),
        ],
    );
}

#[test]
fn text_lines_are_read() {
    let mut b = bench();
    let combined = r#"198.51.100.4 - amy [01/May/2026:12:00:00 +0000] "GET /v1/x?api_key=sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrs-abcdefgAA HTTP/1.1" 200 5 "-" "curl/8""#;
    let seen = says(&mut b, combined, &[(Role::Method, "", "GET"), (Role::Status, "", "200"), (Role::User, "", "amy")]);
    assert!(seen.key.is_some(), "the key of a query string: {seen:?}");
    assert_eq!(seen.ip.as_deref(), Some("198.51.100.4"));
    says(
        &mut b,
        r#"{"message":"198.51.100.4:5512 - \"POST /v1/chat HTTP/1.1\" 401","levelname":"INFO","name":"uvicorn.access","asctime":"2026-05-01 12:00:00,123"}"#,
        &[
            (Role::Method, "/message", "POST"),
            (Role::Path, "/message", "/v1/chat"),
            (Role::Status, "/message", "401"),
            (Role::Ip, "/message", "198.51.100.4:5512"),
            (Role::Time, "/asctime", "2026-05-01 12:00:00,123"),
        ],
    );
    says(
        &mut b,
        r#"time=2026-05-01T12:00:00Z level=info msg="request done" method=GET path=/a status=500 duration_ms=12 client_ip=198.51.100.4"#,
        &[
            (Role::Time, "/time", "2026-05-01T12:00:00Z"),
            (Role::Status, "/status", "500"),
            (Role::Latency, "/duration_ms", "12"),
            (Role::Ip, "/client_ip", "198.51.100.4"),
        ],
    );
    says(
        &mut b,
        r#"2026-05-01T12:00:00.123456789Z stdout F {"method":"GET","path":"/a","status":200}"#,
        &[(Role::Status, "/status", "200"), (Role::Time, "", "2026-05-01T12:00:00.123456789Z")],
    );
}

const KEY: &str = "sk-proj-EXAMPLE0kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt";

#[test]
fn a_key_is_known_by_the_redactor_alone() {
    let mut b = bench();
    let key = |b: &mut Bench, line: &str| b.explain(line).key;
    let header = key(&mut b, &format!(r#"{{"status":200,"authorization":"Bearer {KEY}"}}"#)).expect("a key");
    let field = key(&mut b, &format!(r#"{{"status":200,"api_key":"{KEY}"}}"#)).expect("a key");
    let query = key(&mut b, &format!(r#"{{"status":200,"method":"GET","path":"/x?api_key={KEY}"}}"#)).expect("a key");
    let nested = key(&mut b, &format!(r#"{{"status":200,"headers":{{"X-Whatever-Key":["{KEY}"]}}}}"#)).expect("a key");
    assert_eq!([&header, &field, &query], [&nested; 3]);
    // The same label written by somebody else is no key, unless the source is trusted.
    let forged = format!(r#"{{"status":200,"authorization":"Bearer [OPENAI_API_KEY:{header}]"}}"#);
    assert_eq!(key(&mut b, &forged), None);
    let reading = SourceReading { trusted_labels: true, ..SourceReading::default() };
    assert_eq!(key(&mut Bench::new(&EventConfig::default(), reading), &forged), Some(header));
    // A key in a message is a leak, not a caller.
    assert_eq!(key(&mut b, &format!(r#"{{"status":200,"msg":"calling with {KEY}"}}"#)), None);
    for masked in ["-", "REDACTED", "***", "[Redacted]", "", "sk-***"] {
        assert_eq!(key(&mut b, &format!(r#"{{"status":200,"user_api_key_hash":"{masked}"}}"#)), None, "{masked}");
    }
    assert_eq!(
        key(&mut b, r#"{"status":200,"user_api_key_hash":"88dc28d0f030c55ed4ab77ed8faf0981"}"#).unwrap(),
        "USER_API_KEY_HASH 88dc28d0f030c55ed4ab77ed8faf0981"
    );
}

#[test]
fn a_request_of_several_lines_counts_once() {
    let mut b = bench();
    let front = r#""level":30,"pid":1,"hostname":"h""#;
    let incoming = |id: &str, key: &str| {
        format!(
            r#"{{{front},"time":1777636800000,"reqId":"{id}","req":{{"method":"GET","url":"/","remoteAddress":"198.51.100.4","headers":{{"authorization":"Bearer {key}"}}}},"msg":"incoming request"}}"#
        )
    };
    let done = |id: &str| {
        format!(
            r#"{{{front},"time":1777636800009,"reqId":"{id}","res":{{"statusCode":401}},"responseTime":9,"msg":"request completed"}}"#
        )
    };
    let first = b.explain(&incoming("req-1", KEY));
    assert!(!first.counts && first.key.is_some());
    b.explain(&incoming("req-2", "-"));
    let last = b.explain(&done("req-1"));
    assert!(last.counts);
    assert_eq!((last.key, last.ip.as_deref()), (first.key, Some("198.51.100.4")));
    assert_eq!(b.explain(&done("req-2")).key, None);
    assert_eq!(b.explain(&done("req-1")).key, None, "a request ends once");
}

#[test]
fn proxies_are_believed_when_they_are_trusted() {
    let line = r#"{"remote_addr":"10.0.0.1","x_forwarded_for":"198.51.100.9, 203.0.113.7, 10.0.0.2","status":200}"#;
    assert_eq!(bench().explain(line).ip.as_deref(), Some("10.0.0.1"));
    assert!(bench().explain(line).notes.iter().any(|n| n.contains("trusted_proxies")));
    let reading = SourceReading { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..SourceReading::default() };
    let mut b = Bench::new(&EventConfig::default(), reading);
    assert_eq!(b.explain(line).ip.as_deref(), Some("203.0.113.7"), "the nearest address that is no proxy of ours");
    let direct = r#"{"remote_addr":"192.0.2.1","x_forwarded_for":"198.51.100.9","status":200}"#;
    assert_eq!(b.explain(direct).ip.as_deref(), Some("192.0.2.1"), "a stranger's header is not believed");
}

#[test]
fn one_line_of_configuration_sets_a_role_right() {
    let line = r#"{"a":{"caller":"198.51.100.4"},"ip":"10.0.0.1","status":200,"dur":3,"latency":3}"#;
    let config: EventConfig =
        toml::from_str("latency_unit = \"us\"\nidentity = [\"user\"]\n[roles]\nip = \"/a/caller\"\nlatency = \"/dur\"\nuser = \"/who\"").unwrap();
    let mut b = Bench::new(&config, SourceReading::default());
    let seen = says(&mut b, line, &[(Role::Ip, "/a/caller", "198.51.100.4"), (Role::Latency, "/dur", "3")]);
    assert!(seen.roles.iter().any(|r| r.why == "set in [event]" && r.unit.is_some_and(|u| u.name() == "us")));
    let line = r#"{"who":"amy","status":200}"#;
    assert_eq!(b.explain(line).key.as_deref(), Some("USER amy"));
}

#[test]
fn times_without_a_zone_need_the_sources_zone() {
    let line = r#"{"time":"2026-07-01 12:00:00","status":200}"#;
    assert!(bench().explain(line).time.starts_with(&NOW.rfc3339()));
    let reading = SourceReading { zone: Some("Europe/Berlin".parse().unwrap()), ..SourceReading::default() };
    let mut b = Bench::new(&EventConfig::default(), reading);
    assert!(b.explain(line).time.starts_with("2026-07-01T10:00:00.000Z"));
    let future = r#"{"time":"2031-01-01T00:00:00Z","status":200}"#;
    assert!(b.explain(future).time.contains("5 minutes ahead"));
}

#[test]
fn hostile_lines_are_read_without_harm() {
    let mut b = bench();
    let deep = format!("{}1{}", r#"{"a":["#.repeat(5_000), "]}".repeat(5_000));
    let many: String = (0..20_000).map(|i| format!("\"k{i}\":{i},")).collect();
    for line in [
        "",
        "{",
        "}",
        "{\"",
        "{\"status\":",
        "{\"status\":200",
        "[1,2",
        "\u{0}",
        "{\"a\":\"\\u\"}",
        &deep,
        &format!("{{{many}\"status\":200}}"),
        r#"{"status":99999999999999999999,"latency":-1e308,"time":-5,"ip":"999.1.1.1","method":{},"path":[]}"#,
        "=",
        "a=",
        "=b",
        "\"=\"=",
        "GET",
        "\"GET / HTTP/1.1\"",
    ] {
        b.explain(line);
    }
    let doubled = b.explain(r#"{"status":200,"status":500,"st\u0061tus":404}"#);
    assert_eq!(doubled.roles.iter().find(|r| r.role == Role::Status).unwrap().value, "404", "the last one counts");
}

fn told(explained: &Explanation) -> BTreeMap<&'static str, String> {
    explained.roles.iter().map(|r| (r.role.name(), r.value.clone())).collect()
}

#[test]
fn a_pack_of_ones_own_is_tried_first() {
    let pack = "[[schema]]\nid = \"acme\"\nwhen = [\"/acme\"]\nlatency_unit = \"us\"\n[schema.roles]\n\
                status = \"/r\"\nip = \"/from\"\nkey_id = \"/who\"\nlatency = \"/took\"\n[aliases]\nmodel = [\"brain\"]\n";
    let packs = [("acme.toml".to_owned(), pack.to_owned())];
    let roles = Roles::with_packs(&EventConfig::default(), &packs).unwrap();
    let redactor = Redactor::new(PseudonymKey::new(0, b"test"));
    let mut bench = Bench {
        worker: redactor.worker(),
        reader: Reader::new(&roles, SourceReading::default()).unwrap(),
        out: Redacted::default(),
    };
    let explained = bench.explain(
        "{\"acme\":1,\"time\":1777636800,\"r\":503,\"from\":\"192.0.2.9\",\"who\":\"k7\",\"took\":1500,\"brain\":\"small\"}",
    );
    assert_eq!(explained.schema.as_deref(), Some("acme"));
    let roles = told(&explained);
    assert_eq!((roles["status"].as_str(), roles["ip"].as_str(), roles["key_id"].as_str()), ("503", "192.0.2.9", "k7"));
    assert_eq!((roles["model"].as_str(), explained.key.as_deref()), ("small", Some("WHO k7")), "{explained:?}");
    let unit = explained.roles.iter().find(|r| r.role == Role::Latency).unwrap().unit;
    assert_eq!(unit.map(|u| u.name()), Some("us"));
    for bad in ["[[schema]]\nid = \"x\"\nwhen = []\n", "[[schemas]]\n", "[[schema]]\nid = \"x\"\nwhen = [\"no\"]\n"] {
        let packs = [("bad.toml".to_owned(), bad.to_owned())];
        let error = Roles::with_packs(&EventConfig::default(), &packs).err().unwrap().to_string();
        assert!(error.contains("bad.toml"), "{error}");
    }
}

#[test]
fn attributes_in_lists_and_lines_in_strings_are_read() {
    let mut bench = Bench::new(&EventConfig::default(), SourceReading::default());
    let otlp = "{\"timeUnixNano\":\"1777636800000000000\",\"attributes\":[{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}},\
                {\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"404\"}},{\"key\":\"client.address\",\"value\":{\"stringValue\":\"192.0.2.7\"}},\
                {\"key\":\"gen_ai.request.model\",\"value\":{\"stringValue\":\"small\"}}]}";
    let roles = told(&bench.explain(otlp)).into_iter().filter(|(name, _)| *name != "time").collect::<BTreeMap<_, _>>();
    let want = [("ip", "192.0.2.7"), ("method", "GET"), ("model", "small"), ("status", "404")];
    assert_eq!(roles, want.map(|(k, v)| (k, v.to_owned())).into());

    // A container's line around a service's, its key redacted before.
    let key = "sk-proj-EXAMPLE0kEyT3BlbkFJAbCdEfGhIjKlMnOpQrSt";
    let inner = format!(
        "{{\"time\":1777636800,\"client_ip\":\"192.0.2.8\",\"status\":401,\"authorization\":\"Bearer {key}\",\"path\":\"/a\\u00e4\",\"method\":\"GET\"}}\n"
    );
    let outer = serde_json::json!({"log": inner, "stream": "stdout"}).to_string();
    let explained = bench.explain(&outer);
    let roles = told(&explained);
    assert_eq!((roles["status"].as_str(), roles["ip"].as_str(), roles["method"].as_str()), ("401", "192.0.2.8", "GET"));
    assert_eq!(explained.key.as_ref().map(String::len), Some(14), "{explained:?}");
    assert!(
        !roles["key"].contains("sk-proj") && explained.notes.iter().any(|n| n.contains("in a string")),
        "{explained:?}"
    );
    // It is a use, not a leak: the credential stands where callers present it.
    let out = &mut bench.out;
    bench.worker.redact(format!("{outer}\n").as_bytes(), out);
    let event = bench.reader.read(out.lines().next().unwrap(), NOW).unwrap();
    assert!(event.secrets().count() == 1 && event.secrets().all(|s| s.presented));
    // The next line is an ordinary one again.
    assert_eq!(told(&bench.explain("{\"status\":200,\"ip\":\"192.0.2.1\"}"))["status"], "200");
}

#[test]
fn how_lines_are_read_is_told_once_for_each_format() {
    let mut bench = Bench::new(&EventConfig::default(), SourceReading::default());
    let line = "{\"time\":1777636800,\"client_ip\":\"192.0.2.8\",\"status\":200,\"duration_ms\":5}";
    bench.explain(line);
    let news = bench.reader.news().unwrap();
    assert!(news.contains("status /status") && news.contains("latency /duration_ms in ms"), "{news}");
    bench.explain(line);
    assert_eq!(bench.reader.news(), None);
}
