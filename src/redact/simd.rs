//! The two passes over a text, compiled for what the processor has.
//!
//! # Safety
//! What is unsafe is the call of functions compiled for an instruction set, made behind a run-time check that the
//! processor has it.
#![expect(unsafe_code, reason = "the calls, proved above")]

use super::index::Index;
use super::names::NameCache;
use super::openings::Openings;
use super::set::RuleSet;
use super::sieve::sieve;
use super::survey::Survey;
use super::tile::{Tile, unpack};
use super::{avx2, avx512};

/// The passes compiled for what the processor has; `None` when it has no AVX2 or lacks the bit counts beside it.
pub(super) fn survey() -> Option<Survey> {
    macro_rules! has {
        ($($feature:tt),+) => { $(std::is_x86_feature_detected!($feature))&&+ };
    }
    if !has!("avx2", "bmi1", "bmi2", "lzcnt", "popcnt") {
        return None;
    }
    // SAFETY: each is handed out only where the processor has the features that the function was compiled for.
    let sieve: fn(&mut Index, &[u8], &RuleSet, &mut NameCache) =
        |index, text, set, names| unsafe { sieve_bits(index, text, set, names) };
    Some(if has!("avx512f", "avx512bw", "avx512vbmi", "avx512vbmi2") {
        // SAFETY: as above.
        Survey { build: |index, text, openings| unsafe { build_512(index, text, openings) }, sieve }
    } else {
        // SAFETY: as above.
        Survey { build: |index, text, _| unsafe { build_2(index, text) }, sieve }
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn build_512(index: &mut Index, text: &[u8], openings: &Openings) {
    index.build(
        text,
        |blocks, tile, place| avx512::classify(blocks, tile, place),
        |tile, count| avx512::derive(tile, count),
        |begins, text| avx512::narrow(begins, text, openings),
        |mask, base, _usual, to| avx512::unpack(mask, base, to),
    );
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn build_2(index: &mut Index, text: &[u8]) {
    let classify = |blocks: &[[u8; 64]], tile: &mut Tile, place| avx2::classify(blocks, tile, place);
    index.build(text, classify, |tile, count| avx2::derive(tile, count), |_, _| {}, unpack);
}

#[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
fn sieve_bits(index: &mut Index, text: &[u8], set: &RuleSet, names: &mut NameCache) {
    sieve(index, text, set, names);
}
