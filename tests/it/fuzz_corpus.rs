//! The fuzz targets' checks, over the inputs that are committed and over longer hostile ones made here. That the work on
//! such lines grows no faster than they do is counted beside the code, in `src/redact/linear.rs`.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use logwarden::redact::{PseudonymKey, Redactor};

use crate::support::root;

#[path = "../data/fuzz/checks.rs"]
mod checks;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(PseudonymKey::new(1, b"fuzz")));

/// Depth of nesting.
const DEEP: usize = 1000;

fn inputs(folder: &str) -> Vec<PathBuf> {
    let dir = root().join("tests/data/fuzz").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn hold(name: &str, input: &[u8]) {
    if let Err(broken) = checks::lines(&REDACTOR, input) {
        panic!("{name}: {broken}");
    }
}

fn redacted(input: &[u8]) -> Vec<u8> {
    REDACTOR.worker().redact_line(input)
}

#[test]
fn committed_lines_hold() {
    let paths = inputs("lines");
    assert!(paths.len() >= 12, "only {} inputs", paths.len());
    for path in paths {
        hold(&path.display().to_string(), &fs::read(&path).unwrap());
    }
}

#[test]
fn committed_packs_hold() {
    let paths = inputs("packs");
    assert!(paths.len() >= 5, "only {} inputs", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        if let Err(broken) = checks::pack(&text) {
            panic!("{}: {broken}", path.display());
        }
        let good = path.file_name().unwrap().to_str().unwrap().starts_with("good");
        assert_eq!(logwarden::rules::load_pack("p", &text).is_ok(), good, "{}", path.display());
    }
}

#[test]
fn deep_nesting_comes_to_an_end() {
    for (open, close) in
        [("{\"password\":", "}"), ("[", "]"), ("{\"a\":[", "]}"), ("{\"name\":\"password\",\"value\":", "}")]
    {
        let depth = DEEP;
        hold(&format!("{open} without an end"), open.repeat(DEEP).as_bytes());
        hold(open, format!("{}1{}", open.repeat(depth), close.repeat(depth)).as_bytes());
    }
    let kept = redacted(format!("{}\"hunter2\"{}", "{\"password\":".repeat(1000), "}".repeat(1000)).as_bytes());
    assert!(!kept.windows(7).any(|w| w == b"hunter2"), "{}", String::from_utf8_lossy(&kept[..200.min(kept.len())]));
}

#[test]
fn a_hundred_thousand_keys_come_to_an_end() {
    let same = "\"password\":\"hunter2\",".repeat(100_000);
    let line = format!("{{{}\"end\":1}}", same);
    hold("the same key", line.as_bytes());
    assert!(!redacted(line.as_bytes()).windows(7).any(|w| w == b"hunter2"));
    let many: String = (0..100_000).map(|n| format!("\"k{n}\":\"v{n}\",")).collect();
    hold("keys of their own", format!("{{{many}\"end\":1}}").as_bytes());
}

#[test]
fn runs_of_one_piece_come_to_an_end() {
    let pieces = [
        "@",
        "a@",
        "a@b.c ",
        "4",
        "4111 ",
        "\"",
        "\\",
        "\\\\\"",
        "\\u0022",
        "eyJ",
        "eyJhbGciOiJ",
        "sk-",
        "ghp_",
        "AKIA",
        "xoxb-",
        "password=",
        "password: ",
        "token ",
        "Bearer ",
        "://",
        "://u:p@",
        "%",
        "%25",
        "&quot;",
        "=",
        "{",
        "[",
        "}",
        "\0",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ",
        "[PASSWORD]",
        "[1, 2, ",
        "+1 415 555 ",
        "\u{1f600}",
        "\n",
    ];
    for piece in pieces {
        hold(piece, piece.repeat(8_000 / piece.len()).as_bytes());
        let text = piece.repeat(4_000 / piece.len()).replace('\n', " ");
        hold(piece, serde_json::json!({"msg": text, "password": piece}).to_string().as_bytes());
    }
}

#[test]
fn an_escaped_key_is_a_key() {
    let got = redacted(br#"{"\u0070assword":"hunter2","pass\u0077ord":"hunter2","n":1}"#);
    assert_eq!(String::from_utf8_lossy(&got), r#"{"\u0070assword":"[PASSWORD]","pass\u0077ord":"[PASSWORD]","n":1}"#);
}

#[test]
fn a_megabyte_of_one_thing_comes_to_an_end() {
    for piece in ["@", "4", "\"", "\\", "eyJ", "sk-", "[", "{\"password\":", "password=", "a@", "%25", "\\u0022"] {
        hold(piece, (piece.repeat((1 << 20) / piece.len()) + "\n").as_bytes());
    }
}
