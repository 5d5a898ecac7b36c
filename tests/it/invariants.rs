//! The invariants of redaction, as properties over generated lines.

use logwarden::redact::{PseudonymKey, Redacted, Redactor};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::sync::LazyLock;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(PseudonymKey::new(1, b"a secret of the tests")));

const NAMES: [&str; 26] = [
    "password",
    "user_password",
    "apiKey",
    "X-Api-Key",
    "token",
    "access_token",
    "authorization",
    "cookie",
    "pin",
    "secret",
    "email",
    "phone",
    "card_number",
    "ssn",
    "name",
    "value",
    "key",
    "msg",
    "url",
    "status",
    "headers",
    "max_tokens",
    "p\u{e4}ss",
    "pass\"word",
    "a\\b",
    "",
];

const PIECES: [&str; 55] = [
    "hunter2!Correct",
    "jane.doe@example.com",
    "+1 415 555 0132",
    "4111 1111 1111 1111",
    "4111111111111111",
    "219-09-9999",
    "Bearer abcDEF123456ghiJKL789",
    "Basic Y2xpZW50LTc6czNjcjN0LUVYQU1QTEU=",
    "password=",
    "token: ",
    "api_key=a1b2c3d4e5f6g7h8",
    "postgres://user:pa55w0rd@db:5432/x",
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIIEowIBAAKCAQEA",
    "-----END RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl",
    "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8",
    "sk-proj-",
    "[PASSWORD]",
    "[API_KEY:0123456789abcd]",
    "[",
    "]",
    ":",
    "=",
    "{",
    "}",
    "\"",
    "\\",
    "%40",
    "&quot;",
    "\\u0022",
    " ",
    ",",
    "'",
    "\t",
    "2026-05-01T12:00:00Z",
    "user=jane",
    "null",
    "12345",
    "\u{1f600}",
    "\u{1b}[33m",
    "\u{1b}(B",
    "contrase\u{f1}a=",
    "\u{5bc6}\u{7801}:",
    "u:p@tcp(",
    "a;Password=x y;b=",
    "={a;b}",
    "authorization: Digest x=\"",
    "\nMIIEowIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy",
    "set-cookie:[ 'a', '",
    "string(7) \"",
    "<password a=",
    "it's",
    "a:[b c] ",
    "${",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8).prop_map(|p| p.concat()),
        "[ -~]{0,40}",
        any::<String>(),
        "[A-Za-z0-9+/_.-]{10,60}",
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        (0f64..1e6).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner.clone()), 0..6).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
            }),
            // JSON inside a JSON string, as container runtimes write it.
            inner.prop_map(|v| Value::from(v.to_string())),
        ]
    })
}

fn redact(input: &[u8]) -> Redacted {
    let mut out = Redacted::default();
    REDACTOR.worker().redact(input, &mut out);
    out
}

/// Output is input with only the reported spans replaced.
fn only_spans_differ(input: &[u8], out: &Redacted) {
    let bytes = out.bytes();
    let (mut i, mut o) = (0usize, 0usize);
    for f in out.findings() {
        let kept = &input[i..f.raw_start as usize];
        assert_eq!(&bytes[o..o + kept.len()], kept);
        let lead = f.start as usize - (o + kept.len());
        assert!(lead <= 12, "a replaced scalar may gain a quote");
        assert!(!input[f.raw_start as usize..f.raw_end as usize].contains(&b'\n') || !bytes.contains(&b'\n'));
        i = f.raw_end as usize;
        o = f.end as usize + lead;
    }
    assert_eq!(&bytes[o..], &input[i..]);
}

fn check(input: &[u8]) {
    let out = redact(input);
    only_spans_differ(input, &out);
    let newlines = |b: &[u8]| b.iter().filter(|b| **b == b'\n').count();
    assert_eq!(newlines(input), newlines(out.bytes()), "one line in, one line out");
    let twice = redact(out.bytes());
    assert_eq!(
        String::from_utf8_lossy(out.bytes()),
        String::from_utf8_lossy(twice.bytes()),
        "redacting twice changes nothing; first input was {:?}",
        String::from_utf8_lossy(input)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_accepted(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let out = redact(&input);
        only_spans_differ(&input, &out);
    }

    #[test]
    fn text_lines_keep_the_invariants(lines in prop::collection::vec(text(), 1..5)) {
        check(lines.join("\n").as_bytes());
    }

    #[test]
    fn json_lines_stay_json(values in prop::collection::vec(json(), 1..4)) {
        let input: String = values.iter().map(|v| format!("{v}\n")).collect();
        check(input.as_bytes());
        let out = redact(input.as_bytes());
        for (line, before) in out.bytes().split(|b| *b == b'\n').zip(&values) {
            let after: Result<Value, _> = serde_json::from_slice(line);
            prop_assert!(after.is_ok(), "{before} became {}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn chunks_may_be_cut_at_any_line(lines in prop::collection::vec(prop_oneof![text(), json().prop_map(|v| v.to_string())], 1..6), cut in any::<prop::sample::Index>()) {
        let lines: Vec<String> = lines.iter().map(|l| format!("{}\n", l.replace('\n', " "))).collect();
        let whole = redact(lines.concat().as_bytes()).bytes().to_vec();
        let at = cut.index(lines.len());
        let mut worker = REDACTOR.worker();
        let mut parts = Vec::new();
        let mut out = Redacted::default();
        for part in [lines[..at].concat(), lines[at..].concat()] {
            worker.redact(part.as_bytes(), &mut out);
            parts.extend_from_slice(out.bytes());
        }
        prop_assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&parts));
    }

    #[test]
    fn a_strong_field_never_keeps_its_value(value in r#"[ac-zAC-Z0-9][A-Za-z0-9 !"\#&'()+,./:;=>?@_`|}~^\\-]{5,38}[a-z0-9]"#, wrap in 0usize..3) {
        let mut line = serde_json::json!({"msg": "x", "user_password": value, "n": 1}).to_string();
        for _ in 0..wrap {
            line = serde_json::json!({"log": line}).to_string();
        }
        let out = redact(line.as_bytes());
        let mut shown = String::from_utf8_lossy(out.bytes()).into_owned();
        for _ in 0..wrap {
            shown = serde_json::from_str::<Value>(&shown).unwrap()["log"].as_str().unwrap().to_owned();
        }
        let got: Value = serde_json::from_str(&shown).unwrap();
        let left = got["user_password"].as_str().unwrap();
        prop_assert!(left.trim().starts_with('['), "{left} of {value}");
    }
}
