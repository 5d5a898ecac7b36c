//! Taking terminal escapes out of lines that go to a terminal.

/// A reusable buffer for stripped lines.
#[derive(Default)]
pub struct Escapes {
    out: Vec<u8>,
}

impl Escapes {
    /// `bytes` without escape sequences and control characters; tab, carriage return and newline stay. A sequence
    /// that is not closed ends with its line, so that it cannot swallow the next one.
    pub fn strip<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if !bytes.iter().any(|&b| is_control(b) || b == 0xc2) {
            return bytes;
        }
        self.out.clear();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let skip = match first {
                0x1b => sequence(rest),
                // U+0080 to U+009F: the same controls as one character
                0xc2 if rest.get(1).is_some_and(|b| (0x80..=0x9f).contains(b)) => 2 + body(rest[1] - 0x40, &rest[2..]),
                b if is_control(b) => 1,
                _ => {
                    self.out.push(first);
                    rest = &rest[1..];
                    continue;
                }
            };
            rest = &rest[skip..];
        }
        &self.out
    }
}

fn is_control(b: u8) -> bool {
    (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7f
}

/// Length of the escape sequence that `bytes` begin with.
fn sequence(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        None | Some(b'\n') => 1,
        // intermediate bytes, then one final byte
        Some(0x20..=0x2f) => {
            let n = bytes[1..].iter().take_while(|b| (0x20..=0x2f).contains(*b)).count();
            1 + n + usize::from(bytes.get(1 + n).is_some_and(|&b| b != b'\n'))
        }
        Some(&kind) => 2 + body(kind, &bytes[2..]),
    }
}

/// Length of what belongs to the sequence of `kind` (`[` is a control sequence, `]`, `P`, `X`, `^`, `_` a string).
fn body(kind: u8, bytes: &[u8]) -> usize {
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let bytes = &bytes[..line];
    match kind {
        b'[' => {
            let n = bytes.iter().take_while(|b| (0x20..=0x3f).contains(*b)).count();
            n + usize::from(bytes.get(n).is_some_and(|b| (0x40..=0x7e).contains(b)))
        }
        b']' | b'P' | b'X' | b'^' | b'_' => {
            for (i, &b) in bytes.iter().enumerate() {
                match (b, bytes.get(i + 1)) {
                    (0x07, _) => return i + 1,
                    (0x1b, Some(b'\\')) | (0xc2, Some(0x9c)) => return i + 2,
                    (0x1b, _) => return i,
                    _ => {}
                }
            }
            bytes.len()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_and_text_stays() {
        let cases: [(&str, &str); 9] = [
            ("plain\tt\u{e9}xt \u{a3}1\r\n", "plain\tt\u{e9}xt \u{a3}1\r\n"),
            ("\x1b[1;31mred\x1b[0m\n", "red\n"),
            ("a\x1b]0;title\x07b\n", "ab\n"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b\n", "alinkb\n"),
            ("never closed \x1b]0;title\nnext\n", "never closed \nnext\n"),
            ("cut \x1b[12\nnext\n", "cut \nnext\n"),
            ("c1 \u{9b}31mred \u{85}x\n", "c1 red x\n"),
            ("\x08\x08\x7f\x1b(Bq\x1b7r\x1b", "qr"),
            ("x\x1b\ny", "x\ny"),
        ];
        for (raw, want) in cases {
            let mut escapes = Escapes::default();
            let got = escapes.strip(raw.as_bytes()).to_vec();
            assert_eq!(String::from_utf8_lossy(&got), want, "{raw:?}");
            assert_eq!(Escapes::default().strip(&got), want.as_bytes(), "twice: {raw:?}");
        }
    }
}
