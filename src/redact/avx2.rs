//! The codes of 64 bytes at a time with AVX2: eight table look-ups by the lower half of a byte, one for each upper half.
//!
//! The portable twin is [`super::codes::classify`]; a test holds the two against each other over all bytes.
//!
//! # Safety
//! What is unsafe is the load of a vector by a reference to as many bytes.
#![expect(unsafe_code, reason = "the loads, proved above")]

use std::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_adds_epu8, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_sub_epi8,
};

use super::codes::{BITS, CODES};
use super::tile::{AHEAD, Tile, derive_with};

#[target_feature(enable = "avx2")]
#[inline(never)]
pub(super) fn derive(tile: &mut Tile, count: usize) {
    derive_with(tile, count);
}

#[target_feature(enable = "avx2")]
#[inline(never)]
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    for (block, p) in blocks.iter().zip(place..) {
        _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast());
        // In a loop, so that the one call is inlined whatever it costs.
        let mut halves = [[0; BITS]; 2];
        for (bits, bytes) in halves.iter_mut().zip(block.as_chunks().0) {
            *bits = half(bytes);
        }
        let [low, high] = halves;
        for ((row, low), high) in t.codes.iter_mut().zip(low).zip(high) {
            row[p] = u64::from(low) | u64::from(high) << 32;
        }
    }
}

/// The bits of the codes of 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn half(bytes: &[u8; 32]) -> [u32; BITS] {
    let v = load(bytes);
    let mut codes = _mm256_setzero_si256();
    for (sixteen, first) in CODES.as_chunks().0[..8].iter().zip((0..).step_by(16)) {
        // Bytes of another upper half come out above 0x7f, for which a shuffle gives nothing.
        let place = _mm256_adds_epu8(_mm256_sub_epi8(v, _mm256_set1_epi8(first)), _mm256_set1_epi8(0x70));
        codes = _mm256_or_si256(codes, _mm256_shuffle_epi8(twice(sixteen), place));
    }
    let top = |shifted| _mm256_movemask_epi8(shifted) as u32;
    [
        top(_mm256_slli_epi16::<7>(codes)),
        top(_mm256_slli_epi16::<6>(codes)),
        top(_mm256_slli_epi16::<5>(codes)),
        top(_mm256_slli_epi16::<4>(codes)),
        top(_mm256_slli_epi16::<3>(codes)),
        top(_mm256_slli_epi16::<2>(codes)),
    ]
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
