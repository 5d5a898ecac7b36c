//! Byte classes of 64 bytes at a time with AVX2: two table look-ups by nibble, then a test for each class.
//!
//! The tables are those of [`super::planes`]. The portable twin is [`super::tile::classify`]; a test holds the two against
//! each other over all bytes.
//!
//! # Safety
//! What is unsafe is the load of a vector by a reference to as many bytes.
#![expect(unsafe_code, reason = "the loads, proved above")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
};

use super::colours::ESCAPE;
use super::planes::{BLANK_PARENS, DASH, DIGITS, HIGH, LETTERS, LOW, PLUS_DOT_SLASH, UNDERSCORE};
use super::tile::{Tile, derive_with};

#[target_feature(enable = "avx2")]
pub(super) fn derive(tile: &mut Tile, count: usize) {
    derive_with(tile, count);
}

#[target_feature(enable = "avx2")]
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    for (block, p) in blocks.iter().zip(place..) {
        // In a loop, so that the one call is inlined whatever it costs.
        let mut halves = [Half::default(); 2];
        for (bits, bytes) in halves.iter_mut().zip(block.as_chunks().0) {
            *bits = half(bytes);
        }
        let [a, b] = halves;
        t.alnum[p] = join(a.alnum, b.alnum);
        t.token[p] = join(a.token, b.token);
        t.ident[p] = join(a.ident, b.ident);
        t.digit[p] = join(a.digit, b.digit);
        t.group[p] = join(a.group, b.group);
        t.assign[p] = join(a.assign, b.assign);
        t.rare[p] = join(a.rare, b.rare);
        t.escape[p] = join(a.escape, b.escape);
        t.backslash[p] = join(a.backslash, b.backslash);
        t.quote[p] = join(a.quote, b.quote);
        t.space[p] = join(a.space, b.space);
        t.joint[p] = join(a.joint, b.joint);
        t.newline[p] = join(a.newline, b.newline);
        t.lower[p] = join(a.lower, b.lower);
    }
}

#[inline(always)]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Bitmaps of 32 bytes.
#[derive(Clone, Copy, Default)]
struct Half {
    alnum: u32,
    token: u32,
    ident: u32,
    digit: u32,
    group: u32,
    assign: u32,
    rare: u32,
    escape: u32,
    backslash: u32,
    quote: u32,
    space: u32,
    joint: u32,
    newline: u32,
    lower: u32,
}

#[target_feature(enable = "avx2")]
#[inline]
fn half(bytes: &[u8; 32]) -> Half {
    let v = load(bytes);
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(twice(&LOW), _mm256_and_si256(v, nibble));
    let high = _mm256_shuffle_epi8(twice(&HIGH), _mm256_and_si256(_mm256_srli_epi16::<4>(v), nibble));
    let planes = _mm256_and_si256(low, high);
    let bits = |x: __m256i| _mm256_movemask_epi8(x) as u32;
    let equal = |b: u8| _mm256_cmpeq_epi8(v, _mm256_set1_epi8(b as i8));
    let or = |a, b| _mm256_or_si256(a, b);
    // Of the planes in `set`, which all lie below the sign bit, whether a byte is in any.
    let any =
        |set: i8| bits(_mm256_cmpgt_epi8(_mm256_and_si256(planes, _mm256_set1_epi8(set)), _mm256_setzero_si256()));
    let dot = equal(b'.');
    let backslash = equal(b'\\');
    let openers = or(equal(b'<'), or(equal(b'['), equal(b'(')));
    let alnum = any(LETTERS | DIGITS);
    let digit = bits(_mm256_slli_epi16::<5>(planes));
    Half {
        alnum,
        token: any(LETTERS | DIGITS | DASH | PLUS_DOT_SLASH | UNDERSCORE),
        ident: any(LETTERS | DIGITS | DASH | UNDERSCORE) | bits(dot),
        digit,
        group: any(DIGITS | DASH | PLUS_DOT_SLASH | BLANK_PARENS),
        assign: bits(planes),
        rare: bits(or(or(equal(b'@'), equal(ESCAPE)), openers)),
        escape: bits(or(backslash, or(equal(b'%'), equal(b'&')))),
        backslash: bits(backslash),
        quote: bits(equal(b'"')),
        space: bits(_mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(b' ' as i8)), v)),
        joint: bits(or(equal(b'/'), dot)),
        newline: bits(equal(b'\n')),
        // Of letters and digits, the fifth bit is set in small letters and digits.
        lower: alnum & !digit & bits(_mm256_slli_epi16::<2>(v)),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference says that 32 bytes can be read there; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(std::ptr::from_ref(bytes).cast()) }
}

/// A table of 16 bytes in both lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn twice(bytes: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(table(bytes))
}

/// A table of 16 bytes.
#[target_feature(enable = "sse2")]
#[inline]
fn table(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference says that 16 bytes can be read there; the load asks for no alignment.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(bytes).cast()) }
}
