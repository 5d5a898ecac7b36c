//! A walk over JSON that keeps nothing: each scalar is shown to a visitor with its place, then forgotten.
//!
//! Broken and truncated JSON is walked as far as it makes sense. Objects and arrays deeper than [`MAX_DEPTH`] are
//! passed over.

/// How deep objects and arrays are entered.
pub(super) const MAX_DEPTH: usize = 64;

/// Longest key that is looked at, in bytes; longer ones cannot be a role's.
const MAX_KEY: usize = 128;

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string; the span is the inside of its quotes.
    Str,
    /// A number.
    Num,
    /// `true`, `false`, `null` or anything else without quotes.
    Word,
}

/// One scalar and its place.
pub(super) struct Leaf<'w> {
    /// JSON pointer (RFC 6901).
    pub path: &'w [u8],
    /// The same in small letters and digits only, array positions left out, dots of keys as separators: `/req/url`.
    pub norm: &'w [u8],
    /// Where each component of `norm` starts (behind its slash).
    pub parts: &'w [u16],
    /// First byte of the value in the text walked.
    pub start: usize,
    /// Byte behind the value.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether a string holds a backslash.
    pub escaped: bool,
}

/// Receives the scalars in order of place.
pub(super) trait Visit {
    /// One scalar.
    fn leaf(&mut self, leaf: &Leaf<'_>);
}

#[derive(Clone, Copy)]
struct Frame {
    /// `None` for an object, else the position of the next element.
    index: Option<u32>,
    path: usize,
    norm: usize,
    parts: usize,
}

/// The walker's buffers, reused from line to line.
#[derive(Default)]
pub(super) struct Walker {
    path: Vec<u8>,
    norm: Vec<u8>,
    parts: Vec<u16>,
    stack: Vec<Frame>,
}

impl Walker {
    /// Walks the JSON value that starts at `at` and returns the byte behind it.
    pub(super) fn walk(&mut self, text: &[u8], at: usize, visit: &mut impl Visit) -> usize {
        self.path.clear();
        self.norm.clear();
        self.parts.clear();
        self.stack.clear();
        let mut at = at;
        let mut too_deep = 0usize;
        while let Some(&b) = text.get(at) {
            match b {
                b'{' | b'[' => {
                    if too_deep > 0 || self.stack.len() >= MAX_DEPTH {
                        too_deep += 1;
                    } else {
                        self.open(b == b'[');
                    }
                    at += 1;
                }
                b'}' | b']' => {
                    at += 1;
                    if too_deep > 0 {
                        too_deep -= 1;
                    } else {
                        self.stack.pop();
                    }
                    if self.stack.is_empty() {
                        return at;
                    }
                }
                b'"' => at = self.string(text, at + 1, too_deep > 0, visit),
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => at += 1,
                _ => at = self.bare(text, at, too_deep > 0, visit),
            }
        }
        at
    }

    fn open(&mut self, array: bool) {
        self.element();
        self.stack.push(Frame {
            index: array.then_some(0),
            path: self.path.len(),
            norm: self.norm.len(),
            parts: self.parts.len(),
        });
    }

    /// Writes the position of the next array element into the path.
    fn element(&mut self) {
        let Some(top) = self.stack.last_mut() else { return };
        let Some(index) = top.index.as_mut() else { return };
        self.path.truncate(top.path);
        self.path.push(b'/');
        let mut digits = [0u8; 10];
        let mut n = *index;
        let mut from = digits.len();
        loop {
            from -= 1;
            digits[from] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        self.path.extend_from_slice(&digits[from..]);
        *index += 1;
        self.norm.truncate(top.norm);
        self.parts.truncate(top.parts);
    }

    /// A string at `at` (behind its quote): a key when a colon follows in an object, else a value.
    fn string(&mut self, text: &[u8], at: usize, skip: bool, visit: &mut impl Visit) -> usize {
        let (end, escaped) = string_end(text, at);
        let mut next = (end + 1).min(text.len());
        if skip {
            return next;
        }
        if self.stack.last().is_some_and(|f| f.index.is_none()) {
            while text.get(next).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                next += 1;
            }
            if text.get(next) == Some(&b':') {
                self.key(&text[at..end], escaped);
                return next + 1;
            }
        }
        self.show(at, end, Kind::Str, escaped, visit);
        next
    }

    fn bare(&mut self, text: &[u8], at: usize, skip: bool, visit: &mut impl Visit) -> usize {
        let len = text[at..]
            .iter()
            .position(|b| matches!(b, b',' | b'}' | b']' | b'{' | b'[' | b'"' | b':' | b' ' | b'\t' | b'\r' | b'\n'))
            .unwrap_or(text.len() - at)
            .max(1);
        if !skip {
            let kind = if matches!(text[at], b'0'..=b'9' | b'-') { Kind::Num } else { Kind::Word };
            self.show(at, at + len, kind, false, visit);
        }
        at + len
    }

    fn show(&mut self, start: usize, end: usize, kind: Kind, escaped: bool, visit: &mut impl Visit) {
        self.element();
        visit.leaf(&Leaf { path: &self.path, norm: &self.norm, parts: &self.parts, start, end, kind, escaped });
    }

    fn key(&mut self, raw: &[u8], escaped: bool) {
        let Some(top) = self.stack.last() else { return };
        self.path.truncate(top.path);
        self.norm.truncate(top.norm);
        self.parts.truncate(top.parts);
        self.path.push(b'/');
        let mut part = false;
        for b in super::text::Text::json(raw, escaped).bytes().take(MAX_KEY) {
            match b {
                b'~' => self.path.extend_from_slice(b"~0"),
                b'/' => self.path.extend_from_slice(b"~1"),
                _ => self.path.push(b),
            }
            push_norm(&mut self.norm, &mut self.parts, &mut part, b);
        }
    }
}

/// Adds one byte of a key to its normal form.
fn push_norm(norm: &mut Vec<u8>, parts: &mut Vec<u16>, part: &mut bool, b: u8) {
    if b.is_ascii_alphanumeric() || b >= 0x80 {
        if !*part {
            norm.push(b'/');
            parts.push(u16::try_from(norm.len()).unwrap_or(u16::MAX));
            *part = true;
        }
        norm.push(b.to_ascii_lowercase());
    } else if matches!(b, b'.' | b'/' | b':') {
        *part = false;
    }
}

/// The normal form of a name in a schema pack or of a `key=` in a text line, without its first slash.
pub(super) fn norm_name(name: &[u8], norm: &mut Vec<u8>, parts: &mut Vec<u16>) {
    norm.clear();
    parts.clear();
    let mut part = false;
    for &b in name.iter().take(MAX_KEY) {
        push_norm(norm, parts, &mut part, b);
    }
}

/// The place of the closing quote of the string that starts at `at`, and whether a backslash stands before it.
fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    let mut from = at;
    let mut escaped = false;
    while let Some(i) = memchr::memchr2(b'"', b'\\', &text[from.min(text.len())..]) {
        let i = from + i;
        if text[i] == b'"' {
            return (i, escaped);
        }
        escaped = true;
        from = i + 2;
    }
    (text.len(), escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(String, String, String)>);

    struct On<'a>(&'a [u8], &'a mut Seen);

    impl Visit for On<'_> {
        fn leaf(&mut self, leaf: &Leaf<'_>) {
            let s = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            self.1.0.push((s(leaf.path), s(leaf.norm), s(&self.0[leaf.start..leaf.end])));
            for &p in leaf.parts {
                assert_eq!(leaf.norm[usize::from(p) - 1], b'/');
            }
        }
    }

    fn walk(text: &str) -> Vec<(String, String, String)> {
        let mut seen = Seen::default();
        Walker::default().walk(text.as_bytes(), 0, &mut On(text.as_bytes(), &mut seen));
        seen.0
    }

    fn row(a: &str, b: &str, c: &str) -> (String, String, String) {
        (a.to_owned(), b.to_owned(), c.to_owned())
    }

    #[test]
    fn every_scalar_is_shown_with_its_place() {
        let text = r#"{"a":1,"Req":{"URL":"/x\"y","headers":{"X-Api-Key":["k","l"]}},"b.c-d":true,"e/f":null,"g":[{"h":2},[3]]}"#;
        assert_eq!(
            walk(text),
            [
                row("/a", "/a", "1"),
                row("/Req/URL", "/req/url", r#"/x\"y"#),
                row("/Req/headers/X-Api-Key/0", "/req/headers/xapikey", "k"),
                row("/Req/headers/X-Api-Key/1", "/req/headers/xapikey", "l"),
                row("/b.c-d", "/b/cd", "true"),
                row("/e~1f", "/e/f", "null"),
                row("/g/0/h", "/g/h", "2"),
                row("/g/1/0", "/g", "3"),
            ]
        );
    }

    #[test]
    fn escaped_and_repeated_keys_are_read() {
        assert_eq!(
            walk(r#"{"st\u0061tus":1,"status":2}"#),
            [row("/status", "/status", "1"), row("/status", "/status", "2")]
        );
    }

    #[test]
    fn truncated_and_broken_json_is_walked_as_far_as_it_goes() {
        assert_eq!(walk(r#"{"a":"b","c":"trunc"#), [row("/a", "/a", "b"), row("/c", "/c", "trunc")]);
        assert_eq!(walk(r#"{"a":,"b":1}}}{"#).len(), 1);
        for text in ["", "{", "}", "[", "\"", "{\"", "{\"a", "{\"a\":", "nul", ":::", "\\", "{\"a\\"] {
            walk(text);
        }
    }

    #[test]
    fn depth_is_bounded_and_what_follows_is_still_seen() {
        let deep = 100_000;
        let text = format!("{{\"a\":{}1{},\"status\":200}}", "[".repeat(deep), "]".repeat(deep));
        assert_eq!(walk(&text), [row("/status", "/status", "200")]);
    }
}
