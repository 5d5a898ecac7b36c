//! Other spellings of the same text: JSON escapes, percent encoding, HTML entities, base64, byte arrays.
//!
//! A decoded text comes with a map back to the bytes it was written as, so that a match in it can be cut out of the
//! original without touching anything else.

use super::bytes::{TEXTUAL, byte, is, skip, work};

/// A decoded text and where each piece of it was written.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: Vec<u8>,
    /// (place in the decoded text, place in the original, whether an escape begins here), in order.
    map: Vec<(u32, u32, bool)>,
    /// Length of the original.
    source: u32,
}

impl View {
    fn clear(&mut self) {
        self.text.clear();
        self.map.clear();
        self.map.push((0, 0, false));
        self.source = 0;
    }

    /// The original place of the decoded span `start..end`, widened to whole escapes.
    pub(super) fn original(&self, start: u32, end: u32) -> (u32, u32) {
        let (at, _) = self.place(start);
        if end <= start {
            return (at, at);
        }
        (at, self.place(end - 1).1)
    }

    /// First byte and end of the original spelling of the decoded byte at `at`.
    fn place(&self, at: u32) -> (u32, u32) {
        let i = self.map.partition_point(|(out, ..)| *out <= at).saturating_sub(1);
        let (out, source, escape) = self.map[i];
        if escape {
            let end = self.map.get(i + 1).map_or(self.source, |(_, s, _)| *s);
            (source, end)
        } else {
            (source + (at - out), source + (at - out) + 1)
        }
    }

    /// Appends the decoded form of the original bytes `from..to`.
    fn escape(&mut self, from: usize, to: usize, decoded: &[u8]) {
        self.map.push((self.text.len() as u32, from as u32, true));
        self.text.extend_from_slice(decoded);
        self.map.push((self.text.len() as u32, to as u32, false));
    }
}

/// Undoes one level of JSON escapes, percent encoding and HTML entities of `source` into `view`. False when nothing
/// was encoded.
pub(super) fn unescape(source: &[u8], view: &mut View) -> bool {
    work(source.len());
    view.clear();
    view.source = source.len() as u32;
    let mut found = false;
    let mut at = 0;
    while let Some(n) = memchr::memchr3(b'\\', b'%', b'&', &source[at..]) {
        view.text.extend_from_slice(&source[at..at + n]);
        at += n;
        let mut utf8 = [0u8; 4];
        let (len, decoded): (usize, &[u8]) = match source[at] {
            b'\\' => backslash(&source[at..], &mut utf8),
            b'%' => percent(&source[at..], &mut utf8),
            _ => entity(&source[at..], &mut utf8),
        };
        if len == 0 {
            view.text.push(source[at]);
            at += 1;
        } else {
            found = true;
            view.escape(at, at + len, decoded);
            at += len;
        }
    }
    view.text.extend_from_slice(&source[at..]);
    found
}

/// The escape at the start of `s` (a backslash): its length, 0 when it is none, and what it stands for.
fn backslash<'b>(s: &[u8], utf8: &'b mut [u8; 4]) -> (usize, &'b [u8]) {
    let simple = match byte(s, 1) {
        c @ (b'"' | b'\\' | b'/' | b'\'') => c,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' | b'f' => b' ',
        b'x' => {
            return match hex(s, 2, 2) {
                Some(v) => {
                    utf8[0] = v as u8;
                    (4, &utf8[..1])
                }
                None => (0, &[]),
            };
        }
        b'u' => {
            let Some(unit) = hex(s, 2, 4) else { return (0, &[]) };
            let pair = (0xd800..0xdc00).contains(&unit) && s.get(6..8) == Some(br"\u");
            let low = if pair { hex(s, 8, 4) } else { None };
            let (code, len) = match low {
                Some(low) if (0xdc00..0xe000).contains(&low) => {
                    (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12)
                }
                _ => (unit, 6),
            };
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            return (len, c.encode_utf8(utf8).as_bytes());
        }
        _ => return (0, &[]),
    };
    utf8[0] = simple;
    (2, &utf8[..1])
}

fn percent<'b>(s: &[u8], utf8: &'b mut [u8; 4]) -> (usize, &'b [u8]) {
    match hex(s, 1, 2) {
        Some(v) => {
            utf8[0] = v as u8;
            (3, &utf8[..1])
        }
        None => (0, &[]),
    }
}

fn entity<'b>(s: &[u8], utf8: &'b mut [u8; 4]) -> (usize, &'b [u8]) {
    const NAMED: [(&[u8], u8); 5] =
        [(b"&quot;", b'"'), (b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&apos;", b'\'')];
    if let Some((name, c)) = NAMED.iter().find(|(name, _)| s.starts_with(name)) {
        utf8[0] = *c;
        return (name.len(), &utf8[..1]);
    }
    if byte(s, 1) != b'#' {
        return (0, &[]);
    }
    let radix = if matches!(byte(s, 2), b'x' | b'X') { 16 } else { 10 };
    let from = if radix == 16 { 3 } else { 2 };
    let end = skip(s, from, |b| b.is_ascii_hexdigit());
    let digits = s.get(from..end).and_then(|d| std::str::from_utf8(d).ok()).filter(|d| d.len() <= 6);
    match digits.and_then(|d| u32::from_str_radix(d, radix).ok()).and_then(char::from_u32) {
        Some(c) if byte(s, end) == b';' => (end + 1, c.encode_utf8(utf8).as_bytes()),
        _ => (0, &[]),
    }
}

fn hex(s: &[u8], from: usize, len: usize) -> Option<u32> {
    s.get(from..from + len)?.iter().try_fold(0, |v, b| Some(v << 4 | char::from(*b).to_digit(16)?))
}

/// Whether an escape begins at `at`, which holds one of `\`, `%` and `&`.
pub(super) fn is_escape(text: &[u8], at: usize) -> bool {
    match text[at] {
        b'\\' => true,
        b'%' => hex(&text[at..], 1, 2).is_some(),
        _ => matches!(byte(text, at + 1), b'#' | b'q' | b'a' | b'l' | b'g') && entity(&text[at..], &mut [0; 4]).0 > 0,
    }
}

/// Whether base64 that begins as `token` does can decode to text: its first six bytes are printable, or line breaks.
pub(super) fn may_be_text(token: &[u8]) -> bool {
    let Some(head) = token.first_chunk::<8>() else { return false };
    if !is(head[0], TEXTUAL) {
        return false;
    }
    let bits = head.iter().fold(0u64, |bits, b| bits << 6 | u64::from(SIX_BITS[usize::from(*b)]));
    let text = |b: u64| matches!(b as u8, b' '..=b'~' | b'\n' | b'\r' | b'\t') || b as u8 >= 0x80;
    head.iter().all(|b| SIX_BITS[usize::from(*b)] < 64) && (0..6).all(|i| text(bits >> (8 * i)))
}

/// What each base64 letter stands for, in both alphabets (RFC 4648, 4 and 5); 64 for all other bytes.
static SIX_BITS: [u8; 256] = {
    let mut t = [64; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut i = 0;
    while i < letters.len() {
        t[letters[i] as usize] = i as u8;
        i += 1;
    }
    (t[b'+' as usize], t[b'-' as usize], t[b'/' as usize], t[b'_' as usize]) = (62, 62, 63, 63);
    t
};

/// Reads the JSON array of byte values that opens at the start of `source` (`[`) into `view`; gives its length.
pub(super) fn byte_array(source: &[u8], view: &mut View) -> Option<usize> {
    view.clear();
    let mut at = 1;
    loop {
        at = skip(source, at, |b| b == b' ');
        let end = skip(source, at, |b| b.is_ascii_digit());
        if end == at || end - at > 3 {
            return None;
        }
        let value = source[at..end].iter().fold(0u32, |v, b| v * 10 + u32::from(b - b'0'));
        let value = u8::try_from(value).ok()?;
        view.escape(at, end, &[value]);
        at = skip(source, end, |b| b == b' ');
        match byte(source, at) {
            b',' => at += 1,
            b']' => break,
            _ => return None,
        }
    }
    view.source = at as u32;
    (view.text.len() >= 8).then_some(at + 1)
}

/// Decodes `token` as base64 (standard or URL alphabet, padding optional) when what comes out is text.
pub(super) fn base64_text(token: &[u8], out: &mut Vec<u8>) -> bool {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LAX);
    const URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LAX);
    work(token.len());
    let url = token.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if url { &URL } else { &STANDARD };
    let head = &token[..token.len().min(12) & !3];
    out.clear();
    if engine.decode_vec(head, out).is_err() || !printable(out) {
        return false;
    }
    out.clear();
    let whole = if token.len() % 4 == 1 { &token[..token.len() - 1] } else { token };
    engine.decode_vec(whole, out).is_ok() && printable(out)
}

fn printable(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
        && text.iter().all(|b| !b.is_ascii_control() || matches!(b, b'\n' | b'\r' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, decoded: &str) {
        let mut v = View::default();
        assert!(unescape(source.as_bytes(), &mut v), "{source}");
        assert_eq!(String::from_utf8_lossy(&v.text), decoded);
        // Every decoded byte maps to a piece of the original that decodes to it.
        for at in 0..v.text.len() as u32 {
            let (from, to) = v.original(at, at + 1);
            let piece = &source[from as usize..to as usize];
            let mut w = View::default();
            unescape(piece.as_bytes(), &mut w);
            assert!(w.text.contains(&v.text[at as usize]), "{piece}");
        }
        assert_eq!(v.original(0, v.text.len() as u32), (0, source.len() as u32));
    }

    #[test]
    fn escapes_decode_and_map_back() {
        check(r#"a\"b\\c\/d"#, r#"a"b\c/d"#);
        check(r"\u0022p\u0061ss\u0022:\ud83d\ude00!", "\"pass\":\u{1f600}!");
        check("a%40b%2Ecom", "a@b.com");
        check("&quot;k&quot;:&#39;v&#x27;", "\"k\":'v'");
        check(r"\x22a\x22", "\"a\"");
    }

    #[test]
    fn what_is_no_escape_stays() {
        let mut v = View::default();
        assert!(!unescape(br"100% of C:\dir & more \u12 &#; \", &mut v));
        assert_eq!(v.text, br"100% of C:\dir & more \u12 &#; \");
    }

    #[test]
    fn byte_arrays_decode() {
        let mut v = View::default();
        let source = br"[112, 97,115,115,61,120,121,122,49],1";
        assert_eq!(byte_array(source, &mut v), Some(35));
        assert_eq!(v.text, b"pass=xyz1");
        let (a, b) = v.original(5, 9);
        assert_eq!(&source[a as usize..b as usize], b"120,121,122,49");
        assert_eq!(byte_array(b"[1,2,3000]", &mut v), None);
    }

    #[test]
    fn base64_of_text_only() {
        let mut out = Vec::new();
        assert!(base64_text(b"Y2xpZW50LTc6czNjcjN0LUVYQU1QTEU=", &mut out));
        assert_eq!(out, b"client-7:s3cr3t-EXAMPLE");
        assert!(!base64_text(b"d41d8cd98f00b204e9800998ecf8427e", &mut out));
    }
}
