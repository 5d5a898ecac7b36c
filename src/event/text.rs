//! A piece of a line, as it stands there.

use std::fmt;

/// A value of a line: the bytes between its quotes, and whether they hold JSON escapes.
///
/// Nothing is copied; escapes are decoded while reading.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// A value whose bytes mean themselves.
    pub fn plain(raw: &'a [u8]) -> Self {
        Self { raw, escaped: false }
    }

    /// A JSON string's inside; `escaped` when it holds a backslash.
    pub(super) fn json(raw: &'a [u8], escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The bytes as they stand in the line.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether the bytes mean themselves.
    pub fn is_plain(&self) -> bool {
        !self.escaped
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The decoded bytes, one by one.
    pub fn bytes(&self) -> Bytes<'a> {
        Bytes { rest: self.raw, escaped: self.escaped, tail: [0; 4], tail_at: 0, tail_end: 0 }
    }

    /// The decoded bytes, in `buf` when they had to be decoded; `None` when they do not fit there.
    #[inline(always)]
    pub fn small<'b>(&self, buf: &'b mut [u8; 96]) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.escaped {
            return Some(self.raw);
        }
        let mut n = 0;
        for b in self.bytes() {
            *buf.get_mut(n)? = b;
            n += 1;
        }
        Some(&buf[..n])
    }

    /// Whether the decoded bytes equal `other`.
    pub fn is(&self, other: &[u8]) -> bool {
        if self.escaped { self.bytes().eq(other.iter().copied()) } else { self.raw == other }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.escaped {
            let bytes: Vec<u8> = self.bytes().collect();
            f.write_str(&String::from_utf8_lossy(&bytes))
        } else {
            f.write_str(&String::from_utf8_lossy(self.raw))
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Decodes a [`Text`]; see [`Text::bytes`]. A broken escape stands for itself.
#[derive(Clone)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    escaped: bool,
    tail: [u8; 4],
    tail_at: u8,
    tail_end: u8,
}

impl Bytes<'_> {
    fn hex4(text: &[u8]) -> Option<u32> {
        let digits = std::str::from_utf8(text.get(..4)?).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }

    /// The character of a `\u` escape at the start of `rest` (behind the `u`), and how long the escape is.
    fn unicode(rest: &[u8]) -> Option<(char, usize)> {
        let first = Self::hex4(rest)?;
        if (0xd800..0xdc00).contains(&first) && rest.get(4..6) == Some(b"\\u") {
            let second = Self::hex4(&rest[6..])?;
            if (0xdc00..0xe000).contains(&second) {
                let c = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Some((char::from_u32(c)?, 10));
            }
        }
        Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
    }
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.tail_at < self.tail_end {
            self.tail_at += 1;
            return Some(self.tail[usize::from(self.tail_at) - 1]);
        }
        let (&b, rest) = self.rest.split_first()?;
        self.rest = rest;
        if b != b'\\' || !self.escaped {
            return Some(b);
        }
        let Some((&e, after)) = rest.split_first() else { return Some(b) };
        let plain = match e {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let Some((c, len)) = Self::unicode(after) else { return Some(b) };
                self.rest = &after[len..];
                let mut buf = [0; 4];
                let n = c.encode_utf8(&mut buf).len();
                (self.tail, self.tail_at, self.tail_end) = (buf, 1, n as u8);
                return Some(buf[0]);
            }
            other => other,
        };
        self.rest = after;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_as_json_means_them() {
        for text in [r#"a\/b\"c\\d\n\t"#, r"caf\u00e9 \ud83d\ude00 \u0041", "plain", ""] {
            let want: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            let got = Text::json(text.as_bytes(), text.contains('\\'));
            assert_eq!(got.to_string(), want);
            assert!(got.is(want.as_bytes()));
            assert_eq!(got.small(&mut [0; 96]), Some(want.as_bytes()));
        }
    }

    #[test]
    fn broken_escapes_stand_for_themselves() {
        for text in [r"\u12", r"\ud800\u0041", "\\", r"\uzzzz"] {
            assert!(!Text::json(text.as_bytes(), true).to_string().is_empty());
        }
        assert!(Text::json(&[b'\\'; 400], true).small(&mut [0; 96]).is_none());
    }
}
