//! One pass over the bytes that says where anything worth a look may stand.
//!
//! The text is classified 64 bytes at a time into bitmaps; runs come out of shift-and-AND chains on the bitmaps, not of
//! loops over bytes. What comes out are short lists of positions, one list a kind, in order. Everything that is in no
//! list is never looked at again.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bytes::{ALNUM, ASSIGN, AT, DIGIT, ESCAPE, GROUP, TOKEN, class};

/// Bitmaps of one block of 64 bytes: bit `i` speaks of byte `i`.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) alnum: u64,
    pub(super) token: u64,
    pub(super) digit: u64,
    pub(super) group: u64,
    pub(super) assign: u64,
    pub(super) at: u64,
    pub(super) escape: u64,
}

/// Positions worth a look, each list in order.
#[derive(Default)]
pub(super) struct Index {
    /// `:` and `=`.
    pub(super) assigns: Vec<u32>,
    /// `@`.
    pub(super) ats: Vec<u32>,
    /// Starts of words that begin a run of at least [`WORD_RUN`] token bytes.
    pub(super) words: Vec<u32>,
    /// Starts of digit runs that are long (9 digits) or stand in a long grouped number (11 bytes).
    pub(super) numbers: Vec<u32>,
    /// `\`, `%` and `&`.
    pub(super) escapes: Vec<u32>,
}

/// A list of positions that is used up from the front.
#[derive(Clone, Copy)]
pub(super) struct Rest<'i>(&'i [u32]);

impl<'i> Rest<'i> {
    /// Takes the positions below `end`.
    #[inline]
    pub(super) fn up_to(&mut self, end: u32) -> &'i [u32] {
        let n = self.0.iter().take_while(|p| **p < end).count();
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }
}

/// The lists of an [`Index`], used up line by line.
pub(super) struct Cursor<'i> {
    pub(super) assigns: Rest<'i>,
    pub(super) ats: Rest<'i>,
    pub(super) words: Rest<'i>,
    pub(super) numbers: Rest<'i>,
    pub(super) escapes: Rest<'i>,
}

impl Cursor<'_> {
    /// The first position that is left in any list.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        [self.assigns, self.ats, self.words, self.numbers, self.escapes]
            .iter()
            .filter_map(|r| r.0.first())
            .min()
            .copied()
    }
}

/// Shortest run of token bytes that is looked at.
pub(super) const WORD_RUN: u32 = 6;

impl Index {
    /// A cursor at the front of all lists.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            assigns: Rest(&self.assigns),
            ats: Rest(&self.ats),
            words: Rest(&self.words),
            numbers: Rest(&self.numbers),
            escapes: Rest(&self.escapes),
        }
    }

    /// Fills the lists for `text`, emptying them first.
    pub(super) fn build(&mut self, text: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if !PORTABLE.load(Ordering::Relaxed) && super::simd::build(self, text) {
            return;
        }
        self.build_with(text, classify);
    }

    /// Fills the lists with a given classifier of blocks.
    #[inline(always)]
    pub(super) fn build_with(&mut self, text: &[u8], classify: impl Fn(&[u8; 64]) -> Masks) {
        self.assigns.clear();
        self.ats.clear();
        self.words.clear();
        self.numbers.clear();
        self.escapes.clear();
        let (blocks, rest) = text.as_chunks::<64>();
        let mut tail = [b'\n'; 64];
        tail[..rest.len()].copy_from_slice(rest);
        let mut here = classify(blocks.first().unwrap_or(&tail));
        let mut carry = Carry::default();
        let mut base = 0u32;
        for block in blocks.iter().skip(1).chain((!blocks.is_empty()).then_some(&tail)) {
            let next = classify(block);
            self.emit(&here, &next, &mut carry, base);
            base += 64;
            here = next;
        }
        self.emit(&here, &Masks::default(), &mut carry, base);
    }

    #[inline(always)]
    fn emit(&mut self, here: &Masks, next: &Masks, carry: &mut Carry, base: u32) {
        positions(here.assign, base, &mut self.assigns);
        positions(here.at, base, &mut self.ats);
        positions(here.escape, base, &mut self.escapes);
        let word_starts = here.alnum & !(here.alnum << 1 | carry.alnum);
        let words = word_starts & run::<{ WORD_RUN }>(here.token, next.token);
        positions(words, base, &mut self.words);
        let digit_starts = here.digit & !(here.alnum << 1 | carry.alnum);
        let numbers = digit_starts & (run::<9>(here.digit, next.digit) | run::<11>(here.group, next.group));
        positions(numbers, base, &mut self.numbers);
        carry.alnum = here.alnum >> 63;
    }
}

/// The last bit of the block before, for the classes that look one byte back.
#[derive(Default)]
struct Carry {
    alnum: u64,
}

/// Bits at which a run of at least `N` set bits begins, looking on into the next block.
#[inline(always)]
fn run<const N: u32>(here: u64, next: u64) -> u64 {
    let wide = u128::from(here) | u128::from(next) << 64;
    let mut have = 1;
    let mut r = wide;
    while have * 2 <= N {
        r &= r >> have;
        have *= 2;
    }
    if have < N {
        r &= r >> (N - have);
    }
    r as u64
}

#[inline(always)]
fn positions(mut mask: u64, base: u32, out: &mut Vec<u32>) {
    while mask != 0 {
        out.push(base + mask.trailing_zeros());
        mask &= mask - 1;
    }
}

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// Keeps to the portable path from now on, whatever the processor has; for tests and comparisons.
pub fn use_portable_path() {
    PORTABLE.store(true, Ordering::Relaxed);
}

/// Bitmaps of a block, one table look-up a byte.
#[inline]
pub(super) fn classify(block: &[u8; 64]) -> Masks {
    let mut m = Masks::default();
    for (i, &b) in block.iter().enumerate() {
        let c = class(b);
        m.alnum |= u64::from(c & ALNUM != 0) << i;
        m.token |= u64::from(c & TOKEN != 0) << i;
        m.digit |= u64::from(c & DIGIT != 0) << i;
        m.group |= u64::from(c & GROUP != 0) << i;
        m.assign |= u64::from(c & ASSIGN != 0) << i;
        m.at |= u64::from(c & AT != 0) << i;
        m.escape |= u64::from(c & ESCAPE != 0) << i;
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> Index {
        let mut x = Index::default();
        x.build(text);
        x
    }

    #[test]
    fn finds_each_kind_in_any_place_of_a_block() {
        for pad in [0usize, 1, 50, 58, 60, 63, 64, 65, 127, 200] {
            let mut text = vec![b' '; pad];
            text.extend_from_slice(b"\"k\":abcdefgh a@b \\ 4111111111111111 x");
            let p = pad as u32;
            let x = of(&text);
            assert_eq!(x.assigns, [p + 3], "pad {pad}");
            assert_eq!(x.ats, [p + 14], "pad {pad}");
            assert_eq!(x.words, [p + 4, p + 19], "pad {pad}");
            assert!(x.numbers.contains(&(p + 19)), "pad {pad}");
            assert_eq!(x.escapes, [p + 17], "pad {pad}");
        }
    }

    #[test]
    fn both_paths_see_the_same() {
        let mut text: Vec<u8> = (0..=255u8).cycle().take(1000).collect();
        text.extend((0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
        for from in 0..70 {
            let (mut a, mut b) = (Index::default(), Index::default());
            a.build_with(&text[from..], classify);
            b.build(&text[from..]);
            assert_eq!((&a.assigns, &a.ats, &a.words), (&b.assigns, &b.ats, &b.words));
            assert_eq!((&a.numbers, &a.escapes), (&b.numbers, &b.escapes));
        }
    }

    #[test]
    fn runs_are_exact() {
        assert_eq!(run::<6>(0b11_1111, 0), 1);
        assert_eq!(run::<6>(0b1_1111, 0), 0);
        assert_eq!(run::<9>(0x1ff << 3, 0), 1 << 3);
        assert_eq!(run::<11>(1 << 63, 0x3ff), 1 << 63);
        assert_eq!(run::<11>(1 << 63, 0x1ff), 0);
    }
}
