//! Other spellings of the same text: JSON escapes, percent encoding, HTML entities, base64, byte arrays.
//!
//! A decoded text comes with a map back to the bytes it was written as, so that a match in it can be cut out of the
//! original without touching anything else.

use std::ops::Range;

use super::bytes::{TEXTUAL, byte, is, skip, work};

/// A decoded text and where its bytes were written.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: Vec<u8>,
    /// What was written otherwise, in order; what stands between was written as it is.
    escapes: Vec<Escape>,
}

/// A piece of a decoded text, and the original bytes `from..to` that stand for it.
struct Escape {
    start: u32,
    len: u32,
    from: u32,
    to: u32,
}

impl View {
    fn clear(&mut self) {
        self.text.clear();
        self.escapes.clear();
    }

    /// The original place of the decoded span `start..end`, widened to whole escapes.
    pub(super) fn original(&self, start: u32, end: u32) -> (u32, u32) {
        let before = |at| self.escapes.partition_point(|e| e.start <= at);
        self.span(start, end, before(start), before(end.saturating_sub(1)))
    }

    /// The same, looking from where `known` says, which is moved along: for spans that come in order.
    pub(super) fn original_near(&self, start: u32, end: u32, known: &mut usize) -> (u32, u32) {
        let mut before = |at| {
            while known.checked_sub(1).is_some_and(|last| self.escapes[last].start > at) {
                *known -= 1;
            }
            while self.escapes.get(*known).is_some_and(|e| e.start <= at) {
                *known += 1;
            }
            *known
        };
        let first = before(start);
        self.span(start, end, first, before(end.saturating_sub(1)))
    }

    /// The same, knowing how many escapes begin up to the first and up to the last byte.
    fn span(&self, start: u32, end: u32, first: usize, last: usize) -> (u32, u32) {
        let (at, _) = self.place(start, first);
        if end <= start {
            return (at, at);
        }
        (at, self.place(end - 1, last).1)
    }

    /// First byte and end of the original spelling of the decoded byte at `at`.
    fn place(&self, at: u32, before: usize) -> (u32, u32) {
        match self.escapes[..before].last() {
            Some(e) if at < e.start + e.len => (e.from, e.to),
            Some(e) => (at - (e.start + e.len) + e.to, at - (e.start + e.len) + e.to + 1),
            None => (at, at + 1),
        }
    }

    /// Becomes `source` without these pieces, which are in order. False when there are none.
    pub(super) fn leave_out(&mut self, source: &[u8], pieces: impl Iterator<Item = Range<usize>>) -> bool {
        work(source.len());
        self.clear();
        let mut done = 0;
        for piece in pieces {
            if piece.start >= done {
                self.text.extend_from_slice(&source[done..piece.start]);
                self.escape(self.text.len(), 0, piece.start, piece.end);
                done = piece.end;
            }
        }
        self.text.extend_from_slice(&source[done..]);
        done > 0
    }

    /// Notes that the decoded bytes from `start` on are written as the original bytes `from..to`.
    fn escape(&mut self, start: usize, len: usize, from: usize, to: usize) {
        let [start, len, from, to] = [start, len, from, to].map(|n| n as u32);
        self.escapes.push(Escape { start, len, from, to });
    }
}

/// Undoes one level of JSON escapes, percent encoding and HTML entities of `source` into `view`. False when nothing
/// was encoded.
pub(super) fn unescape(source: &[u8], view: &mut View) -> bool {
    undo(source, memchr::memchr3_iter(b'\\', b'%', b'&', source), view)
}

/// The same for `text[part]`, with the places in `text` from which on escapes begin, among others.
pub(super) fn unescape_part(text: &[u8], part: Range<usize>, places: &[u32], view: &mut View) -> bool {
    let places = places.iter().map(|p| *p as usize).skip_while(|p| *p < part.start).take_while(|p| *p < part.end);
    undo(&text[part.clone()], places.map(|p| p - part.start), view)
}

fn undo(source: &[u8], places: impl Iterator<Item = usize>, view: &mut View) -> bool {
    work(source.len());
    view.clear();
    // No escape is shorter than what it stands for. The room behind is for pieces that are copied with what follows.
    view.text.resize(source.len() + PIECE, 0);
    let mut utf8 = [0u8; 4];
    let (mut done, mut written) = (0, 0);
    for at in places {
        if at < done {
            continue;
        }
        if let [b'\\', c, ..] = source[at..]
            && SIMPLE[usize::from(c)] != 0
        {
            // By far the most are two bytes for one.
            copy(source, done, at - done, &mut view.text[written..]);
            written += at - done;
            view.text[written] = SIMPLE[usize::from(c)];
            view.escape(written, 1, at, at + 2);
            written += 1;
            done = at + 2;
            continue;
        }
        let (len, decoded): (usize, &[u8]) = match source[at] {
            b'\\' => backslash(&source[at..], &mut utf8),
            b'%' => percent(&source[at..], &mut utf8),
            b'&' => entity(&source[at..], &mut utf8),
            _ => continue,
        };
        if len > 0 {
            copy(source, done, at - done, &mut view.text[written..]);
            written += at - done;
            view.text[written..][..decoded.len()].copy_from_slice(decoded);
            view.escape(written, decoded.len(), at, at + len);
            written += decoded.len();
            done = at + len;
        }
    }
    let rest = source.len() - done;
    copy(source, done, rest, &mut view.text[written..]);
    view.text.truncate(written + rest);
    done > 0
}

/// Most pieces between escapes are shorter, in bytes.
const PIECE: usize = 16;

/// Copies `from[at..at + len]` to the front of `to`, and maybe more behind it.
#[inline(always)]
fn copy(from: &[u8], at: usize, len: usize, to: &mut [u8]) {
    match (from.get(at..).and_then(|f| f.first_chunk::<PIECE>()), to.first_chunk_mut()) {
        (Some(from), Some(to)) if len <= PIECE => *to = *from,
        _ => to[..len].copy_from_slice(&from[at..at + len]),
    }
}

/// The escape of numbers at the start of `s` (a backslash; [`SIMPLE`] has the others): its length, 0 when it is none, and
/// what it stands for.
fn backslash<'b>(s: &[u8], utf8: &'b mut [u8; 4]) -> (usize, &'b [u8]) {
    match byte(s, 1) {
        b'x' => match hex(s, 2, 2) {
            Some(v) => {
                utf8[0] = v as u8;
                (4, &utf8[..1])
            }
            None => (0, &[]),
        },
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
            (len, c.encode_utf8(utf8).as_bytes())
        }
        _ => (0, &[]),
    }
}

/// What a letter behind a backslash stands for, when the two are a whole escape; else 0.
static SIMPLE: [u8; 256] = {
    let mut t = [0; 256];
    let pairs = b"\"\"\\\\//''n\nt\tr\rb f ";
    let mut i = 0;
    while i < pairs.len() {
        t[pairs[i] as usize] = pairs[i + 1];
        i += 2;
    }
    t
};

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
        view.escape(view.text.len(), 1, at, end);
        view.text.push(value);
        at = skip(source, end, |b| b == b' ');
        match byte(source, at) {
            b',' => at += 1,
            b']' => break,
            _ => return None,
        }
    }
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
    fn with_places_or_without_all_texts_decode_alike() {
        let letters = br#"a"\n%4"#;
        for n in 0..letters.len().pow(7) {
            let text: Vec<u8> = (0..7).map(|i| letters[n / letters.len().pow(i) % letters.len()]).collect();
            let places: Vec<u32> = memchr::memchr3_iter(b'\\', b'%', b'[', &text).map(|p| p as u32).collect();
            let (mut a, mut b) = (View::default(), View::default());
            assert_eq!(unescape(&text[2..], &mut a), unescape_part(&text, 2..7, &places, &mut b));
            assert_eq!(a.text, b.text, "{}", text.escape_ascii());
        }
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
