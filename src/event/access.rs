//! Access lines as text: nginx and Apache combined, uvicorn, load balancers, and the same inside a JSON message.

use std::ops::Range;

use super::value;

/// Where the pieces of an access line stand, as byte ranges of the text that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    /// HTTP method.
    pub method: Range<usize>,
    /// Path or URL.
    pub path: Range<usize>,
    /// Status; empty when there is none.
    pub status: Range<usize>,
    /// Client address, port and all; empty when there is none.
    pub ip: Range<usize>,
    /// Time in brackets or at the front; empty when there is none.
    pub time: Range<usize>,
    /// User of the common log format; empty when there is none.
    pub user: Range<usize>,
    /// Bytes sent, of the common log format; empty when there is none.
    pub bytes: Range<usize>,
    /// `Referer` of the combined log format; empty when there is none.
    pub referer: Range<usize>,
    /// `User-Agent` of the combined log format; empty when there is none.
    pub agent: Range<usize>,
}

/// How far into a text a request line is looked for.
const LOOK: usize = 1024;

/// Finds the pieces of an access line in `text[range]`; `None` when it holds no request line.
pub(super) fn find(text: &[u8], range: Range<usize>) -> Option<Access> {
    let (method, path, after) = request(text, &range)?;
    let mut found = Access { method: method.clone(), path, ..Access::default() };
    front(text, range.start..method.start, &mut found);
    let rest = text[after..range.end].iter().take_while(|b| matches!(b, b'"' | b'\\' | b' ' | b'-' | b'>')).count();
    let from = after + rest;
    let digits = text[from..range.end].iter().take_while(|b| b.is_ascii_digit()).count();
    if rest > 0 && value::status(&text[from..from + digits]).is_some() {
        found.status = from..from + digits;
        combined(text, from + digits..range.end, &mut found);
    } else {
        found.status = two_statuses(text, range.start..method.start);
    }
    Some(found)
}

/// What the combined log format has behind the status: ` 512 "https://referer/" "agent"`.
fn combined(text: &[u8], range: Range<usize>, found: &mut Access) {
    let Some(rest) = text[range.clone()].strip_prefix(b" ") else { return };
    let from = range.start + 1;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let dash = usize::from(digits == 0 && rest.first() == Some(&b'-'));
    found.bytes = from..from + digits;
    let mut at = digits + dash;
    for slot in [&mut found.referer, &mut found.agent] {
        let Some(quoted) = rest[at..].strip_prefix(b" \"") else { return };
        let Some(len) = memchr::memchr(b'"', quoted) else { return };
        let start = from + at + 2;
        *slot = if quoted[..len] == *b"-" { 0..0 } else { start..start + len };
        at += len + 3;
    }
}

/// The first of two statuses in a row: load balancers write theirs and the target's before the request line.
fn two_statuses(text: &[u8], range: Range<usize>) -> Range<usize> {
    let mut at = range.start;
    let mut before: Option<Range<usize>> = None;
    for word in text[range].split(|b| *b == b' ') {
        let here = at..at + word.len();
        at = here.end + 1;
        match (before.take(), value::status(word).is_some()) {
            (Some(first), true) => return first,
            (Some(first), false) if word == b"-" => return first,
            (_, true) => before = Some(here),
            _ => {}
        }
    }
    0..0
}

/// The time at the very front of a text line: in brackets, or in its first one to four words.
pub(super) fn leading_time(text: &[u8], range: Range<usize>) -> Range<usize> {
    let mut from = range.start;
    let bracket = text[range.clone()].first() == Some(&b'[');
    from += usize::from(bracket);
    let rest = &text[from..range.end.min(from + 48)];
    let stops = |b: &u8| if bracket { *b == b']' } else { matches!(b, b' ' | b',' | b'{') };
    let ends = rest.iter().enumerate().filter(|(_, b)| stops(b)).map(|(i, _)| i).chain([rest.len()]);
    let mut best = 0..0;
    for (n, end) in ends.enumerate() {
        if n >= 6 {
            break;
        }
        if super::time::is_time(&rest[..end]) {
            best = from..from + end;
        }
    }
    best
}

/// The quoted request line, else one at the very front: (method, path, byte behind it).
fn request(text: &[u8], range: &Range<usize>) -> Option<(Range<usize>, Range<usize>, usize)> {
    let end = range.end.min(range.start + LOOK);
    let quotes = memchr::memchr_iter(b'"', &text[range.start..end]).map(|i| range.start + i + 1);
    for start in std::iter::once(range.start).chain(quotes) {
        let rest = &text[start..range.end];
        // Most texts are none, and their first word says so.
        let verb = rest.iter().take(8).position(|b| *b == b' ');
        if !verb.is_some_and(|len| value::method(&rest[..len])) {
            continue;
        }
        // An escaped quote ends with its backslash; the target cannot hold one.
        let line = &rest[..memchr::memchr2(b'"', b'\n', rest).unwrap_or(rest.len())];
        let Some((verb, target)) = value::request_line(line) else { continue };
        let target_len = target.strip_suffix(b"\\").unwrap_or(target).len();
        let target_at = start + verb.len() + 1;
        if !(value::path(&text[target_at..target_at + target_len]) || target == b"*") {
            continue;
        }
        let mut after = target_at + target_len;
        if text[after..range.end].starts_with(b" HTTP/") {
            after += 1 + text[after + 1..range.end].iter().take_while(|b| !matches!(b, b'"' | b' ' | b'\\')).count();
        }
        return Some((start..start + verb.len(), target_at..target_at + target_len, after));
    }
    None
}

/// What stands before the request line: time, address, user.
fn front(text: &[u8], range: Range<usize>, found: &mut Access) {
    let mut at = range.start;
    let mut words = 0;
    while at < range.end {
        let rest = &text[at..range.end];
        if rest[0] == b' ' {
            at += 1;
        } else if rest[0] == b'[' {
            let len = memchr::memchr(b']', rest).unwrap_or(rest.len());
            let inside = at + 1..at + len;
            if found.time.is_empty() && super::time::is_time(&text[inside.clone()]) {
                found.time = inside;
            } else if found.ip.is_empty() && rest.contains(&b':') {
                // A bracketed address with its port.
                let len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
                if value::ip(&rest[..len]).is_some() {
                    found.ip = at..at + len;
                }
            }
            at += len.max(1);
        } else {
            let len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let word = &rest[..len];
            if found.ip.is_empty() && value::ip(word).is_some() {
                found.ip = at..at + len;
                words = 0;
            } else if found.time.is_empty() && super::time::is_time(word) {
                found.time = at..at + len;
            } else if !found.ip.is_empty() {
                words += 1;
                // `address identity user [time]`
                if words == 2 && found.time.is_empty() && !matches!(word, b"-" | b"\"" | b"\\\"") {
                    found.user = at..at + len;
                }
            }
            at += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Option<[&str; 6]> {
        let a = find(text.as_bytes(), 0..text.len())?;
        Some([a.method, a.path, a.status, a.ip, a.time, a.user].map(|r| &text[r]))
    }

    #[test]
    fn combined_lines() {
        let line =
            r#"203.0.113.7 - bob [01/May/2026:12:00:00 +0000] "POST /v1/x?a=b HTTP/1.1" 401 12 "-" "curl/8.9.1""#;
        assert_eq!(
            pieces(line),
            Some(["POST", "/v1/x?a=b", "401", "203.0.113.7", "01/May/2026:12:00:00 +0000", "bob"])
        );
    }

    #[test]
    fn uvicorn_plain_and_in_json() {
        let want = Some(["GET", "/health", "200", "10.0.0.3:51234", "", ""]);
        assert_eq!(pieces(r#"INFO:     10.0.0.3:51234 - "GET /health HTTP/1.1" 200 OK"#), want);
        assert_eq!(pieces(r#"10.0.0.3:51234 - \"GET /health HTTP/1.1\" 200"#), want);
        assert_eq!(pieces(r#"[2001:db8::5]:443 - "GET / HTTP/2" 204"#).unwrap()[3], "[2001:db8::5]:443");
    }

    #[test]
    fn load_balancers_write_the_status_first() {
        let line = r#"https 2026-05-01T12:00:00.186Z app/lb/49 192.0.2.11:44740 10.0.0.1:80 0.086 0.048 0.037 502 - 0 57 "GET https://h:443/a HTTP/1.1" "curl/7""#;
        assert_eq!(
            pieces(line),
            Some(["GET", "https://h:443/a", "502", "192.0.2.11:44740", "2026-05-01T12:00:00.186Z", ""])
        );
    }

    #[test]
    fn times_stand_in_front() {
        for (line, time) in [
            ("2026-05-01 12:00:00,357 WARN x", "2026-05-01 12:00:00,357"),
            ("2026-05-01T12:00:00Z stdout F {", "2026-05-01T12:00:00Z"),
            ("[2026-05-01 12:00:00] x", "2026-05-01 12:00:00"),
            ("May  1 12:00:00 host sshd[1]: x", "May  1 12:00:00"),
            ("2026-05-01 12:00:00 +0000 done", "2026-05-01 12:00:00 +0000"),
            ("no time here at all", ""),
            ("", ""),
        ] {
            assert_eq!(&line[leading_time(line.as_bytes(), 0..line.len())], time, "{line}");
        }
    }

    #[test]
    fn other_texts_are_left_alone() {
        for text in ["", "Started server process [4323]", "he said \"GET lost\"", "GET ", "\"", "GET"] {
            assert_eq!(pieces(text), None, "{text}");
        }
        assert_eq!(pieces("GET /v1/users 200 12ms").unwrap()[..3], ["GET", "/v1/users", "200"]);
    }
}
