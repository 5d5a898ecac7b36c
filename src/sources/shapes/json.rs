//! Small pieces of JSON.

use serde_json::value::RawValue;

use super::error::{DEPTH, ShapeError};

/// Checks that a body is an object and not nested too deeply. (Read as a record, an array would pass for an empty one.)
pub(super) fn shallow_object(text: &[u8]) -> Result<(), ShapeError> {
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(ShapeError::Json { line: 1, column: 1 });
    }
    shallow(text)
}

/// Checks that no value is nested more than [`DEPTH`] deep, in one pass and without a stack.
pub(super) fn shallow(text: &[u8]) -> Result<(), ShapeError> {
    let (mut depth, mut quoted, mut at) = (0usize, false, 0);
    while at < text.len() {
        match text[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                if depth > DEPTH {
                    return Err(ShapeError::Deep(DEPTH));
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Writes a string with its quotes.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // a vector takes everything
    let _infallible = serde_json::to_writer(out, text);
}

/// `,"name":` or, behind an opening brace, `"name":`.
pub(super) fn member(out: &mut Vec<u8>, name: &str) {
    if !out.ends_with(b"{") {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

/// The text without its blanks when it is a JSON object that can stand in a line of ours.
pub(super) fn object(text: &str) -> Option<&str> {
    let text = text.trim_ascii();
    if !text.starts_with('{') || !text.ends_with('}') || shallow(text.as_bytes()).is_err() {
        return None;
    }
    serde_json::from_str::<&RawValue>(text).is_ok().then_some(text)
}

/// Opens `object` for one more member: everything but its last brace.
pub(super) fn reopen(out: &mut Vec<u8>, object: &str) {
    out.extend_from_slice(object[..object.len() - 1].trim_ascii_end().as_bytes());
}

/// Nanoseconds since 1970 as RFC 3339.
pub(super) fn time(out: &mut Vec<u8>, nanos: u64) {
    let time = chrono::DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    string(out, &time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(shallow(nested(DEPTH).as_bytes()).is_ok());
        assert_eq!(shallow(nested(DEPTH + 1).as_bytes()), Err(ShapeError::Deep(DEPTH)));
        assert_eq!(shallow("[".repeat(1_000_000).as_bytes()), Err(ShapeError::Deep(DEPTH)));
        let quoted = format!("\"\\\"{}\"", "[".repeat(1000));
        assert!(shallow(quoted.as_bytes()).is_ok());
        assert!(shallow(b"]]]]\"").is_ok());
    }

    #[test]
    fn only_objects_are_objects() {
        assert_eq!(object(" {\"a\": [1,\n2]} \n"), Some("{\"a\": [1,\n2]}"));
        for not in ["", "{", "}", "{}x", "[1]", "{\"a\":}", "{a:1}", "text {}"] {
            assert_eq!(object(not), None, "{not}");
        }
    }
}
