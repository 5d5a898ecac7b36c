//! Where the value behind a name ends, and what kind of thing it is.

use super::bytes::{ALNUM, IDENT, before, byte, is, label_len, skip, skip_back, work};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Between quotes; the span is what stands between them.
    Quoted,
    /// A number or word in JSON: replacing it takes quotes.
    Scalar,
    /// A JSON object or array, brackets included.
    Tree,
    /// Without quotes, in text.
    Bare,
}

/// A value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
}

/// Finds the value behind the separator at `sep`. `json` says that the name before it stood in double quotes; `inside`
/// that the separator stands inside a JSON string, where the next double quote ends everything.
pub(super) fn after(text: &[u8], sep: usize, json: bool, inside: bool) -> Option<Value> {
    after_known(text, sep, json, inside, (0, 0))
}

/// The same, with the last value without quotes that was found: where the new one begins inside of it, its bytes are not
/// gone through again.
pub(super) fn after_known(text: &[u8], sep: usize, json: bool, inside: bool, known: (usize, usize)) -> Option<Value> {
    let text = if inside { &text[..skip_escaped(text, sep)] } else { text };
    let mut at = skip(text, sep, |b| matches!(b, b':' | b'=' | b'>' | b' ' | b'\t'));
    if at > sep + 12 {
        return None;
    }
    if byte(text, at) == b'|' && matches!(byte(text, at + 1), b'\n' | b'-') {
        // A YAML block: the value stands on the next line.
        at = skip(text, at + 1, |b| matches!(b, b'-' | b'\n' | b' ' | b'\t'));
    }
    at += opener(&text[at..]);
    match byte(text, at) {
        q @ (b'"' | b'\'' | b'`') => Some(quoted(text, at, q)),
        b'{' | b'[' if json => Some(Value { start: at, end: tree_end(text, at), form: Form::Tree }),
        b'[' if !json && label_len(&text[at..]).is_none() => {
            let first = skip(text, at + 1, |b| b == b' ');
            match byte(text, first) {
                q @ (b'"' | b'\'') => Some(quoted(text, first, q)),
                _ => Some(listed(text, sep, at).unwrap_or_else(|| bare(text, at, known))),
            }
        }
        b'{' if !json && text[sep] == b'=' => braced(text, at),
        _ if json => {
            let end =
                skip(text, at, |b| !matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\\'));
            (end > at).then_some(Value { start: at, end, form: Form::Scalar })
        }
        _ => {
            let value = bare(text, at, known);
            (value.end > at).then_some(value)
        }
    }
}

/// The value without quotes at `at`.
fn bare(text: &[u8], at: usize, known: (usize, usize)) -> Value {
    let from = if known.0 < at && at < known.1.min(text.len()) { known.1.min(text.len()) } else { at };
    // What stands for another value is one word, whatever its brackets are.
    let from = match text[at..] {
        [b'$', b'{', ..] if from == at => {
            let end = skip(text, at + 2, |b| is(b, IDENT));
            end + usize::from(byte(text, end) == b'}')
        }
        _ => from,
    };
    Value { start: at, end: bare_end(text, at, from), form: Form::Bare }
}

/// Longest value in brackets that is looked at, in bytes.
const BRACKETS: usize = 256;

/// What stands in the brackets at `at`, as Go prints lists in a map: `map[Authorization:[Bearer x] Host:[y]]`.
fn listed(text: &[u8], sep: usize, at: usize) -> Option<Value> {
    let start = at + 1;
    let near = &text[..text.len().min(start + BRACKETS)];
    let mut end = start;
    loop {
        end = skip(near, end, |b| !matches!(b, b']' | b'[' | b'\n' | b'"' | b'\\'));
        match label_len(&near[end..]) {
            Some(n) => end += n,
            None => break,
        }
    }
    (at == sep + 1 && text[sep] == b':' && end > start && byte(near, end) == b']').then_some(Value {
        start,
        end,
        form: Form::Quoted,
    })
}

/// What stands in the braces at `at`, as ODBC has it where a value holds what would end it: `PWD={a;b}`. Where a name
/// stands in them, it is a place to be filled.
fn braced(text: &[u8], at: usize) -> Option<Value> {
    let start = at + 1;
    let near = &text[..text.len().min(start + BRACKETS)];
    let mut end = start;
    loop {
        end = skip(near, end, |b| !matches!(b, b'}' | b'\n' | b'"' | b'\\'));
        if byte(near, end) != b'}' {
            return None;
        }
        if closes(text, end + 1) {
            break;
        }
        end += 1;
    }
    let name = text[start..end].iter().all(|b| is(*b, IDENT) && !b.is_ascii_digit());
    (!name && text[start] != b'{').then_some(Value { start, end, form: Form::Quoted })
}

/// The value `v` of the name at `name`, with the `=` at `sep`, as one of settings with `;` between them, where blanks do
/// not end a value: `Server=x;Password=a b;Encrypt=true`.
pub(super) fn in_settings(text: &[u8], name: usize, sep: usize, v: Value) -> Value {
    let opened = name >= 2 && text[sep] == b'=' && (text[name - 1] == b';' || text[name - 2..name] == *b"; ");
    if v.form != Form::Bare || !opened {
        return v;
    }
    let near = &text[..text.len().min(v.end + BRACKETS)];
    let end = skip(near, v.end, |b| !matches!(b, b';' | b'\n' | b'"' | b'\'' | b'\\'));
    let next = skip(near, skip(near, end + 1, |b| b == b' '), |b| is(b, IDENT) || b == b' ');
    if byte(near, end) == b';' && next > end + 1 && byte(near, next) == b'=' { Value { end, ..v } } else { v }
}

/// Where a header's value ends that begins at `start`: with its line, or where a quote closes what was opened before it.
/// Quotes behind `=` are those of its own parameters (RFC 9110, 11.2).
pub(super) fn header_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        at = skip(text, at, |b| !matches!(b, b'"' | b'\'' | b'\n' | b'\r' | b'\\' | b'`'));
        let close = if is_parameter(text, at) { closing(text, at + 1, b'"') } else { text.len() };
        if byte(text, close) != b'"' {
            return at;
        }
        at = close + 1;
    }
}

/// Whether the quote at `at` opens the value of a parameter: behind `=` and a name, not behind the padding of base64.
fn is_parameter(text: &[u8], at: usize) -> bool {
    let Some(equals) = at.checked_sub(1).filter(|e| text[*e] == b'=' && byte(text, at) == b'"') else { return false };
    let name = skip_back(text, equals, 24, |b| b.is_ascii_lowercase() || b == b'_');
    name < equals && matches!(before(text, name), b' ' | b',' | b'\t')
}

/// Position of the first double quote from `at` on that is not escaped.
fn skip_escaped(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

/// Length of what may stand before an opening quote: a string prefix (`b"`, `r"`, `@"`), `Some("`, `("`.
fn opener(text: &[u8]) -> usize {
    let quote = |n: usize| matches!(byte(text, n), b'"' | b'\'');
    match text {
        [b'b' | b'u' | b'r' | b'f' | b'@' | b'(' | b'$', ..] if quote(1) => 1,
        _ if text.starts_with(b"Some(") && quote(5) => 5,
        // PHP's `var_dump()`.
        _ if text.starts_with(b"string(") => {
            let end = skip(text, 7, |b| b.is_ascii_digit());
            if text[end..].starts_with(b") ") && quote(end + 2) { end + 2 } else { 0 }
        }
        _ => 0,
    }
}

/// The text between the quote at `at` and its partner, or the end of the line when there is none.
pub(super) fn quoted(text: &[u8], at: usize, quote: u8) -> Value {
    let mut start = at + 1;
    if byte(text, start) == quote && byte(text, start + 1) == quote {
        // Three quotes in a row open a long string.
        start += 2;
    }
    Value { start, end: closing(text, start, quote), form: Form::Quoted }
}

/// End of the JSON object or array that opens at `at`, or of the line when it does not close.
pub(super) fn tree_end(text: &[u8], at: usize) -> usize {
    let mut depth = 0usize;
    let mut i = at;
    while i < text.len() {
        match text[i] {
            b'"' => i = quoted_end(text, i),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    work(i - at);
                    return i + 1;
                }
            }
            b'\n' => break,
            _ => {}
        }
        i += 1;
    }
    work(i - at);
    i.min(text.len())
}

/// How far a quote is looked for byte by byte.
const NEAR: usize = 16;

/// Position of the double quote that closes the one at `at`, or of the end of the line.
pub(super) fn quoted_end(text: &[u8], at: usize) -> usize {
    closing(text, at + 1, b'"')
}

/// Position of the first `quote` from `at` on that is not escaped, or of the end of the line.
#[inline]
fn closing(text: &[u8], at: usize, quote: u8) -> usize {
    let mut i = at;
    // Most strings are short: a few bytes one by one cost less than to set out for a long way.
    let near = text.len().min(i + NEAR);
    while i < near {
        let b = text[i];
        if b == quote || b == b'\n' {
            work(i - at);
            return i;
        }
        i += if b == b'\\' { 2 } else { 1 };
    }
    work(i - at);
    while let Some(n) = memchr::memchr3(quote, b'\\', b'\n', &text[i.min(text.len())..]) {
        i += n;
        work(n);
        match text[i] {
            b'\\' => i += 2,
            _ => return i,
        }
    }
    work(text.len() - at);
    text.len()
}

/// End of a value without quotes that begins at `at`; nothing before `from` ends it.
fn bare_end(text: &[u8], at: usize, from: usize) -> usize {
    let mut end = from;
    while end < text.len() {
        match text[end] {
            // An apostrophe, and no quote.
            b'\'' if end > at && is(text[end - 1], ALNUM) && is(byte(text, end + 1), ALNUM) => end += 1,
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'{' | b'\0' => break,
            b'&' | b'#' if end == at || names_follow(text, end + 1) => break,
            b',' | b';' | b'|' if names_follow(text, end + 1) || closes(text, end + 1) => break,
            b')' | b'}' | b']' if closes(text, end + 1) && label_len(&text[at..]).is_none() => break,
            b'[' if end > at && label_len(&text[end..]).is_some() => break,
            b'[' => match label_len(&text[end..]) {
                Some(n) => return end + n,
                None => end += 1,
            },
            _ => end += 1,
        }
    }
    work(end - from);
    // A full stop that ends a sentence is not part of a value.
    if end > at + 1 && text[end - 1] == b'.' && closes(text, end) { end - 1 } else { end }
}

/// Whether a name and a separator, or nothing more, follow.
fn names_follow(text: &[u8], at: usize) -> bool {
    let end = skip(text, at, |b| is(b, IDENT));
    (end > at && end - at < 64 && matches!(byte(text, end), b'=' | b':')) || (end == at && closes(text, at))
}

/// Whether the text ends or pauses here.
fn closes(text: &[u8], at: usize) -> bool {
    matches!(
        byte(text, at),
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b'"'
            | b'\''
            | b','
            | b';'
            | b')'
            | b']'
            | b'}'
            | b'\\'
            | b'.'
            | b'<'
            | b'>'
            | b'|'
            | b'`'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, json: bool) -> Option<&str> {
        let sep = text.find([':', '=']).unwrap();
        after(text.as_bytes(), sep, json, false).map(|v| &text[v.start..v.end])
    }

    #[test]
    fn values_in_text() {
        for (text, want) in [
            ("password=hunter2&x=1", "hunter2"),
            ("password=a&b!c d", "a&b!c"),
            ("password: hunter2, user: x", "hunter2"),
            ("password=p,w;x", "p,w;x"),
            ("password => 'it\\'s' ", "it\\'s"),
            ("password := `abc`", "abc"),
            ("(password=abc)", "abc"),
            ("password=abc.", "abc"),
            ("password=[PASSWORD]xyz", "[PASSWORD]"),
            ("password: Some(\"abc\")", "abc"),
            ("password: b'abc'", "abc"),
            ("password: |\n  abc\n", "abc"),
        ] {
            assert_eq!(value(text, false), Some(want), "{text}");
        }
        assert_eq!(value("password= ", false), None);
    }

    #[test]
    fn values_in_json() {
        assert_eq!(value(r#"pin: 1234,"b":1"#, true), Some("1234"));
        assert_eq!(value(r#"pin:{"a":["]"]},"b":1"#, true), Some(r#"{"a":["]"]}"#));
        assert_eq!(value(r#"pin: "a\"b","c":1"#, true), Some(r#"a\"b"#));
        assert_eq!(value(r#"pin: "cut off"#, true), Some("cut off"));
    }
}
