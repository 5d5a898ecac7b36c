//! What a byte is, and small questions about byte strings.

/// Bits of [`class`].
pub(super) const ALNUM: u16 = 1;
/// Part of a token: alphanumeric or one of `_ - . + /`.
pub(super) const TOKEN: u16 = 1 << 1;
/// Decimal digit.
pub(super) const DIGIT: u16 = 1 << 2;
/// Part of a grouped number: digit, space, `+`, `-`, `.`, `/`, `(`, `)`.
pub(super) const GROUP: u16 = 1 << 3;
/// `:` or `=`.
pub(super) const ASSIGN: u16 = 1 << 4;
/// Seldom seen, and each with a check of its own: `@`, the escape of terminals, the openers `<`, `[` and `(`.
pub(super) const RARE: u16 = 1 << 5;
/// Space or control character.
pub(super) const SPACE: u16 = 1 << 6;
/// Part of an identifier: alphanumeric, `_`, `-`, `.`.
pub(super) const IDENT: u16 = 1 << 7;
/// `/` or `.`: part of a token behind which another may begin.
pub(super) const JOINT: u16 = 1 << 8;
/// Newline.
pub(super) const NEWLINE: u16 = 1 << 9;
/// Small letter.
pub(super) const LOWER: u16 = 1 << 10;

/// Single or double quote.
pub(super) const QUOTE: u16 = 1 << 11;
/// Space.
pub(super) const BLANK: u16 = 1 << 12;
/// What stands before the hash in a password hash: `$` or `}`.
pub(super) const HASH: u16 = 1 << 13;
/// Letter with which base64 of text can begin.
pub(super) const TEXTUAL: u16 = 1 << 14;
/// Begins another spelling of something: `\`, `%` or `&`.
pub(super) const ESCAPE: u16 = 1 << 15;

const fn classes() -> [u16; 256] {
    let mut t = [0u16; 256];
    let mut i = 0usize;
    while i < 256 {
        let b = i as u8;
        let mut c = 0;
        if b.is_ascii_alphanumeric() {
            c |= ALNUM | TOKEN | IDENT;
        }
        if b.is_ascii_digit() {
            c |= DIGIT | GROUP;
        }
        if b.is_ascii_lowercase() {
            c |= LOWER;
        }
        if b <= b' ' {
            c |= SPACE;
        }
        if matches!(b, b'C' | b'D' | b'I'..=b'Z' | b'a'..=b'f') {
            c |= TEXTUAL;
        }
        c |= match b {
            b'"' | b'\'' => QUOTE,
            b' ' => BLANK,
            b'$' | b'}' => HASH,
            _ => 0,
        };
        c |= match b {
            b'\n' => NEWLINE,
            b'_' => TOKEN | IDENT,
            b'-' => TOKEN | IDENT | GROUP,
            b'.' => TOKEN | IDENT | GROUP | JOINT,
            b'/' => TOKEN | GROUP | JOINT,
            b'+' => TOKEN | GROUP,
            b'(' => GROUP | RARE,
            b' ' | b')' => GROUP,
            b':' | b'=' => ASSIGN,
            0x1b | b'@' | b'<' | b'[' => RARE,
            b'\\' | b'%' | b'&' => ESCAPE,
            _ => 0,
        };
        t[i] = c;
        i += 1;
    }
    t
}

/// The classes of all bytes; those above 127 have none.
pub(super) const CLASSES: [u16; 256] = classes();

static CLASS: [u16; 256] = CLASSES;

/// The classes of a byte, as the bits above.
#[inline(always)]
pub(super) fn class(b: u8) -> u16 {
    CLASS[b as usize]
}

#[inline(always)]
pub(super) fn is(b: u8, c: u16) -> bool {
    class(b) & c != 0
}

/// The byte before `at`, or a newline at the start.
#[inline(always)]
pub(super) fn before(text: &[u8], at: usize) -> u8 {
    if at == 0 { b'\n' } else { text.get(at - 1).copied().unwrap_or(b'\n') }
}

/// The byte at `at`, or a newline behind the end.
#[inline(always)]
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(b'\n')
}

/// Whether the line at `start` begins like JSON.
#[inline(always)]
pub(super) fn begins_json(text: &[u8], start: usize) -> bool {
    matches!(byte(text, skip(text, start, |b| matches!(b, b' ' | b'\t'))), b'{' | b'[' | b'"')
}

/// Whether a word starts at `at`, or a hump of one: no letter stands before it, or a small one before a capital.
pub(super) fn starts_word(text: &[u8], at: usize) -> bool {
    starts_word_behind(before(text, at), byte(text, at))
}

/// The same of a byte behind another one.
#[inline(always)]
pub(super) fn starts_word_behind(previous: u8, first: u8) -> bool {
    let hump = previous.is_ascii_lowercase() && first.is_ascii_uppercase();
    hump || !(previous.is_ascii_alphabetic() && first.is_ascii_alphabetic())
}

/// Notes that about `n` bytes were gone through; tests hold the sum against the length of the text.
#[inline(always)]
pub(super) fn work(n: usize) {
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + n + 1));
    let _ = n;
}

#[cfg(test)]
thread_local! {
    /// Bytes that this thread has gone through.
    pub(super) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// First position from `at` on whose byte fails `keep`.
#[inline]
pub(super) fn skip(text: &[u8], at: usize, keep: impl Fn(u8) -> bool) -> usize {
    let mut end = at;
    while end < text.len() && keep(text[end]) {
        end += 1;
    }
    work(end - at);
    end
}

/// Start of the run of bytes that pass `keep` and ends before `end`, at most `most` bytes long.
#[inline]
pub(super) fn skip_back(text: &[u8], end: usize, most: usize, keep: impl Fn(u8) -> bool) -> usize {
    let floor = end.saturating_sub(most);
    let mut at = end;
    while at > floor && keep(text[at - 1]) {
        at -= 1;
    }
    work(end - at);
    at
}

/// Shannon entropy in bits a byte (C. E. Shannon, 1948) of at most the first 256 bytes.
pub(super) fn entropy(text: &[u8]) -> f32 {
    let text = &text[..text.len().min(256)];
    let mut counts = [0u8; 256];
    for &b in text {
        // 256 of one byte wrap round to none, whose logarithm is taken to be that of 256.
        counts[b as usize] = counts[b as usize].wrapping_add(1);
    }
    // Each distinct byte is met as often as it occurs, so each meeting carries its share of the byte's term.
    let sum: u32 = text.iter().map(|&b| LOG2[counts[b as usize] as usize]).sum();
    let n = text.len().max(1) as f32;
    n.log2() - sum as f32 / n / 65536.0
}

/// Binary logarithms in 65,536ths; entry 0 stands for 256.
static LOG2: [u32; 256] = {
    let mut t = [8 << 16; 256];
    let mut n = 1;
    while n < 256 {
        let whole = (n as u32).ilog2();
        // Squaring a number between 1 and 2 gives the next binary digit of its logarithm.
        let mut x = (n as u64) << (32 - whole);
        let mut log = whole;
        let mut digit = 0;
        while digit < 16 {
            x = ((x as u128 * x as u128) >> 32) as u64;
            log <<= 1;
            if x >= 1 << 33 {
                x >>= 1;
                log |= 1;
            }
            digit += 1;
        }
        t[n] = log;
        n += 1;
    }
    t
};

/// Length of the label at the start of `text`: `[TYPE]`, `[TYPE:tag]` or `[TYPE:****1111]`, as this program writes it.
pub(super) fn label_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'[') || !text.get(1)?.is_ascii_uppercase() {
        return None;
    }
    // A type is made of capitals, digits and `_`.
    let name = skip(text, 1, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !(3..=64).contains(&name) {
        return None;
    }
    match text.get(name)? {
        b']' => Some(name + 1),
        b':' => {
            let end = skip(text, name + 1, |b| is(b, ALNUM) || b == b'*');
            (end > name + 1 && end - name <= 40 && text.get(end) == Some(&b']')).then_some(end + 1)
        }
        _ => None,
    }
}

/// Whether the whole text is one label.
pub(super) fn is_label(text: &[u8]) -> bool {
    label_len(text) == Some(text.len())
}

/// What a text is made of, for judging how random it looks.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    pub(super) upper: usize,
    pub(super) lower: usize,
    pub(super) digit: usize,
    pub(super) other: usize,
    /// How often neighbouring letters and digits change between upper case, lower case and digit.
    pub(super) switches: usize,
    /// Whether there is a byte that no token holds.
    pub(super) broken: bool,
}

/// For each byte a one in the lane of what it is: upper case, lower case, digit, or what breaks a token; 16 bits a lane.
static LANES: [u64; 256] = {
    let mut t = [0; 256];
    let mut i = 0usize;
    while i < 256 {
        t[i] = match i as u8 {
            b'A'..=b'Z' => 1,
            b'a'..=b'z' => 1 << 16,
            b'0'..=b'9' => 1 << 32,
            b' ' | b'\t' | b'<' | b'>' | b'{' | b'(' | b'@' | b',' | b';' => 1 << 48,
            _ => 0,
        };
        i += 1;
    }
    t
};

impl Mix {
    /// Of at most 65,535 bytes, which is what a lane can count.
    pub(super) fn of(text: &[u8]) -> Self {
        const WORDS: u64 = 1 | 1 << 16 | 1 << 32;
        work(text.len());
        let (mut lanes, mut switches, mut last) = (0, 0, 0);
        for &b in text {
            let lane = LANES[b as usize];
            lanes += lane;
            // Two bits are set when the byte and the one before are in different lanes of the three.
            let both = lane & WORDS | last;
            switches += usize::from(both & both.wrapping_sub(1) != 0);
            last = lane & WORDS;
        }
        let [upper, lower, digit, broken] = [0, 16, 32, 48].map(|shift| (lanes >> shift) as usize & 0xffff);
        let other = text.len() - upper - lower - digit;
        Self { upper, lower, digit, other, switches, broken: broken > 0 }
    }

    pub(super) fn letters(&self) -> usize {
        self.upper + self.lower
    }
}

/// Whether the text is a UUID: 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(i, &b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_recognised_and_nothing_else() {
        for good in ["[EMAIL]", "[OPENAI_API_KEY:1k7q2m9xw3ht6a]", "[CARD:****1111]"] {
            assert!(is_label(good.as_bytes()), "{good}");
        }
        for bad in ["[a]", "[A]", "[]", "[INFO", "[12]", "[AB:]", "[AB:c d]", "[EMAIL]x"] {
            assert!(!is_label(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn entropy_of_known_texts() {
        assert!(entropy(b"aaaa").abs() < 1e-6);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-6);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 1e-5);
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 1e-4 && entropy(&[7; 300]).abs() < 1e-4);
        let text = b"a quick brown fox, jumping over 13 lazy dogs";
        let count = |b: &u8| text.iter().filter(|x| *x == b).count() as f32;
        let plain: f32 = text.iter().map(|b| -(count(b) / text.len() as f32).log2() / text.len() as f32).sum();
        assert!((entropy(text) - plain).abs() < 1e-3);
    }
}
