//! One pass over the bytes that says where anything worth a look may stand.
//!
//! The text is classified 64 bytes at a time into bitmaps; runs come out of shift-and-AND chains on the bitmaps, not of
//! loops over bytes. What comes out are short lists of positions, one list a kind, in order. Everything that is in no
//! list is never looked at again. Two of the bitmaps are kept, so that a check can ask where a token or a name ends
//! without going through its bytes.

use std::ops::Range;

use super::again::Piece;
use super::runs::Runs;
use super::tile::{FIRST, TILE, Tile, blocks_of};

/// Positions worth a look, each list in order, and the bitmaps that are kept.
#[derive(Default)]
pub(super) struct Index {
    /// `:` and `=`, but for those in times of day; those in `keys` once the glance is done.
    pub(super) assigns: List,
    /// Colons right behind the quote of a name, before what opens nothing.
    pub(super) keys: List,
    /// Bytes of the class `RARE`, and the places where a long option may begin.
    pub(super) rares: List,
    /// Where other spellings begin: `\`, `%` and `&`.
    pub(super) escapes: List,
    /// Starts of words that are long enough to begin a secret.
    pub(super) prefixes: List,
    /// Starts of tokens with the look of a secret, and of those behind a blank that are long or have a digit close by.
    pub(super) marked: List,
    /// Of those, what is long or no value that stands right behind a name.
    pub(super) secretive: List,
    /// Starts of words behind a blank that may be a secret when the words before say so.
    pub(super) spaced: List,
    /// Starts of digit runs that are long (9 digits) or stand in a long grouped number (11 bytes).
    pub(super) numbers: List,
    /// Newlines.
    pub(super) lines: List,
    /// Runs of token bytes.
    pub(super) tokens: Runs,
    /// Runs of identifier bytes.
    pub(super) idents: Runs,
    /// Runs of digits.
    pub(super) digits: Runs,
    /// Double quotes that are not escaped.
    pub(super) quotes: Runs,
    /// The blocks in hand.
    tile: Option<Box<Tile>>,
}

/// Positions in order, in a buffer that only grows.
#[derive(Default)]
pub(super) struct List {
    buffer: Vec<u32>,
    len: usize,
}

impl List {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes the buffer hold at least `len` positions.
    fn grow(&mut self, len: usize) {
        if self.buffer.len() < len {
            self.buffer.resize(len.next_power_of_two(), 0);
        }
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[u32] {
        &self.buffer[..self.len]
    }

    #[inline(always)]
    pub(super) fn as_mut_slice(&mut self) -> &mut [u32] {
        &mut self.buffer[..self.len]
    }

    /// Becomes what `kept` and `near` say of some pieces, each position moved to where its piece is.
    fn compose(&mut self, kept: &Self, near: &Self, pieces: &[Piece]) {
        self.len = 0;
        self.grow(kept.len + near.len);
        let (mut kept, mut near) = (kept.as_slice(), near.as_slice());
        for p in pieces {
            let list = if p.near { &mut near } else { &mut kept };
            while let Some((at, rest)) = list.split_first().filter(|(at, _)| (**at as usize) < p.from + p.len) {
                if *at as usize >= p.from {
                    self.buffer[self.len] = (*at as usize - p.from + p.start) as u32;
                    self.len += 1;
                }
                *list = rest;
            }
        }
    }

    /// Keeps the positions in these ranges, which are in order.
    fn keep(&mut self, ranges: &[Range<u32>]) {
        let positions = self.as_mut_slice();
        let (mut i, mut n) = (0, 0);
        for r in ranges {
            while i < positions.len() && positions[i] < r.end {
                positions[n] = positions[i];
                n += usize::from(positions[i] >= r.start);
                i += 1;
            }
        }
        self.len = n;
    }

    /// Takes in the positions of another list, all of them in order.
    pub(super) fn merge(&mut self, other: &Self) {
        let (mut mine, mut others) = (self.len, other.as_slice());
        self.len += others.len();
        self.grow(self.len);
        // From behind, so that nothing is overwritten that is still to be moved.
        while let Some((last, rest)) = others.split_last() {
            let to = mine + others.len() - 1;
            if mine > 0 && self.buffer[mine - 1] > *last {
                mine -= 1;
                self.buffer[to] = self.buffer[mine];
            } else {
                self.buffer[to] = *last;
                others = rest;
            }
        }
    }

    /// Keeps the first `len` positions.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Room for all positions of a tile, whatever stands in it now.
    fn room(&mut self) -> &mut [u32; ROOM] {
        self.grow(self.len + ROOM);
        match self.buffer[self.len..].first_chunk_mut() {
            Some(room) => room,
            None => unreachable!("there is room for a tile"),
        }
    }

    /// The same of a row most of whose blocks have none.
    #[inline(always)]
    fn extend_sparse(&mut self, row: &[u64], base: u32, unpack: impl Fn(u64, u32, usize, &mut [u32; 64])) {
        let mut blocks = row.iter().zip(0..).fold(0u64, |all, (mask, i)| all | u64::from(*mask != 0) << i);
        let room = self.room();
        let mut n = 0;
        while blocks != 0 {
            let i = blocks.trailing_zeros();
            blocks &= blocks - 1;
            let mask = row[i as usize % TILE];
            let Some(to) = room[n..].first_chunk_mut() else { unreachable!("there is room for a tile") };
            unpack(mask, base + 64 * i, 1, to);
            n += mask.count_ones() as usize;
        }
        self.len += n;
    }

    /// Adds the positions of the set bits of a tile's row, the first of which stands at `base`.
    #[inline(always)]
    fn extend(&mut self, row: &[u64], base: u32, usual: usize, unpack: impl Fn(u64, u32, usize, &mut [u32; 64])) {
        let room = self.room();
        let mut n = 0;
        for (mask, base) in row.iter().zip((base..).step_by(64)) {
            let Some(to) = room[n..].first_chunk_mut() else { unreachable!("there is room for a tile") };
            unpack(*mask, base, usual, to);
            n += mask.count_ones() as usize;
        }
        self.len += n;
    }
}

#[cfg(test)]
impl FromIterator<u32> for List {
    fn from_iter<I: IntoIterator<Item = u32>>(positions: I) -> Self {
        let buffer = Vec::from_iter(positions);
        Self { len: buffer.len(), buffer }
    }
}

/// Room for the positions of one tile in a list, and for some more that are written and not counted.
const ROOM: usize = TILE * 64 * 2;

/// A list that is used up from the front.
#[derive(Clone, Copy)]
pub(super) struct Rest<'i>(&'i [u32]);

impl<'i> Rest<'i> {
    /// Takes the positions below `end`.
    #[inline(always)]
    pub(super) fn up_to(&mut self, end: u32) -> &'i [u32] {
        let n = self.0.iter().take_while(|p| **p < end).count();
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }

    #[inline(always)]
    fn begins_before(&self, end: u32) -> bool {
        self.0.first().is_some_and(|p| *p < end)
    }
}

/// The lists of an [`Index`], used up line by line.
pub(super) struct Cursor<'i> {
    pub(super) assigns: Rest<'i>,
    pub(super) rares: Rest<'i>,
    pub(super) escapes: Rest<'i>,
    pub(super) prefixes: Rest<'i>,
    pub(super) secretive: Rest<'i>,
    pub(super) spaced: Rest<'i>,
    pub(super) numbers: Rest<'i>,
}

impl Cursor<'_> {
    /// Whether any list has a position below `end`.
    #[inline(always)]
    pub(super) fn any_before(&self, end: u32) -> bool {
        self.assigns.begins_before(end)
            || self.secretive.begins_before(end)
            || self.spaced.begins_before(end)
            || self.prefixes.begins_before(end)
            || self.rares.begins_before(end)
            || self.escapes.begins_before(end)
            || self.numbers.begins_before(end)
    }

    /// Goes on to the positions from `end` on.
    pub(super) fn pass(&mut self, end: u32) {
        let Self { assigns, rares, escapes, prefixes, secretive, spaced, numbers } = self;
        for list in [assigns, rares, escapes, prefixes, secretive, spaced, numbers] {
            list.up_to(end);
        }
    }
}

impl Index {
    /// A cursor at the front of all lists.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            assigns: Rest(self.assigns.as_slice()),
            rares: Rest(self.rares.as_slice()),
            escapes: Rest(self.escapes.as_slice()),
            prefixes: Rest(self.prefixes.as_slice()),
            secretive: Rest(self.secretive.as_slice()),
            spaced: Rest(self.spaced.as_slice()),
            numbers: Rest(self.numbers.as_slice()),
        }
    }

    /// Fills the lists for `text`, emptying them first, with the given ways to classify blocks, to work on bitmaps, to
    /// drop words of a text that begin as nothing does, and to turn a bitmap into positions.
    #[inline(always)]
    pub(super) fn build(
        &mut self,
        text: &[u8],
        classify: impl Fn(&[[u8; 64]], &mut Tile, usize),
        derive: impl Fn(&mut Tile, usize),
        narrow: impl Fn(&mut [u64], &[u8]),
        unpack: impl Fn(u64, u32, usize, &mut [u32; 64]) + Copy,
    ) {
        let Self { assigns, keys, rares, escapes, prefixes: starts, .. } = self;
        let Self { marked, secretive, spaced, numbers, lines, .. } = self;
        let lists = [assigns, keys, rares, escapes, starts, marked, secretive, spaced, numbers, lines];
        lists.into_iter().for_each(List::clear);
        let (blocks, rest) = text.as_chunks::<64>();
        let all = blocks.len() + 1;
        let runs = [&mut self.tokens, &mut self.idents, &mut self.digits, &mut self.quotes];
        runs.into_iter().for_each(|runs| runs.begin(all));
        // What fills up the last block is of no class.
        let mut tail = [0xff; 64];
        tail[..rest.len()].copy_from_slice(rest);
        let mut tile = self.tile.take().unwrap_or_else(Tile::new);
        tile.begin();
        for first in (0..all).step_by(TILE) {
            let count = TILE.min(all - first);
            // The block behind the tile is looked into by the last one of it.
            let here = &blocks[first..(first + count + 1).min(blocks.len())];
            classify(here, &mut tile, FIRST);
            if here.len() <= count {
                classify(std::slice::from_ref(&tail), &mut tile, FIRST + here.len());
                tile.clear(FIRST + here.len() + 1);
            }
            derive(&mut tile, count);
            tile.unescaped(count);
            tile.tell_keys(count);
            narrow(&mut tile.begins[FIRST..][..count], &text[first * 64..]);
            self.take(&tile, first, count, unpack);
            tile.advance(count);
        }
        self.tile = Some(tile);
    }

    /// Keeps the positions in these ranges, which are in order.
    pub(super) fn keep(&mut self, ranges: &[Range<u32>]) {
        let Self { assigns, keys, rares, escapes, prefixes, secretive, spaced, numbers, .. } = self;
        let lists = [assigns, keys, rares, escapes, prefixes, secretive, spaced, numbers];
        lists.into_iter().for_each(|list| list.keep(ranges));
    }

    /// Fills the lists for parts of a text of `len` bytes, emptying them first, with what was seen of them elsewhere: near
    /// replacements, or in `kept`. Positions outside of the parts are of no meaning.
    pub(super) fn compose(&mut self, len: usize, kept: &Self, near: &Self, pieces: &[Piece]) {
        let to = [
            (&mut self.assigns, &kept.assigns, &near.assigns),
            (&mut self.rares, &kept.rares, &near.rares),
            (&mut self.escapes, &kept.escapes, &near.escapes),
            (&mut self.prefixes, &kept.prefixes, &near.prefixes),
            (&mut self.secretive, &kept.secretive, &near.secretive),
            (&mut self.spaced, &kept.spaced, &near.spaced),
            (&mut self.numbers, &kept.numbers, &near.numbers),
        ];
        to.into_iter().for_each(|(to, kept, near)| to.compose(kept, near, pieces));
        let to = [
            (&mut self.tokens, &kept.tokens, &near.tokens),
            (&mut self.idents, &kept.idents, &near.idents),
            (&mut self.digits, &kept.digits, &near.digits),
            (&mut self.quotes, &kept.quotes, &near.quotes),
        ];
        for (to, kept, near) in to {
            to.begin(len / 64 + 1);
            pieces.iter().for_each(|p| to.put(p.start, if p.near { near } else { kept }, p.from, p.len));
        }
    }

    /// Adds what the `count` blocks of a tile hold, the first of which has the number `first`.
    #[inline(always)]
    fn take(&mut self, t: &Tile, first: usize, count: usize, unpack: impl Fn(u64, u32, usize, &mut [u32; 64]) + Copy) {
        let base = first as u32 * 64;
        self.tokens.set(first, blocks_of(&t.token, count));
        self.idents.set(first, blocks_of(&t.ident, count));
        self.digits.set(first, blocks_of(&t.digit, count));
        self.quotes.set(first, blocks_of(&t.quote, count));
        // With each list, how many positions a block usually has.
        self.assigns.extend_sparse(blocks_of(&t.assign, count), base, unpack);
        self.keys.extend(blocks_of(&t.keys, count), base, 4, unpack);
        self.lines.extend_sparse(blocks_of(&t.newline, count), base, unpack);
        self.rares.extend_sparse(blocks_of(&t.rare, count), base, unpack);
        self.escapes.extend_sparse(blocks_of(&t.escape, count), base, unpack);
        self.numbers.extend_sparse(blocks_of(&t.numbers, count), base, unpack);
        self.marked.extend_sparse(blocks_of(&t.marked, count), base, unpack);
        self.secretive.extend_sparse(blocks_of(&t.secretive, count), base, unpack);
        self.spaced.extend_sparse(blocks_of(&t.spaced, count), base, unpack);
        self.prefixes.extend(blocks_of(&t.begins, count), base, 8, unpack);
    }
}

#[cfg(test)]
mod tests {
    use super::super::openings::Openings;
    use super::super::set::RuleSet;
    use super::super::survey;
    use super::*;

    fn of(text: &[u8]) -> Index {
        let mut x = Index::default();
        (survey::best().build)(&mut x, text, &Openings::any());
        x
    }

    #[test]
    fn finds_each_kind_in_any_place_of_a_block() {
        for pad in [0usize, 1, 50, 58, 60, 63, 64, 65, 127, 200] {
            let mut text = vec![b' '; pad];
            text.extend_from_slice(
                b"\"k\":abcdef1h a@b \\ 4111111111111111 --user x\nn=1 12:34:56 12:345 \\\":1 \"k\":[1]",
            );
            let p = pad as u32;
            let x = of(&text);
            assert_eq!(x.keys.as_slice(), [p + 3], "pad {pad}");
            assert_eq!(x.assigns.as_slice(), [46, 60, 67, 73].map(|n| n + p), "pad {pad}");
            assert_eq!(x.rares.as_slice(), [14, 36, 74].map(|n| n + p), "pad {pad}");
            assert_eq!(x.escapes.as_slice(), [p + 17, p + 65], "pad {pad}");
            assert_eq!(x.marked.as_slice(), [p + 4, p + 19], "pad {pad}");
            assert!(x.numbers.as_slice().contains(&(p + 19)), "pad {pad}");
            assert_eq!(x.lines.as_slice(), [p + 44], "pad {pad}");
        }
    }

    #[test]
    fn marked_are_tokens_with_a_mark_and_those_behind_a_blank_that_are_long_or_have_a_digit() {
        let starts = |text: &str| of(text.as_bytes()).marked.as_slice().to_vec();
        assert_eq!(starts(r#""abcdefgh","abcdefg8","abcdEfgh","ABCDEFGH""#), [12, 23]);
        assert_eq!(starts(r#""12-34-56-78","1234a-78","a/bcdefgh9""#), [15, 26, 28]);
        assert_eq!(starts(" blanks,short ab"), [] as [u32; 0]);
        assert_eq!(starts(" wordonly,x wordwordwordword words-12345678"), [12, 29]);
        let spaced = |text: &str| of(text.as_bytes()).spaced.as_slice().to_vec();
        assert_eq!(spaced(" blanks,short abcdef7 hunter2 \"hunter2 longlonglonglong"), [14, 22, 39]);
        // The mark counts when it is at most 15 bytes on.
        assert_eq!(starts(&format!("\"a{}b1\"", "-".repeat(14))), [1]);
        assert_eq!(starts(&format!("\"a{}b1\"", "-".repeat(15))), [] as [u32; 0]);
    }

    #[test]
    fn all_paths_see_the_same() {
        let mut text: Vec<u8> = (0..=255u8).cycle().take(1000).collect();
        text.extend((0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
        text.extend((0..5000u32).map(|i| b' ' + (i.wrapping_mul(2_654_435_761) >> 16) as u8 % 96));
        for (from, survey) in (0..70).flat_map(|from| survey::all().into_iter().map(move |survey| (from, survey))) {
            let (mut a, mut b) = (Index::default(), Index::default());
            (survey::PORTABLE.build)(&mut a, &text[from..], &Openings::any());
            (survey.build)(&mut b, &text[from..], &Openings::any());
            for (a, b) in [
                (&a.assigns, &b.assigns),
                (&a.keys, &b.keys),
                (&a.rares, &b.rares),
                (&a.escapes, &b.escapes),
                (&a.prefixes, &b.prefixes),
                (&a.marked, &b.marked),
                (&a.secretive, &b.secretive),
                (&a.spaced, &b.spaced),
                (&a.numbers, &b.numbers),
                (&a.lines, &b.lines),
            ] {
                assert_eq!(a.as_slice(), b.as_slice());
            }
            assert_eq!((&a.tokens, &a.idents), (&b.tokens, &b.idents));
            assert_eq!((&a.digits, &a.quotes), (&b.digits, &b.quotes));
        }
    }

    #[test]
    fn quotes_behind_an_odd_number_of_backslashes_are_escaped() {
        let letters = br#"a"\\"#;
        for n in 0..letters.len().pow(8) {
            // Across the ends of blocks and of tiles, behind other text.
            let pad = [0, 1, 57, 60, 63, 64, 64 * TILE - 4][n % 7];
            let mut text = vec![b'.'; pad];
            text.extend((0..8).map(|i| letters[n / letters.len().pow(i) % letters.len()]));
            let x = of(&text);
            for at in pad..text.len() {
                let slashes = text[..at].iter().rev().take_while(|b| **b == b'\\').count();
                let plain = text[at] == b'"' && slashes % 2 == 0;
                assert_eq!(x.quotes.window(at) & 1 == 1, plain, "{at} of {}", text[pad..].escape_ascii());
            }
        }
    }

    #[test]
    fn no_word_is_dropped_that_begins_as_something_does() {
        let set = RuleSet::new(crate::rules::load_embedded());
        let openings = &set.prefixes.openings;
        let literals: Vec<&str> = set.rules.iter().flat_map(|r| &r.prefixes).map(String::as_str).collect();
        let mut text = Vec::new();
        for (n, literal) in literals.iter().enumerate() {
            text.extend_from_slice(literal.as_bytes());
            text.extend_from_slice(&b"1A2b3C4d level request \n"[n % 5..]);
        }
        // A word at the very end, wherever that falls in a block.
        for end in text.len() - 130..text.len() {
            let text = [&text[..end], b" sk-a"].concat();
            let (mut all, mut kept) = (Index::default(), Index::default());
            (survey::PORTABLE.build)(&mut all, &text, openings);
            (survey::best().build)(&mut kept, &text, openings);
            let mut rest = kept.prefixes.as_slice().iter().peekable();
            for w in all.prefixes.as_slice() {
                let word = text[*w as usize..].first_chunk().unwrap();
                let is_kept = rest.next_if_eq(&w).is_some();
                assert!(is_kept || !openings.know(*word), "{} at {w}", word.escape_ascii());
            }
            assert_eq!(rest.next(), None, "a word that is none");
        }
    }

    #[test]
    fn no_cut_into_blocks_changes_what_is_seen() {
        let text =
            "2026-05-01 12:00:07 GET /v1/a1b2c3d4/x?key=AbCdEf1234567890 [x] --token abcdef {\"k\":7} 203.0.113.7 "
                .repeat(9);
        let whole = of(text.as_bytes());
        for pad in 0..64 {
            let padded = [&vec![b'\n'; pad][..], text.as_bytes()].concat();
            let x = of(&padded);
            for (a, b) in [
                (&whole.marked, &x.marked),
                (&whole.secretive, &x.secretive),
                (&whole.spaced, &x.spaced),
                (&whole.numbers, &x.numbers),
                (&whole.assigns, &x.assigns),
                (&whole.keys, &x.keys),
                (&whole.rares, &x.rares),
                (&whole.escapes, &x.escapes),
            ] {
                let moved: Vec<u32> = a.as_slice().iter().map(|p| p + pad as u32).collect();
                assert_eq!(moved, b.as_slice(), "pad {pad} of {}", padded.len());
            }
        }
    }
}
