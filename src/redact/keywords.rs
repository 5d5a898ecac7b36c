//! The keywords of rules: words that stand before a value or in a name.

use std::collections::BTreeMap;
use std::ops::Range;

use super::bytes::{before, starts_word, starts_word_behind, work};
use super::rows::Rows;
use crate::rules::RuleDef;

/// A keyword in a text; in order of where they end, the longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word {
    pub(super) end: usize,
    pub(super) start: usize,
    number: usize,
}

/// The keywords of all rules.
pub(super) struct Keywords {
    /// In order of [`head`].
    words: Vec<Keyword>,
    /// The words by their heads, those left out that are too short to have one.
    heads: Rows<{ HEADS / 64 }>,
    /// How many these are; they come first.
    short: usize,
}

/// A keyword in small letters, and its rules in order.
struct Keyword {
    head: usize,
    text: Box<[u8]>,
    rules: Vec<u16>,
}

impl Default for Keywords {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Keywords {
    pub(super) fn new(rules: &[RuleDef]) -> Self {
        let mut by_text: BTreeMap<&[u8], Vec<u16>> = BTreeMap::new();
        for (i, r) in rules.iter().enumerate() {
            r.keywords.iter().for_each(|k| by_text.entry(k.as_bytes()).or_default().push(i as u16));
        }
        let keyword =
            |(text, rules): (&[u8], _)| Keyword { head: text.first_chunk().map_or(0, head), text: text.into(), rules };
        let mut words: Vec<_> = by_text.into_iter().map(keyword).collect();
        words.sort_by_key(|w| (w.text.len() >= HEAD, w.head));
        let short = words.partition_point(|w| w.text.len() < HEAD);
        let heads = Rows::new(words[short..].iter().map(|w| w.head));
        Self { words, heads, short }
    }

    /// Puts the keywords in a part of `text` into `found`, which is emptied first. A word has to begin with each, or a hump
    /// of one; what stands before the part counts for that.
    pub(super) fn find(&self, text: &[u8], part: Range<usize>, found: &mut Vec<Word>) {
        found.clear();
        work(part.len());
        let bytes = &text[..part.end];
        let mut compare = |start: usize, number: usize| {
            let word = &*self.words[number].text;
            let end = start + word.len();
            if bytes.get(start..end).is_some_and(|t| t.eq_ignore_ascii_case(word)) {
                found.push(Word { end, start, number });
            }
        };
        let mut previous = before(text, part.start);
        for (start, next) in (part.start..).zip(bytes[part.start..].array_windows()) {
            if starts_word_behind(std::mem::replace(&mut previous, next[0]), next[0]) {
                self.heads.get(head(next)).for_each(|n| compare(start, self.short + n));
            }
        }
        for n in 0..self.short {
            part.clone().filter(|start| starts_word(text, *start)).for_each(|start| compare(start, n));
        }
        found.sort_unstable();
    }

    /// The rules of a keyword that was found.
    pub(super) fn rules(&self, word: Word) -> &[u16] {
        &self.words[word.number].rules
    }
}

/// How many of the first bytes of a word are looked up.
const HEAD: usize = 3;

/// How many heads are told apart.
const HEADS: usize = 1 << 14;

/// A number below [`HEADS`] made of the first bytes, the same for letters in either case.
#[inline(always)]
fn head([a, b, c]: &[u8; HEAD]) -> usize {
    let small = u32::from_le_bytes([*a, *b, *c, 0]) | 0x2020_2020;
    (small.wrapping_mul(0x9e37_79b9) >> 18) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords(all: &[&str]) -> Keywords {
        let rule = |k: &&str| RuleDef { keywords: vec![(*k).to_owned()], ..RuleDef::default() };
        Keywords::new(&all.iter().map(rule).collect::<Vec<_>>())
    }

    #[test]
    fn they_are_found_where_words_begin_in_the_order_in_which_they_end() {
        let k = keywords(&["api key", "acme", "key", "acme_api", "api", "7pay", "-x", "api"]);
        let find = |text: &str, from: usize| {
            let mut found = Vec::new();
            k.find(text.as_bytes(), from..text.len(), &mut found);
            let of = |w: &Word| (text[w.start..w.end].to_owned(), k.rules(*w).to_vec());
            found.iter().map(of).collect::<Vec<_>>()
        };
        let one = |word: &str, rules: &[u16]| (word.to_owned(), rules.to_vec());
        assert_eq!(find("my API Key is", 0), [one("API", &[4, 7]), one("API Key", &[0]), one("Key", &[2])]);
        assert_eq!(
            find("ACME_API keys", 0),
            [one("ACME", &[1]), one("ACME_API", &[3]), one("API", &[4, 7]), one("API key", &[0]), one("key", &[2])]
        );
        assert_eq!(find("myApi monkey 7pay a-x", 0), [one("Api", &[4, 7]), one("7pay", &[5]), one("-x", &[6])]);
        // A part that begins in the middle of a word, and one that ends in a keyword.
        assert_eq!(find("monkey", 3), []);
        assert_eq!(find("ke", 0), []);
        assert_eq!(find("", 0), []);
        let mut found = Vec::new();
        keywords(&[]).find(b"no keywords", 0..11, &mut found);
        assert_eq!(found, []);
    }
}
