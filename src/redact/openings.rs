//! How the words begin that are looked for, in a form in which all bytes of a text can be asked at once.

use super::heads::HEAD as KNOWN;
use super::matcher::ByteSet;

/// How many of the first bytes of a word are looked at.
pub(super) const HEAD: usize = 4;

/// How many buckets the openings are put into, as bits of a byte and groups of eight.
const BUCKETS: usize = 16;

/// Sixteen buckets of openings, each of which knows what its openings have first, second, third and fourth.
///
/// A word may be looked for when there is a bucket that knows each of its first four bytes in its place. That says yes to
/// more than there is, and the fewer the better the openings of a bucket go together. The method is that of the packed
/// search for several literals in Hyperscan ("Teddy"), with tables for whole bytes in place of half ones.
pub(super) struct Openings {
    /// For each place and each byte, by its lower seven bits, the buckets of a group that know it.
    pub(super) groups: [[[u8; 128]; HEAD]; BUCKETS / 8],
}

impl Openings {
    /// Of each literal, what may stand in its first places where it is shorter itself.
    pub(super) fn new<'l>(literals: impl Iterator<Item = (&'l [u8], [Option<ByteSet>; KNOWN])>) -> Self {
        let common = Common::new();
        let mut buckets: [Bucket; BUCKETS] = Default::default();
        for (literal, sets) in literals {
            let mut own = Bucket::default();
            for n in 0..HEAD {
                own.sets[n] = match (literal.get(n), sets.get(n)) {
                    (Some(b), _) => bit(*b),
                    (None, Some(Some(set))) => set.folded(),
                    (None, _) => u128::MAX,
                };
                own.words[n] = common.with(n, own.sets[n]);
            }
            // Where it lets the fewest more pass: words that are common in logs, and then any.
            let cost = |bucket: &Bucket| {
                let joined = bucket.joined(&own);
                let (words, all) = joined.passed();
                let (before, all_before) = bucket.passed();
                (words - before, all - all_before)
            };
            if let Some(bucket) = buckets.iter_mut().min_by_key(|b| cost(b)) {
                *bucket = bucket.joined(&own);
            }
        }
        let mut groups = [[[0; 128]; HEAD]; BUCKETS / 8];
        for (k, bucket) in buckets.iter().enumerate() {
            for (table, set) in groups[k / 8].iter_mut().zip(bucket.sets) {
                (0..128).filter(|b| set >> b & 1 == 1).for_each(|b| table[b] |= 1 << (k % 8));
            }
        }
        Self { groups }
    }

    /// Whether a bucket knows the first bytes of a word.
    #[cfg(test)]
    pub(super) fn know(&self, word: [u8; HEAD]) -> bool {
        let known =
            |group: &[[u8; 128]; HEAD]| (0..HEAD).fold(u8::MAX, |all, n| all & group[n][word[n] as usize % 128]);
        self.groups.iter().any(|group| known(group) != 0)
    }
}

/// The set of one byte, by its lower seven bits.
fn bit(b: u8) -> u128 {
    1 << (b % 128)
}

/// What the openings of a bucket have in each place, and which common words have one of that there.
#[derive(Clone, Copy, Default)]
struct Bucket {
    sets: [u128; HEAD],
    words: [u128; HEAD],
}

impl Bucket {
    fn joined(&self, other: &Self) -> Self {
        Self {
            sets: std::array::from_fn(|n| self.sets[n] | other.sets[n]),
            words: std::array::from_fn(|n| self.words[n] | other.words[n]),
        }
    }

    /// How many of the common words pass, and how many words at all.
    fn passed(&self) -> (u32, u32) {
        let words = self.words.iter().fold(u128::MAX, |all, set| all & set);
        (words.count_ones(), self.sets.iter().map(|set| set.count_ones()).product())
    }
}

/// How words begin that nearly every log is full of; at most 128.
const COMMON: &str = "\
    acce acti addr agen appl auth body byte cach call clie code comp conf conn cont coun crea data date deta \
    dura erro even exce fail file form from func hand head host http info inpu json keep kind late leve limi \
    list load loca mess meta meth mode modu name node null numb outp page para pare pass path port proc prod \
    quer rate read reas refe regi remo requ reso resp resu retr role rout rule sear serv sess size sour span \
    stat step stre succ tabl task test text thre time toke tota trac true type upda upst user valu vers view \
    with work 2024 2025 2026 HTTP INFO WARN ERRO DEBU Mozi Appl Safa Chro Geck Wind Linu Maci POST Requ";

/// The common words with a byte in a place.
struct Common([[u128; 128]; HEAD]);

impl Common {
    fn new() -> Self {
        let mut with = [[0; 128]; HEAD];
        for (i, word) in COMMON.split(' ').enumerate() {
            for (table, b) in with.iter_mut().zip(word.bytes()) {
                table[usize::from(b % 128)] |= 1 << i;
            }
        }
        Self(with)
    }

    /// The words that have one of `set` in place `n`.
    fn with(&self, n: usize, mut set: u128) -> u128 {
        let mut words = 0;
        while set != 0 {
            words |= self.0[n][set.trailing_zeros() as usize];
            set &= set - 1;
        }
        words
    }
}

#[cfg(test)]
impl Openings {
    /// Those of a search for everything.
    pub(super) fn any() -> Self {
        Self { groups: [[[u8::MAX; 128]; HEAD]; BUCKETS / 8] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::matcher::Matcher;
    use crate::redact::set::RuleSet;
    use crate::rules::load_embedded;

    #[test]
    fn no_opening_is_missed() {
        let matcher = Matcher::new("s[k-m][0-9]{4}").unwrap();
        let openings = Openings::new(
            [(&b"secret"[..], [None; KNOWN]), (b"s", matcher.heads()), (b"x-", [None; KNOWN])].into_iter(),
        );
        for (word, known) in [
            (b"secr", true),
            (b"sect", false),
            (b"sl42", true),
            (b"sn42", false),
            (b"sll2", false),
            (b"x-yz", true),
            (b"xyyz", false),
        ] {
            assert_eq!(openings.know(*word), known, "{}", word.escape_ascii());
        }
    }

    #[test]
    fn few_common_words_pass_all_rules_of_the_packs() {
        let set = RuleSet::new(load_embedded());
        let words: Vec<[u8; HEAD]> = COMMON.split(' ').map(|w| w.as_bytes().try_into().unwrap()).collect();
        assert!((100..=128).contains(&words.len()), "{}", words.len());
        let passed: Vec<_> =
            words.iter().filter(|w| set.prefixes.openings.know(**w)).map(|w| w.escape_ascii().to_string()).collect();
        assert!(passed.len() <= 32, "{passed:?}");
    }
}
