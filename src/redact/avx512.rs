//! The bitmaps of 64 bytes at a time with AVX-512: each comparison gives its bitmap at once, the bits of a bitmap become
//! places sixteen at a time, and how words begin is looked up for all bytes of a block.
//!
//! # Safety
//! What is unsafe is the load or store of a vector by a reference to as many bytes.
#![expect(unsafe_code, reason = "the loads and the stores, proved above")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi512_si128,
    _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32,
    _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_storeu_si512, _mm512_test_epi8_mask,
};

use super::avx2::table;
use super::colours::ESCAPE;
use super::openings::{HEAD, Openings};
use super::planes::{ASSIGNS, BLANK_PARENS, DASH, DIGITS, HIGH, LETTERS, LOW, PLUS_DOT_SLASH, UNDERSCORE};
use super::tile::{Tile, derive_with};

/// The bytes 0 to 63 whose bits are set move together; sixteen at a time they become positions.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
#[inline]
pub(super) fn unpack(mask: u64, base: u32, to: &mut [u32; 64]) {
    let bytes = _mm512_maskz_compress_epi8(mask, load(&NUMBERS));
    let ([first, second, third, fourth], _) = to.as_chunks_mut() else { unreachable!("64 is four times 16") };
    let positions = |bytes| _mm512_add_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(base as i32));
    store(first, positions(_mm512_castsi512_si128(bytes)));
    if mask.count_ones() > 16 {
        store(second, positions(_mm512_extracti32x4_epi32::<1>(bytes)));
        store(third, positions(_mm512_extracti32x4_epi32::<2>(bytes)));
        store(fourth, positions(_mm512_extracti32x4_epi32::<3>(bytes)));
    }
}

static NUMBERS: [u8; 64] = {
    let mut numbers = [0; 64];
    let mut i = 0;
    while i < 64 {
        numbers[i] = i as u8;
        i += 1;
    }
    numbers
};

#[target_feature(enable = "avx512f")]
#[inline]
fn store(to: &mut [u32; 16], from: __m512i) {
    // SAFETY: the reference says that 64 bytes can be written there; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(std::ptr::from_mut(to).cast(), from) }
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn derive(tile: &mut Tile, count: usize) {
    derive_with(tile, count);
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    let nibble = _mm512_set1_epi8(0x0f);
    let (low, high) = (_mm512_broadcast_i32x4(table(&LOW)), _mm512_broadcast_i32x4(table(&HIGH)));
    for (block, p) in blocks.iter().zip(place..) {
        let v = load(block);
        let high = _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16::<4>(v), nibble));
        // The shuffle takes bytes with the sign bit for none, which is right: they are of no class.
        let planes = _mm512_and_si512(_mm512_shuffle_epi8(low, _mm512_and_si512(v, nibble)), high);
        let any = |set: i8| _mm512_test_epi8_mask(planes, _mm512_set1_epi8(set));
        let equal = |b: u8| _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b as i8));
        let (alnum, digit, dot) = (any(LETTERS | DIGITS), any(DIGITS), equal(b'.'));
        t.alnum[p] = alnum;
        t.token[p] = any(LETTERS | DIGITS | DASH | PLUS_DOT_SLASH | UNDERSCORE);
        t.ident[p] = any(LETTERS | DIGITS | DASH | UNDERSCORE) | dot;
        t.digit[p] = digit;
        t.group[p] = any(DIGITS | DASH | PLUS_DOT_SLASH | BLANK_PARENS);
        t.assign[p] = any(ASSIGNS);
        let backslash = equal(b'\\');
        t.rare[p] = equal(b'@') | equal(ESCAPE) | equal(b'<') | equal(b'[') | equal(b'(');
        t.escape[p] = backslash | equal(b'%') | equal(b'&');
        t.backslash[p] = backslash;
        t.quote[p] = equal(b'"');
        t.space[p] = _mm512_cmple_epu8_mask(v, _mm512_set1_epi8(b' ' as i8));
        t.joint[p] = equal(b'/') | dot;
        t.newline[p] = equal(b'\n');
        t.lower[p] = alnum & !digit & _mm512_test_epi8_mask(v, _mm512_set1_epi8(0x20));
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(block: &[u8; 64]) -> __m512i {
    // SAFETY: the reference says that 64 bytes can be read there; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(std::ptr::from_ref(block).cast()) }
}

/// Keeps of the words that begin in a text, a bitmap for each 64 bytes, those that may begin as what is looked for does.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
pub(super) fn narrow(begins: &mut [u64], text: &[u8], openings: &Openings) {
    let [one, two] = &openings.groups;
    let (one, two) = (Group::new(one), Group::new(two));
    for (begins, at) in begins.iter_mut().zip((0..).step_by(64)) {
        let rest = text.get(at..).unwrap_or_default();
        let mut last = [0; REACH];
        let bytes = match rest.first_chunk() {
            Some(bytes) => bytes,
            None => {
                last[..rest.len()].copy_from_slice(rest);
                &last
            }
        };
        let places = [load(from::<0>(bytes)), load(from::<1>(bytes)), load(from::<2>(bytes)), load(from::<3>(bytes))];
        let known = _mm512_or_si512(one.known(places), two.known(places));
        *begins &= _mm512_test_epi8_mask(known, known);
    }
}

/// The tables of eight buckets, by halves.
struct Group([(__m512i, __m512i); HEAD]);

impl Group {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new([a, b, c, d]: &[[u8; 128]; HEAD]) -> Self {
        Self([halves(a), halves(b), halves(c), halves(d)])
    }

    /// For each of 64 words, of which bytes of all places are given, the buckets that know them.
    #[target_feature(enable = "avx512f,avx512vbmi")]
    #[inline]
    fn known(&self, bytes: [__m512i; HEAD]) -> __m512i {
        let [a, b, c, d] = self.0;
        let ab = _mm512_and_si512(look_up(a, bytes[0]), look_up(b, bytes[1]));
        _mm512_and_si512(ab, _mm512_and_si512(look_up(c, bytes[2]), look_up(d, bytes[3])))
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn halves(table: &[u8; 128]) -> (__m512i, __m512i) {
    let ([low, high], _) = table.as_chunks() else { unreachable!("128 is twice 64") };
    (load(low), load(high))
}

/// What stands in a table for each byte, of which seven bits count.
#[target_feature(enable = "avx512vbmi")]
#[inline]
fn look_up((low, high): (__m512i, __m512i), bytes: __m512i) -> __m512i {
    _mm512_permutex2var_epi8(low, bytes, high)
}

/// A block, and what a word that begins with its last byte goes on with.
const REACH: usize = 64 + HEAD - 1;

/// The 64 bytes from the `N`th one on.
#[inline]
fn from<const N: usize>(bytes: &[u8; REACH]) -> &[u8; 64] {
    match bytes[N..].first_chunk() {
        Some(block) => block,
        None => unreachable!("there are {REACH} bytes"),
    }
}
