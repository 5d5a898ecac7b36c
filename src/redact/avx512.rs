//! The bitmaps of 64 bytes at a time with AVX-512: each comparison gives its bitmap at once, the bits of a bitmap become
//! places sixteen at a time, and how words begin is looked up for all bytes of a block.
//!
//! # Safety
//! What is unsafe is the load or store of a vector by a reference to as many bytes.
#![expect(unsafe_code, reason = "the loads and the stores, proved above")]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_si128,
    _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8,
    _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask, _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_storeu_si512, _mm512_test_epi8_mask,
};

use super::codes::CODES;
use super::openings::{HEAD, Openings};
use super::tile::{AHEAD, Tile, derive_with};

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

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
#[inline(never)]
pub(super) fn derive(tile: &mut Tile, count: usize) {
    derive_with(tile, count);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline(never)]
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    let (ascii, _) = CODES.split_first_chunk().unwrap_or_else(|| unreachable!("128 is half of 256"));
    let codes = halves(ascii);
    for (block, p) in blocks.iter().zip(place..) {
        let v = load(block);
        _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast());
        // What is no ASCII is of no class.
        let ascii = !_mm512_movepi8_mask(v);
        let codes = _mm512_maskz_permutex2var_epi8(ascii, codes.0, v, codes.1);
        for (row, bit) in t.codes.iter_mut().zip(0..) {
            row[p] = _mm512_test_epi8_mask(codes, _mm512_set1_epi8(1 << bit));
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(block: &[u8; 64]) -> __m512i {
    // SAFETY: the reference says that 64 bytes can be read there; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(std::ptr::from_ref(block).cast()) }
}

/// Keeps of the words that begin in a text, a bitmap for each 64 bytes, those that may begin as what is looked for does.
///
/// By itself, so that the tables stay in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline(never)]
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
