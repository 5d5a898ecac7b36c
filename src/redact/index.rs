//! One pass over the bytes that says where anything worth a look may stand.
//!
//! The text is classified 64 bytes at a time into bitmaps; runs come out of shift-and-AND chains on the bitmaps, not of
//! loops over bytes. What comes out are short lists of positions, one list a kind, in order. Everything that is in no
//! list is never looked at again. Two of the bitmaps are kept, so that a check can ask where a token or a name ends
//! without going through its bytes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bytes::{ALNUM, ASSIGN, DIGIT, GROUP, IDENT, JOINT, LOWER, NEWLINE, RARE, SPACE, TOKEN, class};
use super::runs::{Runs, run};
use super::set::Starts;

/// Bitmaps of one block of 64 bytes: bit `i` speaks of byte `i`, each of the class of that name in [`super::bytes`].
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) alnum: u64,
    pub(super) token: u64,
    pub(super) ident: u64,
    pub(super) digit: u64,
    pub(super) group: u64,
    pub(super) assign: u64,
    pub(super) rare: u64,
    pub(super) space: u64,
    pub(super) joint: u64,
    pub(super) newline: u64,
    pub(super) lower: u64,
}

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
    /// Bitmaps of the blocks in hand.
    tile: Vec<Masks>,
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

    /// The next 64 places, whatever stands in them.
    #[inline(always)]
    fn room(&mut self) -> &mut [u32; 64] {
        if self.buffer.len() < self.len + 64 {
            self.grow();
        }
        match self.buffer[self.len..].first_chunk_mut() {
            Some(room) => room,
            None => unreachable!("there is room for 64"),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.buffer.resize((self.len + 64).next_power_of_two().max(1024), 0);
    }

    /// Adds the positions of the bits of `mask`, the first of which stands at `base`.
    #[inline(always)]
    fn extend(&mut self, mut mask: u64, base: u32) {
        if mask == 0 {
            return;
        }
        let room = self.room();
        let mut n = 0;
        while mask != 0 {
            room[n & 63] = base + mask.trailing_zeros();
            mask &= mask - 1;
            n += 1;
        }
        self.len += n;
    }
}

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

/// Blocks that are classified in one go, before any bitmap is used: 4 KiB of text.
const TILE: usize = 64;

/// Shortest word whose first bytes are looked up, in bytes: every prefix of a rule and what must follow is longer.
const WORD: u32 = 5;

/// Shortest word behind a blank that is looked at, in bytes.
const BEHIND: u32 = 6;

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
    pub(super) fn build(&mut self, text: &[u8], starts: &Starts) {
        #[cfg(target_arch = "x86_64")]
        if !PORTABLE.load(Ordering::Relaxed)
            && let Some(classify) = super::simd::classifier()
        {
            return self.build_with(text, starts, classify);
        }
        self.build_with(text, starts, classify);
    }

    /// Fills the lists with a given classifier of blocks.
    pub(super) fn build_with(&mut self, text: &[u8], starts: &Starts, classify: Classifier) {
        let Self { assigns, rares, prefixes, words, numbers, lines, .. } = self;
        [assigns, rares, prefixes, words, numbers, lines].into_iter().for_each(|list| list.len = 0);
        let (blocks, rest) = text.as_chunks::<64>();
        self.tokens.begin(blocks.len() + 1);
        self.idents.begin(blocks.len() + 1);
        self.digits.begin(blocks.len() + 1);
        let mut carry = Carry { token: 0, ident: 0, alnum: 0, space: 1, joint: 0 };
        // The first place of a tile holds the last block of the tile before, which is used when the next is known.
        let mut tile = std::mem::take(&mut self.tile);
        tile.resize(TILE + 1, Masks::default());
        let mut filled = 0;
        let mut done = 0;
        for some in blocks.chunks(TILE) {
            classify(some, &mut tile[filled..filled + some.len()]);
            filled += some.len();
            for i in 0..filled - 1 {
                self.emit(text, starts, &tile[i], &tile[i + 1], &mut carry, done + i);
            }
            done += filled - 1;
            tile[0] = tile[filled - 1];
            filled = 1;
        }
        let mut tail = [[b'\n'; 64]];
        tail[0][..rest.len()].copy_from_slice(rest);
        let mut last = [Masks::default()];
        classify(&tail, &mut last);
        last[0].newline &= !(u64::MAX << rest.len());
        if filled == 1 {
            self.emit(text, starts, &tile[0], &last[0], &mut carry, done);
            done += 1;
        }
        self.emit(text, starts, &last[0], &Masks::default(), &mut carry, done);
        self.tile = tile;
    }

    #[inline(always)]
    fn emit(&mut self, text: &[u8], starts: &Starts, here: &Masks, next: &Masks, carry: &mut Carry, block: usize) {
        let base = block as u32 * 64;
        self.tokens.set(block, here.token);
        self.idents.set(block, here.ident);
        self.digits.set(block, here.digit);
        self.assigns.extend(here.assign, base);
        self.lines.extend(here.newline, base);

        let behind_alnum = here.alnum << 1 | carry.alnum;
        let behind_ident = here.ident << 1 | carry.ident;
        let marks = Pair(here.ident & !here.alnum, next.ident & !next.alnum);
        let options = marks.0 & marks.ahead(1) & Pair(here.alnum, next.alnum).ahead(2) & !behind_ident;
        self.rares.extend(here.rare | options, base);

        let digit_starts = here.digit & !behind_alnum;
        if digit_starts != 0 {
            let long = run::<9>(here.digit, next.digit) | run::<11>(here.group, next.group);
            self.numbers.extend(digit_starts & long, base);
        }
        let word_starts = here.alnum & !behind_alnum;
        let (any, words) = words(here, next, carry, word_starts);
        self.words.extend(words, base);
        self.begins(text, starts, base, any);
        *carry = Carry {
            token: here.token >> 63,
            ident: here.ident >> 63,
            alnum: here.alnum >> 63,
            space: here.space >> 63,
            joint: here.joint >> 63,
        };
    }

    /// Adds the words of `any` that begin as a rule's matches may.
    #[inline(always)]
    fn begins(&mut self, text: &[u8], starts: &Starts, base: u32, mut any: u64) {
        if any == 0 {
            return;
        }
        let room = self.prefixes.room();
        let mut n = 0;
        while any != 0 {
            let at = base + any.trailing_zeros();
            any &= any - 1;
            room[n & 63] = at;
            n += usize::from(starts.may_start(text, at as usize));
        }
        self.prefixes.len += n;
    }
}

/// Of the word starts of a block, those that are long enough to begin a secret, and those that are worth a look
/// whatever they begin with.
#[inline(always)]
fn words(here: &Masks, next: &Masks, carry: &Carry, starts: u64) -> (u64, u64) {
    let r1 = Pair(here.token, next.token);
    let r2 = r1.and_ahead(1);
    let r4 = r2.and_ahead(2);
    let r8 = r4.and_ahead(4);
    let r5 = r4.0 & r1.ahead(WORD - 1);
    let r6 = r4.0 & r2.ahead(BEHIND - 2);
    let behind_blank = starts & (here.space << 1 | carry.space) & r6;
    let tokens = starts & !(here.token << 1 | carry.token & !carry.joint) | starts & (here.joint << 1 | carry.joint);
    let tokens = tokens & r8.0;
    if tokens == 0 {
        return (starts & r5, behind_blank);
    }
    // What makes a token look like a secret: a digit beside a letter, or a capital behind a small letter.
    let marks = |m: &Masks, n: &Masks| {
        let letter = Pair(m.alnum & !m.digit, n.alnum & !n.digit);
        let capital = Pair(letter.0 & !m.lower, letter.1 & !n.lower);
        m.digit & letter.ahead(1) | letter.0 & Pair(m.digit, n.digit).ahead(1) | m.lower & capital.ahead(1)
    };
    let m1 = Pair(marks(here, next), marks(next, &Masks::default()));
    // A mark in the rest of the token, at most 16 bytes on.
    let m2 = m1.or_through(r1, 1);
    let m4 = m2.or_through(r2, 2);
    let m8 = m4.or_through(r4, 4);
    let m16 = m8.0 | r8.0 & m8.ahead(8);
    (starts & r5, tokens & m16 | behind_blank)
}

/// The bitmaps of a block and of the next.
#[derive(Clone, Copy)]
struct Pair(u64, u64);

impl Pair {
    /// The bits of the first block, each from `n` places on.
    #[inline(always)]
    fn ahead(self, n: u32) -> u64 {
        self.0 >> n | self.1 << (64 - n)
    }

    /// Bits that are set, and bits of `way` that have one set `n` places on.
    #[inline(always)]
    fn or_through(self, way: Self, n: u32) -> Self {
        Self(self.0 | way.0 & self.ahead(n), self.1 | way.1 & self.1 >> n)
    }

    /// Bits that are set and have one set `n` places on.
    #[inline(always)]
    fn and_ahead(self, n: u32) -> Self {
        Self(self.0 & self.ahead(n), self.1 & self.1 >> n)
    }
}

/// The last bit of the block before, for the classes that look one byte back.
struct Carry {
    alnum: u64,
    token: u64,
    ident: u64,
    space: u64,
    joint: u64,
}

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// Keeps to the portable path from now on, whatever the processor has; for tests and comparisons.
pub fn use_portable_path() {
    PORTABLE.store(true, Ordering::Relaxed);
}

/// Says of each block what its bytes are; both slices are of one length.
pub(super) type Classifier = fn(&[[u8; 64]], &mut [Masks]);

/// One table look-up a byte.
fn classify(blocks: &[[u8; 64]], all: &mut [Masks]) {
    for (block, m) in blocks.iter().zip(all) {
        *m = Masks::default();
        for (i, &b) in block.iter().enumerate() {
            let c = class(b);
            let bit = |class: u16| u64::from(c & class != 0) << i;
            m.alnum |= bit(ALNUM);
            m.token |= bit(TOKEN);
            m.ident |= bit(IDENT);
            m.digit |= bit(DIGIT);
            m.group |= bit(GROUP);
            m.assign |= bit(ASSIGN);
            m.rare |= bit(RARE);
            m.space |= bit(SPACE);
            m.joint |= bit(JOINT);
            m.newline |= bit(NEWLINE);
            m.lower |= bit(LOWER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher::ByteSet;
    use super::*;

    fn of(text: &[u8]) -> Index {
        let mut x = Index::default();
        x.build(text, &Starts::default());
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
        let starts =
            Starts::new(&[b"abc", b"sk-", b"7a "].map(|l| std::array::from_fn(|i| l.get(i).map(|b| ByteSet::of(*b)))));
        for from in 0..70 {
            let (mut a, mut b) = (Index::default(), Index::default());
            a.build_with(&text[from..], &starts, classify);
            b.build(&text[from..], &starts);
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
                assert_eq!(moved, b.as_slice());
            }
        }
    }
}
