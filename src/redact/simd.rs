//! Byte classes of 64 bytes at a time with AVX2: two table look-ups by nibble, then one bit plane for each class.
//!
//! Each plane is a product of a set of high nibbles and a set of low nibbles; the classes of [`super::bytes`] are unions
//! of planes. The method is that of W. Mula and D. Lemire for validating text with `pshufb`. The portable twin is
//! [`super::index::classify`]; a test holds the two against each other over all bytes.
//!
//! # Safety
//! The only unsafe act is the call of a function compiled for AVX2, made behind a run-time check that the processor has
//! it. All memory is read through slices.
#![expect(unsafe_code, reason = "one call, proved above")]

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set_epi64x, _mm256_set1_epi8,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
};

use super::index::{Index, Masks};

/// Fills `index` with AVX2. False when the processor does not have it.
pub(super) fn build(index: &mut Index, text: &[u8]) -> bool {
    if !std::is_x86_feature_detected!("avx2") || !std::is_x86_feature_detected!("bmi1") {
        return false;
    }
    // SAFETY: the processor has the features that the function was compiled for, as was just asked.
    unsafe { build_avx2(index, text) };
    true
}

#[target_feature(enable = "avx2,bmi1")]
fn build_avx2(index: &mut Index, text: &[u8]) {
    index.build_with(text, |block| masks(block));
}

#[target_feature(enable = "avx2")]
#[inline]
fn masks(block: &[u8; 64]) -> Masks {
    let (a, b) = (half(block, 0), half(block, 32));
    let both = |n: usize| join(a.planes[n], b.planes[n]);
    let digit = both(2);
    let alnum = both(0) | both(1) | digit;
    let middle = both(3);
    Masks {
        alnum,
        token: alnum | middle | both(4),
        digit,
        group: digit | middle | both(5),
        assign: both(6),
        at: join(a.at, b.at),
        escape: both(7) | join(a.backslash, b.backslash),
    }
}

#[inline(always)]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Bit planes of 32 bytes.
struct Half {
    planes: [u32; 8],
    at: u32,
    backslash: u32,
}

/// High nibbles of each plane, as bits by nibble: entry `h` says in which planes a byte `0xh?` can be.
const HIGH: [u8; 16] =
    [0, 0, 1 << 3 | 1 << 5 | 1 << 7, 1 << 2 | 1 << 6, 1 << 0, 1 << 1 | 1 << 4, 1 << 0, 1 << 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Low nibbles of each plane: letters `A`–`O` and `P`–`Z`, digits, `+-./`, `_`, ` ()`, `:=`, `%&`.
const LOW: [u8; 16] = low();

const fn low() -> [u8; 16] {
    let sets: [&[usize]; 8] = [
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[0xb, 0xd, 0xe, 0xf],
        &[0xf],
        &[0, 8, 9],
        &[0xa, 0xd],
        &[5, 6],
    ];
    let mut t = [0u8; 16];
    let mut plane = 0;
    while plane < 8 {
        let mut i = 0;
        while i < sets[plane].len() {
            t[sets[plane][i]] |= 1 << plane;
            i += 1;
        }
        plane += 1;
    }
    t
}

#[target_feature(enable = "avx2")]
#[inline]
fn half(block: &[u8; 64], from: usize) -> Half {
    let v = load(block, from);
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(twice(&LOW), _mm256_and_si256(v, nibble));
    let high = _mm256_shuffle_epi8(twice(&HIGH), _mm256_and_si256(_mm256_srli_epi16::<4>(v), nibble));
    let c = _mm256_and_si256(low, high);
    let top = |x: __m256i| _mm256_movemask_epi8(x) as u32;
    Half {
        planes: [
            top(_mm256_slli_epi16::<7>(c)),
            top(_mm256_slli_epi16::<6>(c)),
            top(_mm256_slli_epi16::<5>(c)),
            top(_mm256_slli_epi16::<4>(c)),
            top(_mm256_slli_epi16::<3>(c)),
            top(_mm256_slli_epi16::<2>(c)),
            top(_mm256_slli_epi16::<1>(c)),
            top(c),
        ],
        at: top(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(b'@' as i8))),
        backslash: top(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(b'\\' as i8))),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(block: &[u8; 64], from: usize) -> __m256i {
    let (words, _) = block.as_chunks::<8>();
    let at = from / 8;
    _mm256_set_epi64x(
        i64::from_le_bytes(words[at + 3]),
        i64::from_le_bytes(words[at + 2]),
        i64::from_le_bytes(words[at + 1]),
        i64::from_le_bytes(words[at]),
    )
}

/// A table of 16 bytes in both lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn twice(table: &[u8; 16]) -> __m256i {
    let (words, _) = table.as_chunks::<8>();
    let (low, high) = (i64::from_le_bytes(words[0]), i64::from_le_bytes(words[1]));
    _mm256_set_epi64x(high, low, high, low)
}
