//! Byte classes of 64 bytes at a time with AVX2 or AVX-512: two table look-ups by nibble, then a test for each class; and
//! with AVX-512 the places of set bits, sixteen at a time.
//!
//! Each plane is a product of a set of high nibbles and a set of low nibbles; the classes of [`super::bytes`] are unions
//! of planes. The method is that of W. Mula and D. Lemire for validating text with `pshufb`. The portable twin is
//! [`super::tile::classify`]; a test holds the two against each other over all bytes.
//!
//! # Safety
//! Two acts are unsafe: the call of functions compiled for an instruction set, made behind a run-time check that the
//! processor has it, and the load or store of a vector by a reference to as many bytes.
#![expect(unsafe_code, reason = "the calls, the loads and the stores, proved above")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
};

use super::index::Index;
use super::names::NameCache;
use super::set::RuleSet;
use super::sieve::sieve;
use super::survey::Survey;
use super::tile::{Tile, derive_with, unpack};

/// The passes compiled for what the processor has; `None` when it has no AVX2 or lacks the bit counts beside it.
pub(super) fn survey() -> Option<Survey> {
    macro_rules! has {
        ($($feature:tt),+) => { $(std::is_x86_feature_detected!($feature))&&+ };
    }
    if !has!("avx2", "bmi1", "bmi2", "lzcnt", "popcnt") {
        return None;
    }
    // SAFETY: both are handed out only where the processor has the features that the functions were compiled for.
    Some(if has!("avx512f", "avx512bw", "avx512vbmi2") {
        Survey {
            build: |index, text| unsafe { wide::build(index, text) },
            sieve: |index, text, set, names| unsafe { sieve_bits(index, text, set, names) },
        }
    } else {
        Survey {
            build: |index, text| unsafe { build(index, text) },
            sieve: |index, text, set, names| unsafe { sieve_bits(index, text, set, names) },
        }
    })
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn build(index: &mut Index, text: &[u8]) {
    let classify = |blocks: &[[u8; 64]], tile: &mut Tile, place| classify(blocks, tile, place);
    index.build(text, classify, |tile, count| derive(tile, count), unpack);
}

#[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
fn sieve_bits(index: &mut Index, text: &[u8], set: &RuleSet, names: &mut NameCache) {
    sieve(index, text, set, names);
}

#[target_feature(enable = "avx2")]
fn derive(tile: &mut Tile, count: usize) {
    derive_with(tile, count);
}

#[target_feature(enable = "avx2")]
fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
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
    space: u32,
    joint: u32,
    newline: u32,
    lower: u32,
}

/// High and low nibbles of each plane. A byte `0xhl` is in plane `p` when bit `p` is set in both `HIGH[h]` and `LOW[l]`.
const PLANES: [(&[usize], &[usize]); 8] = [
    (&[4, 6], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (&[5, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (&[3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (&[2], &[0xd]),
    (&[2], &[0xb, 0xe, 0xf]),
    (&[5], &[0xf]),
    (&[2], &[0, 8, 9]),
    (&[3], &[0xa, 0xd]),
];

/// The planes: letters `A`–`O` and `P`–`Z` in both cases, digits, `-`, `+./`, `_`, ` ()`, `:=`.
const LETTERS: i8 = 1 | 1 << 1;
const DIGITS: i8 = 1 << 2;
const DASH: i8 = 1 << 3;
const PLUS_DOT_SLASH: i8 = 1 << 4;
const UNDERSCORE: i8 = 1 << 5;
const BLANK_PARENS: i8 = 1 << 6;
const ASSIGNS: i8 = i8::MIN;

const HIGH: [u8; 16] = nibbles(true);
const LOW: [u8; 16] = nibbles(false);

const fn nibbles(high: bool) -> [u8; 16] {
    let mut t = [0u8; 16];
    let mut plane = 0;
    while plane < 8 {
        let set = if high { PLANES[plane].0 } else { PLANES[plane].1 };
        let mut i = 0;
        while i < set.len() {
            t[set[i]] |= 1 << plane;
            i += 1;
        }
        plane += 1;
    }
    t
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
    let escapes = or(equal(b'\\'), or(equal(b'%'), equal(b'&')));
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
        rare: bits(or(equal(b'@'), or(escapes, openers))),
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

/// The same with AVX-512: a whole block at a time, and each comparison gives its bitmap at once.
mod wide {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi512_si128,
        _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32,
        _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_shuffle_epi8,
        _mm512_srli_epi16, _mm512_storeu_si512, _mm512_test_epi8_mask,
    };

    use super::{
        ASSIGNS, BLANK_PARENS, DASH, DIGITS, HIGH, Index, LETTERS, LOW, PLUS_DOT_SLASH, Tile, UNDERSCORE, derive_with,
        table,
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn build(index: &mut Index, text: &[u8]) {
        let classify = |blocks: &[[u8; 64]], tile: &mut Tile, place| classify(blocks, tile, place);
        let unpack = |mask, base, _usual, to: &mut [u32; 64]| unpack(mask, base, to);
        index.build(text, classify, |tile, count| derive(tile, count), unpack);
    }

    /// The bytes 0 to 63 whose bits are set move together; sixteen at a time they become positions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
    #[inline]
    fn unpack(mask: u64, base: u32, to: &mut [u32; 64]) {
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
    fn derive(tile: &mut Tile, count: usize) {
        derive_with(tile, count);
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
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
            let escapes = equal(b'\\') | equal(b'%') | equal(b'&');
            t.rare[p] = equal(b'@') | escapes | equal(b'<') | equal(b'[') | equal(b'(');
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
}
