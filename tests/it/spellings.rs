//! Finding a value in a text however it is spelled there.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How many layers of encoding are peeled off.
const LAYERS: usize = 4;

/// Every reading of `text`: as it stands, and with JSON, `\xNN`, percent and HTML escapes, base64 and byte arrays
/// decoded, also one inside the other.
pub fn readings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::from([text.to_vec()]);
    let mut fresh = vec![text.to_vec()];
    for _ in 0..LAYERS {
        let mut next = Vec::new();
        for text in &fresh {
            for decode in [backslashes, percent, html, base64_runs, byte_arrays] {
                let read = decode(text);
                if !read.is_empty() && seen.insert(read.clone()) {
                    next.push(read);
                }
            }
        }
        fresh = next;
    }
    seen.into_iter().collect()
}

/// Whether `value` can be read in any of `readings`.
pub fn holds(readings: &[Vec<u8>], value: &str) -> bool {
    readings.iter().any(|text| memchr::memmem::find(text, value.as_bytes()).is_some())
}

fn hex(bytes: Option<&[u8]>) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(bytes?).ok()?, 16).ok()
}

fn backslashes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        let (read, len) = match (text[i], text.get(i + 1)) {
            (b'\\', Some(b'u')) => (hex(text.get(i + 2..i + 6)).and_then(char::from_u32), 6),
            (b'\\', Some(b'x')) => (hex(text.get(i + 2..i + 4)).and_then(char::from_u32), 4),
            (b'\\', Some(b'n')) => (Some('\n'), 2),
            (b'\\', Some(c @ (b'"' | b'\\' | b'/'))) => (Some(char::from(*c)), 2),
            _ => (None, 1),
        };
        match read {
            Some(c) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                i += len;
            }
            None => {
                out.push(text[i]);
                i += 1;
            }
        }
    }
    out
}

fn percent(text: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(text).collect()
}

fn html(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let plain = [("&amp;", "&"), ("&quot;", "\""), ("&#39;", "'"), ("&#34;", "\""), ("&lt;", "<"), ("&gt;", ">")];
    plain.iter().fold(text.into_owned(), |text, (from, to)| text.replace(from, to)).into_bytes()
}

/// Everything that decodes from base64, one after the other.
fn base64_runs(text: &[u8]) -> Vec<u8> {
    let alphabet = |c: &u8| c.is_ascii_alphanumeric() || b"+/-_".contains(c);
    let mut out = Vec::new();
    for run in text.split(|c| !alphabet(c)).filter(|run| run.len() >= 8) {
        // The run may begin with something else, such as a slash of the text around.
        for skip in 0..4 {
            let run = &run[skip..];
            let whole = &run[..run.len() - usize::from(run.len() % 4 == 1)];
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                if let Ok(bytes) = engine.decode(whole) {
                    out.extend_from_slice(&bytes);
                    out.push(b'\n');
                }
            }
        }
    }
    out
}

/// `[104, 105]` is `hi`.
fn byte_arrays(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut out = Vec::new();
    for list in text.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
        let bytes: Option<Vec<u8>> = list.split(',').map(|n| n.trim().parse().ok()).collect();
        out.extend(bytes.unwrap_or_default());
        out.push(b'\n');
    }
    out
}

#[test]
fn every_spelling_is_found() {
    let value = "s3cr3t/EXAMPLE+x y";
    let json = |s: &str| serde_json::to_string(s).unwrap();
    let b64 = STANDARD_NO_PAD.encode(format!("user:{value}"));
    let spelled = [
        value.to_owned(),
        value.replace('/', "\\/"),
        json(&json(&json(value))),
        value.bytes().map(|b| format!("\\x{b:02x}")).collect(),
        value.chars().map(|c| format!("\\u{:04X}", c as u32)).collect(),
        value.bytes().map(|b| format!("%{b:02X}")).collect(),
        format!("%25{:02X}", b's').replace("%2573", "%2573") + &value[1..],
        format!("Basic {b64}, and more"),
        json(&format!("{{\"body\":\"{b64}\"}}")),
        format!("{{\"MESSAGE\":{:?}}}", value.as_bytes()),
        URL_SAFE_NO_PAD.encode(STANDARD_NO_PAD.encode(value)),
    ];
    for text in spelled {
        assert!(holds(&readings(text.as_bytes()), value), "{text}");
    }
    assert!(!holds(&readings(b"{\"password\":\"[PASSWORD]\"}"), value));
}
