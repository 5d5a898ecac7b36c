//! Where a value of JSON ends: sixteen bytes are looked at together, since most values are no longer than that.

/// How far a string is looked through sixteen bytes at a time; what is longer goes the way that is made for length.
const SHORT: usize = 64;

/// Bytes that are looked at together.
const STEP: usize = 16;

/// The place of the closing quote of the string that starts at `at`, and whether a backslash stands before it.
#[inline(always)]
pub(super) fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    match quote(text, at) {
        Some(end) if text[end] == b'"' => (end, false),
        Some(escape) => (escaped_end(text, escape), true),
        None => (text.len(), false),
    }
}

/// The same of a string whose first backslash stands at `escape`.
#[inline(never)]
fn escaped_end(text: &[u8], escape: usize) -> usize {
    let mut from = escape + 2;
    while let Some(at) = quote(text, from) {
        if text[at] == b'"' {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

/// The place of the first quote or backslash from `from` on.
#[inline(always)]
fn quote(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    for (n, bytes) in rest.as_chunks().0.iter().take(SHORT / STEP).enumerate() {
        let first = sixteen::quote(bytes);
        if first < STEP {
            return Some(from + n * STEP + first);
        }
    }
    far_quote(rest).map(|at| from + at)
}

/// The same where the first bytes hold none.
#[inline(never)]
fn far_quote(rest: &[u8]) -> Option<usize> {
    let from = (rest.len() & !(STEP - 1)).min(SHORT);
    memchr::memchr2(b'"', b'\\', &rest[from..]).map(|at| from + at)
}

/// The byte behind the number or word that starts at `at`.
#[inline(always)]
pub(super) fn bare_end(text: &[u8], at: usize) -> usize {
    if let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<STEP>) {
        let first = sixteen::end(bytes);
        if first < STEP && ENDS[usize::from(bytes[first])] {
            return at + first;
        }
    }
    far_end(text, at)
}

/// The same byte by byte.
#[inline(never)]
fn far_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| ENDS[usize::from(*b)]).map_or(text.len(), |i| at + i)
}

/// What ends a number or a word.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let all = b",}]{[\":\x20\t\r\n";
    let mut i = 0;
    while i < all.len() {
        ends[all[i] as usize] = true;
        i += 1;
    }
    ends
};

/// The first byte of sixteen that counts, in the instructions that every x86-64 has.
///
/// # Safety
/// All that is unsafe is to call for SSE2, which belongs to the architecture (AMD64 Architecture Programmer's Manual,
/// volume 1, 1.1.2); nothing here reads or writes memory through a pointer.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "reading events is a fifteenth faster for it; proved above")]
mod sixteen {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    /// The place of the first quote or backslash; 16 or more when there is none.
    #[inline(always)]
    pub(super) fn quote(bytes: &[u8; 16]) -> usize {
        // SAFETY: see the module.
        unsafe {
            let bytes = load(bytes);
            first(_mm_or_si128(is(bytes, b'"'), is(bytes, b'\\')))
        }
    }

    /// The place of the first byte that ends a number or a word, or of one that may; 16 or more when there is none.
    #[inline(always)]
    pub(super) fn end(bytes: &[u8; 16]) -> usize {
        // SAFETY: see the module.
        unsafe {
            let bytes = load(bytes);
            // Blanks, quotes and commas come before all digits and signs but `+`; brackets differ in these bits alone.
            let low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(b'-'.cast_signed()));
            let bracket = is(_mm_or_si128(bytes, _mm_set1_epi8(0x26)), b'[' | 0x26);
            first(_mm_or_si128(_mm_or_si128(low, bracket), is(bytes, b':')))
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8; 16]) -> __m128i {
        let both = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((both >> 64) as i64, both as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn is(bytes: __m128i, what: u8) -> __m128i {
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(what.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn first(marks: __m128i) -> usize {
        _mm_movemask_epi8(marks).trailing_zeros() as usize
    }
}

/// The same by arithmetic on one number of sixteen bytes (a byte less one borrows only when it is zero; Mycroft 1987).
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const TOPS: u128 = u128::from_ne_bytes([0x80; 16]);

    /// Marks bytes; what stands behind the first mark may be wrong.
    #[inline(always)]
    fn is(bytes: u128, what: u8) -> u128 {
        let x = bytes ^ (ONES * u128::from(what));
        x.wrapping_sub(ONES) & !x & TOPS
    }

    /// The place of the first quote or backslash; 16 when there is none.
    #[inline(always)]
    pub(super) fn quote(bytes: &[u8; 16]) -> usize {
        let bytes = u128::from_le_bytes(*bytes);
        (is(bytes, b'"') | is(bytes, b'\\')).trailing_zeros() as usize / 8
    }

    /// The place of the first byte that ends a number or a word, or of one that may; 16 when there is none.
    #[inline(always)]
    pub(super) fn end(bytes: &[u8; 16]) -> usize {
        let bytes = u128::from_le_bytes(*bytes);
        let low = !((bytes | TOPS) - ONES * u128::from(b'-')) & TOPS;
        let marks = low | bytes & TOPS | is(bytes | (ONES * 0x26), b'[' | 0x26) | is(bytes, b':');
        marks.trailing_zeros() as usize / 8
    }
}

#[cfg(not(target_arch = "x86_64"))]
use portable as sixteen;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_wherever_they_stand() {
        for len in 0..160 {
            for at in 0..=len {
                let mut text = vec![b'!'; len];
                text.extend([0xa2, 0xdc, b'x']);
                let want = (at < len).then_some(at);
                if at < len {
                    text[at] = if at % 2 == 0 { b'"' } else { b'\\' };
                }
                assert_eq!(quote(&text, 0), want, "{len} {at}");
                assert_eq!(quote(&text, at.min(len)), want, "{len} {at}");
            }
        }
        assert_eq!((quote(b"", 0), quote(b"\"", 5)), (None, None));
    }

    #[test]
    fn every_byte_ends_a_bare_value_or_does_not() {
        for b in 0..=u8::MAX {
            for at in 0..40 {
                let mut text = vec![b'7'; 40];
                text[at] = b;
                let want = if b",}]{[\": \t\r\n".contains(&b) { at } else { 40 };
                assert_eq!(bare_end(&text, 0), want, "{b} {at}");
                assert_eq!(bare_end(&text, at), want, "{b} {at}");
            }
        }
        assert_eq!(bare_end(b"", 0), 0);
    }

    #[test]
    fn both_ways_to_look_at_sixteen_bytes_find_the_same() {
        for b in 0..=u8::MAX {
            for at in 0..STEP {
                for other in [b'0', b'a', b'"', b'\\', b',', b'}', 0x21, 0x23, 0xff] {
                    let mut bytes = [b'x'; STEP];
                    bytes[STEP - 1] = other;
                    bytes[at] = b;
                    assert_eq!(sixteen::quote(&bytes).min(STEP), portable::quote(&bytes), "{bytes:?}");
                    assert_eq!(sixteen::end(&bytes).min(STEP), portable::end(&bytes), "{bytes:?}");
                }
            }
        }
    }
}
