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
use super::sieve::{self, Glances};
use super::survey::Survey;
use super::tile::{Tile, unpack};
use super::{avx2, avx512};

/// The passes compiled for what the processor has, the fastest first; none when it has no AVX2 or lacks the bit counts
/// beside it.
pub(super) fn surveys() -> impl Iterator<Item = &'static Survey> {
    macro_rules! has {
        ($($feature:tt),+) => { $(std::is_x86_feature_detected!($feature))&&+ };
    }
    let avx2 = has!("avx2", "bmi1", "bmi2", "lzcnt", "popcnt");
    let avx512 = avx2 && has!("avx512f", "avx512bw", "avx512vbmi", "avx512vbmi2");
    [(avx512, &AVX512), (avx2, &AVX2)].into_iter().filter_map(|(has, survey)| has.then_some(survey))
}

// SAFETY, of both and of the glances: they are handed out above only, where the processor has the features that their
// functions were compiled for.
static AVX512: Survey =
    Survey { build: |index, text, openings| unsafe { build_512(index, text, openings) }, glances: WITH_BITS };
static AVX2: Survey = Survey { build: |index, text, _| unsafe { build_2(index, text) }, glances: WITH_BITS };

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

/// The glances, each compiled with the bit counts.
const WITH_BITS: Glances = {
    macro_rules! compiled {
        ($($glance:ident),+) => {
            [$({
                #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
                fn $glance(index: &mut Index, text: &[u8], set: &RuleSet, names: &mut NameCache) {
                    sieve::$glance(index, text, set, names);
                }
                |index, text, set, names| unsafe { $glance(index, text, set, names) }
            }),+]
        };
    }
    compiled!(names, quoted_names, words, tokens, behind_blanks, numbers, rares, escapes)
};
