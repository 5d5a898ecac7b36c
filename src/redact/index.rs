//! One pass over the bytes that says where anything worth a look may stand.
//!
//! The text is classified 64 bytes at a time into bitmaps; runs come out of shift-and-AND chains on the bitmaps, not of
//! loops over bytes. What comes out are short lists of positions, one list a kind, in order. Everything that is in no
//! list is never looked at again. Two of the bitmaps are kept, so that a check can ask where a token or a name ends
//! without going through its bytes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::runs::Runs;
use super::set::Prefixes;
use super::tile::{self, Classifier, Deriver, TILE, Tile};

/// Positions worth a look, each list in order, and the bitmaps that are kept.
#[derive(Default)]
pub(super) struct Index {
    /// `:` and `=`.
    pub(super) assigns: List,
    /// Bytes of the class `RARE`, and the places where a long option may begin.
    pub(super) rares: List,
    /// Starts of words that begin as a rule's matches do.
    pub(super) prefixes: List,
    /// Starts of tokens with the look of a secret or a long number, and of long words behind a blank.
    pub(super) words: List,
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
    pub(super) fn as_slice(&self) -> &[u32] {
        &self.buffer[..self.len]
    }

    /// Room for all positions of a tile, whatever stands in it now.
    fn room(&mut self) -> &mut [u32; ROOM] {
        if self.buffer.len() < self.len + ROOM {
            self.buffer.resize((self.len + ROOM).next_power_of_two(), 0);
        }
        match self.buffer[self.len..].first_chunk_mut() {
            Some(room) => room,
            None => unreachable!("there is room for a tile"),
        }
    }

    /// Adds the positions of the set bits of a tile's row, the first of which stands at `base`.
    #[inline]
    fn extend(&mut self, row: &[u64], base: u32) {
        let room = self.room();
        let mut n = 0;
        for (mask, base) in row.iter().zip((base..).step_by(64)) {
            let mut mask = *mask;
            while mask != 0 {
                room[n % ROOM] = base + mask.trailing_zeros();
                mask &= mask - 1;
                n += 1;
            }
        }
        self.len += n;
    }

    /// The same, for those at which something that is looked for may begin.
    #[inline]
    fn extend_starts(&mut self, row: &[u64], base: u32, text: &[u8], prefixes: &Prefixes) {
        let room = self.room();
        let mut n = 0;
        for (mask, base) in row.iter().zip((base..).step_by(64)) {
            let mut mask = *mask;
            while mask != 0 {
                let at = base + mask.trailing_zeros();
                mask &= mask - 1;
                room[n % ROOM] = at;
                n += usize::from(prefixes.may_start(text, at as usize));
            }
        }
        self.len += n;
    }
}

/// Most positions of one tile in a list.
const ROOM: usize = TILE * 64;

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
    pub(super) prefixes: Rest<'i>,
    pub(super) words: Rest<'i>,
    pub(super) numbers: Rest<'i>,
}

impl Cursor<'_> {
    /// Whether any list has a position below `end`.
    #[inline(always)]
    pub(super) fn any_before(&self, end: u32) -> bool {
        self.assigns.begins_before(end)
            || self.words.begins_before(end)
            || self.prefixes.begins_before(end)
            || self.rares.begins_before(end)
            || self.numbers.begins_before(end)
    }
}

impl Index {
    /// A cursor at the front of all lists.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            assigns: Rest(self.assigns.as_slice()),
            rares: Rest(self.rares.as_slice()),
            prefixes: Rest(self.prefixes.as_slice()),
            words: Rest(self.words.as_slice()),
            numbers: Rest(self.numbers.as_slice()),
        }
    }

    /// Fills the lists for `text`, emptying them first.
    pub(super) fn build(&mut self, text: &[u8], prefixes: &Prefixes) {
        #[cfg(target_arch = "x86_64")]
        if !PORTABLE.load(Ordering::Relaxed)
            && let Some((classify, derive)) = super::simd::paths()
        {
            return self.build_with(text, prefixes, classify, derive);
        }
        self.build_with(text, prefixes, tile::classify, tile::derive);
    }

    /// Fills the lists with the given ways to classify blocks and to work on bitmaps.
    pub(super) fn build_with(&mut self, text: &[u8], prefixes: &Prefixes, classify: Classifier, derive: Deriver) {
        let Self { assigns, rares, prefixes: starts, words, numbers, lines, .. } = self;
        [assigns, rares, starts, words, numbers, lines].into_iter().for_each(|list| list.len = 0);
        let (blocks, rest) = text.as_chunks::<64>();
        let all = blocks.len() + 1;
        [&mut self.tokens, &mut self.idents, &mut self.digits].into_iter().for_each(|runs| runs.begin(all));
        // What fills up the last block is of no class.
        let mut tail = [0xff; 64];
        tail[..rest.len()].copy_from_slice(rest);
        let mut tile = self.tile.take().unwrap_or_else(Tile::new);
        tile.begin();
        for first in (0..all).step_by(TILE) {
            let count = TILE.min(all - first);
            // The block behind the tile is looked into by the last one of it.
            let here = &blocks[first..(first + count + 1).min(blocks.len())];
            classify(here, &mut tile, 1);
            if here.len() <= count {
                classify(std::slice::from_ref(&tail), &mut tile, 1 + here.len());
                tile.clear(2 + here.len());
            }
            derive(&mut tile, count);
            self.take(&tile, first, count, text, prefixes);
            tile.advance(count);
        }
        self.tile = Some(tile);
    }

    /// Adds what the `count` blocks of a tile hold, the first of which has the number `first`.
    fn take(&mut self, t: &Tile, first: usize, count: usize, text: &[u8], prefixes: &Prefixes) {
        let base = first as u32 * 64;
        self.tokens.set(first, &t.token[1..=count]);
        self.idents.set(first, &t.ident[1..=count]);
        self.digits.set(first, &t.digit[1..=count]);
        self.assigns.extend(&t.assign[1..=count], base);
        self.lines.extend(&t.newline[1..=count], base);
        self.rares.extend(&t.rare[1..=count], base);
        self.numbers.extend(&t.numbers[1..=count], base);
        self.words.extend(&t.words[1..=count], base);
        self.prefixes.extend_starts(&t.begins[1..=count], base, text, prefixes);
    }
}

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// Keeps to the portable path from now on, whatever the processor has; for tests and comparisons.
pub fn use_portable_path() {
    PORTABLE.store(true, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> Index {
        let mut x = Index::default();
        x.build(text, &Prefixes::of(&[]));
        x
    }

    #[test]
    fn finds_each_kind_in_any_place_of_a_block() {
        for pad in [0usize, 1, 50, 58, 60, 63, 64, 65, 127, 200] {
            let mut text = vec![b' '; pad];
            text.extend_from_slice(b"\"k\":abcdef1h a@b \\ 4111111111111111 --user x\n");
            let p = pad as u32;
            let x = of(&text);
            assert_eq!(x.assigns.as_slice(), [p + 3], "pad {pad}");
            assert_eq!(x.rares.as_slice(), [p + 14, p + 17, p + 36], "pad {pad}");
            assert_eq!(x.words.as_slice(), [p + 4, p + 19], "pad {pad}");
            assert!(x.numbers.as_slice().contains(&(p + 19)), "pad {pad}");
            assert_eq!(x.lines.as_slice(), [p + 44], "pad {pad}");
        }
    }

    #[test]
    fn words_are_tokens_with_a_mark_and_long_words_behind_a_blank() {
        let starts = |text: &str| of(text.as_bytes()).words.as_slice().to_vec();
        assert_eq!(starts(r#""abcdefgh","abcdefg8","abcdEfgh","ABCDEFGH""#), [12, 23]);
        assert_eq!(starts(r#""12-34-56-78","1234a-78","a/bcdefgh9""#), [15, 26, 28]);
        assert_eq!(starts(" blanks,short ab"), [1]);
        // The mark counts when it is at most 15 bytes on.
        assert_eq!(starts(&format!("\"a{}b1\"", "-".repeat(14))), [1]);
        assert_eq!(starts(&format!("\"a{}b1\"", "-".repeat(15))), [] as [u32; 0]);
    }

    #[test]
    fn both_paths_see_the_same() {
        let mut text: Vec<u8> = (0..=255u8).cycle().take(1000).collect();
        text.extend((0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
        text.extend((0..5000u32).map(|i| b' ' + (i.wrapping_mul(2_654_435_761) >> 16) as u8 % 96));
        let prefixes = Prefixes::of(&["abc", "sk-", "7a"]);
        for from in 0..70 {
            let (mut a, mut b) = (Index::default(), Index::default());
            a.build_with(&text[from..], &prefixes, tile::classify, tile::derive);
            b.build(&text[from..], &prefixes);
            for (a, b) in [
                (&a.assigns, &b.assigns),
                (&a.rares, &b.rares),
                (&a.prefixes, &b.prefixes),
                (&a.words, &b.words),
                (&a.numbers, &b.numbers),
                (&a.lines, &b.lines),
            ] {
                assert_eq!(a.as_slice(), b.as_slice());
            }
            assert_eq!((&a.tokens, &a.idents), (&b.tokens, &b.idents));
        }
    }

    #[test]
    fn no_cut_into_blocks_changes_what_is_seen() {
        let text =
            "2026-05-01 12:00:07 GET /v1/a1b2c3d4/x?key=AbCdEf1234567890 [x] --token abcdef 203.0.113.7 ".repeat(9);
        let whole = of(text.as_bytes());
        for pad in 0..64 {
            let padded = [&vec![b'\n'; pad][..], text.as_bytes()].concat();
            let x = of(&padded);
            for (a, b) in [(&whole.words, &x.words), (&whole.numbers, &x.numbers), (&whole.rares, &x.rares)] {
                let moved: Vec<u32> = a.as_slice().iter().map(|p| p + pad as u32).collect();
                assert_eq!(moved, b.as_slice(), "pad {pad} of {}", padded.len());
            }
        }
    }
}
