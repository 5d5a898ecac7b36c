//! 4 KiB of text as bitmaps: which bytes are of which class, and from that where words and numbers worth a look begin.
//!
//! Everything here is done for all blocks of the tile at once, row by row: a row holds one bitmap of 64 bits for each
//! block of 64 bytes, and a step of a chain (shift, AND) goes over a whole row, several blocks to an instruction. Runs of
//! `n` bytes of a class begin where the class has been ANDed with itself shifted by 1, 2, 4 and so on.

#![expect(clippy::needless_range_loop, reason = "one index into several rows is what the compiler makes vectors of")]

use super::codes::{BITS, decode};

/// Blocks of 64 bytes in a tile.
pub(super) const TILE: usize = 64;

/// How far ahead of a block the text is fetched, in bytes: the next tile comes while this one is worked on. A fetch ahead
/// reads nothing and never faults, wherever it goes.
#[cfg(target_arch = "x86_64")]
pub(super) const AHEAD: usize = 64 * TILE;

/// Where the blocks of a tile begin in a row: rows are worked on from there, and what is aligned is fetched fastest.
pub(super) const FIRST: usize = 8;

/// Places in a row: the last block of the tile before, the blocks of this one, the first of the next, and room to look
/// ahead of that.
const PLACES: usize = FIRST + TILE + 16;

/// One bitmap for each place: bit `i` speaks of byte `i` of the block.
pub(super) type Row = [u64; PLACES];

/// The first `n` blocks of a row.
#[inline(always)]
pub(super) fn blocks_of(row: &Row, n: usize) -> &[u64] {
    &row[FIRST..][..n]
}

#[inline(always)]
pub(super) fn blocks_of_mut(row: &mut Row, n: usize) -> &mut [u64] {
    &mut row[FIRST..][..n]
}

/// The classes of the bytes, each as in [`super::bytes`], and what follows from them.
#[repr(align(64))]
pub(super) struct Tile {
    pub(super) alnum: Row,
    pub(super) token: Row,
    pub(super) ident: Row,
    pub(super) digit: Row,
    pub(super) group: Row,
    /// `:` and `=`.
    pub(super) assigned: Row,
    /// The same, but for those in a time of day and those in `keys`.
    pub(super) assign: Row,
    pub(super) colon: Row,
    /// Colons right behind the quote of a name, before what opens nothing.
    pub(super) keys: Row,
    pub(super) rare: Row,
    pub(super) escape: Row,
    pub(super) backslash: Row,
    /// Double quotes; those behind an odd number of backslashes are taken out.
    pub(super) quote: Row,
    pub(super) space: Row,
    pub(super) joint: Row,
    pub(super) newline: Row,
    pub(super) lower: Row,
    /// Starts of words that are long enough to begin a secret.
    pub(super) begins: Row,
    /// Starts of tokens with the look of a secret, and of those behind a blank that are long or have a digit close by.
    pub(super) marked: Row,
    /// Of those, what is long or no value that stands right behind a name.
    pub(super) secretive: Row,
    /// Starts of words behind a blank that are long or have a digit close by.
    pub(super) spaced: Row,
    /// Starts of long numbers.
    pub(super) numbers: Row,
    /// The bits of the codes of the bytes, as in [`super::codes`].
    pub(super) codes: [Row; BITS],
    runs: Runs,
    /// Whether the byte before the tile is a backslash that stands before something.
    escapes: bool,
}

/// Starts of runs of 2, 4 and 8 bytes, of tokens, digits and grouped numbers; marks within reach in a token, and digits
/// that stand at most 1, 3, 7 and 15 bytes on.
struct Runs {
    token: [Row; 3],
    digit: [Row; 3],
    group: [Row; 3],
    marks: [Row; 4],
    near: [Row; 4],
}

impl Tile {
    pub(super) fn new() -> Box<Self> {
        let z = [0; PLACES];
        let runs = Runs { token: [z; 3], digit: [z; 3], group: [z; 3], marks: [z; 4], near: [z; 4] };
        Box::new(Self {
            alnum: z,
            token: z,
            ident: z,
            digit: z,
            group: z,
            assigned: z,
            assign: z,
            colon: z,
            keys: z,
            rare: z,
            escape: z,
            backslash: z,
            quote: z,
            space: z,
            joint: z,
            newline: z,
            lower: z,
            begins: z,
            marked: z,
            secretive: z,
            spaced: z,
            numbers: z,
            codes: [z; BITS],
            runs,
            escapes: false,
        })
    }

    /// The rows that look one byte back, in order.
    fn backward(&mut self) -> [&mut Row; 8] {
        let Self { alnum, token, ident, digit, space, joint, quote, assigned, .. } = self;
        [alnum, token, ident, digit, space, joint, quote, assigned]
    }

    /// Forgets the tile before: a newline stands before the first byte.
    pub(super) fn begin(&mut self) {
        self.backward().into_iter().for_each(|row| row[FIRST - 1] = 0);
        self.space[FIRST - 1] = 1 << 63;
        self.escapes = false;
    }

    /// Takes the escaped ones out of the quotes of `count` blocks: a backslash that is not escaped itself escapes what
    /// follows (the way of simdjson, by G. Langdale and D. Lemire).
    pub(super) fn unescaped(&mut self, count: usize) {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        for p in FIRST..FIRST + count {
            let backslashes = self.backslash[p] & !u64::from(self.escapes);
            if backslashes == 0 {
                self.quote[p] &= !u64::from(std::mem::take(&mut self.escapes));
                continue;
            }
            let follows = backslashes << 1 | u64::from(self.escapes);
            let odd_starts = backslashes & !EVEN & !follows;
            let (sums, over) = odd_starts.overflowing_add(backslashes);
            self.escapes = over;
            self.quote[p] &= !((EVEN ^ sums << 1) & follows);
        }
    }

    /// Tells the colons behind the quotes of names, in `count` blocks whose quotes are no escaped ones, from the other ones.
    #[inline(always)]
    pub(super) fn tell_keys(&mut self, count: usize) {
        let n = count.next_multiple_of(EIGHT);
        let (quote, rare) = (View::new(&self.quote, n), View::new(&self.rare, n));
        let colon = blocks_of(&self.colon, n);
        let (keys, assign) = (blocks_of_mut(&mut self.keys, n), blocks_of_mut(&mut self.assign, n));
        for i in 0..n {
            keys[i] = colon[i] & quote.behind(i) & !rare.ahead(i, 1);
            assign[i] &= !keys[i];
        }
    }

    /// The last of `count` blocks becomes the one before the next tile's.
    pub(super) fn advance(&mut self, count: usize) {
        self.backward().into_iter().for_each(|row| row[FIRST - 1] = row[FIRST - 1 + count]);
    }

    /// Nothing stands at `place`.
    pub(super) fn clear(&mut self, place: usize) {
        self.codes.iter_mut().for_each(|row| row[place] = 0);
    }
}

/// Shortest word whose first bytes are looked up, in bytes: every prefix of a rule and what must follow is longer.
const WORD: u32 = 5;

/// Shortest word behind a blank that is looked at, in bytes.
const BEHIND: u32 = 6;

/// A row seen from the blocks in hand: the blocks themselves and their neighbours.
#[derive(Clone, Copy)]
struct View<'r> {
    before: &'r [u64],
    here: &'r [u64],
    next: &'r [u64],
}

impl<'r> View<'r> {
    /// `n` blocks of the row.
    #[inline(always)]
    fn new(row: &'r Row, n: usize) -> Self {
        Self { before: &row[FIRST - 1..][..n], here: blocks_of(row, n), next: &row[FIRST + 1..][..n] }
    }

    #[inline(always)]
    fn at(&self, i: usize) -> u64 {
        self.here[i]
    }

    /// The bits from `n` places on.
    #[inline(always)]
    fn ahead(&self, i: usize, n: u32) -> u64 {
        self.here[i] >> n | self.next[i] << (64 - n)
    }

    /// The bits from one place before.
    #[inline(always)]
    fn behind(&self, i: usize) -> u64 {
        self.behind_by(i, 1)
    }

    /// The bits from `n` places before.
    #[inline(always)]
    fn behind_by(&self, i: usize, n: u32) -> u64 {
        self.here[i] << n | self.before[i] >> (64 - n)
    }
}

/// `to` = `from` where it goes on being set `n` places on.
#[inline(always)]
fn double(from: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, to) = (View::new(from, count), blocks_of_mut(to, count));
    for i in 0..count {
        to[i] = from.at(i) & from.ahead(i, n);
    }
}

/// `to` = `from`, and where all of the `way` to a place `n` places on is set and that place is in `from`.
#[inline(always)]
fn spread(from: &Row, way: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, way, to) = (View::new(from, count), View::new(way, count), blocks_of_mut(to, count));
    for i in 0..count {
        to[i] = from.at(i) | way.at(i) & from.ahead(i, n);
    }
}

/// `to` = `from`, and where a place `n` places on is in `from`.
#[inline(always)]
fn widen(from: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, to) = (View::new(from, count), blocks_of_mut(to, count));
    for i in 0..count {
        to[i] = from.at(i) | from.ahead(i, n);
    }
}

/// As many places are worked on together with the widest instructions, so that nothing is left over.
const EIGHT: usize = 8;

/// Works out the classes of the bytes of `count` blocks by their codes, and what follows from that; to be compiled for
/// several instruction sets.
#[inline(always)]
pub(super) fn derive_with(t: &mut Tile, count: usize) {
    // One place more than is asked for, since the last block looks into the next.
    let n = (count + 1).next_multiple_of(EIGHT);
    decode(t, n);
    // All chains a step at a time, so that what a step reads was written a while ago: it reads across what was written, and
    // that has to have arrived.
    let r = &mut t.runs;
    let [token, digit, group] = [&mut r.token, &mut r.digit, &mut r.group];
    double(&t.token, &mut token[0], 1, n);
    double(&t.digit, &mut digit[0], 1, n);
    double(&t.group, &mut group[0], 1, n);
    let [mark, marks_two, marks_four, _] = &mut r.marks;
    marks(&t.alnum, &t.digit, &t.lower, mark, n);
    let [one, near_two, near_four, _] = &mut r.near;
    widen(&t.digit, one, 1, n);
    for [two, four, _] in [&mut *token, &mut *digit, &mut *group] {
        double(two, four, 2, n);
    }
    spread(mark, &t.token, marks_two, 1, n);
    widen(one, near_two, 2, n);
    for [_, four, eight] in [&mut *token, &mut *digit, &mut *group] {
        double(four, eight, 4, n);
    }
    spread(marks_two, &token[0], marks_four, 2, n);
    widen(near_two, near_four, 4, n);
    options(t, n);
    clocks(t, n);
    let Runs { token, marks: [.., marks_four, marks_eight], near: [.., near_four, near_eight], .. } = &mut t.runs;
    spread(marks_four, &token[1], marks_eight, 4, n);
    widen(near_four, near_eight, 8, n);
    numbers(t, n);
    words(t, n);
}

/// What makes a token look like a secret: a digit beside a letter, or a capital behind a small letter.
#[inline(always)]
fn marks(alnum: &Row, digit: &Row, lower: &Row, to: &mut Row, n: usize) {
    let (alnum, digit, lower) = (View::new(alnum, n), View::new(digit, n), View::new(lower, n));
    let to = blocks_of_mut(to, n);
    for i in 0..n {
        let letter = alnum.at(i) & !digit.at(i);
        let letters = alnum.ahead(i, 1) & !digit.ahead(i, 1);
        to[i] = digit.at(i) & letters | letter & digit.ahead(i, 1) | lower.at(i) & letters & !lower.ahead(i, 1);
    }
}

#[inline(always)]
fn words(t: &mut Tile, n: usize) {
    let view = |row| View::new(row, n);
    let (alnum, digit, token) = (view(&t.alnum), view(&t.digit), view(&t.token));
    let (joint, space) = (view(&t.joint), view(&t.space));
    let (assigned, quote) = (view(&t.assigned), view(&t.quote));
    let [two, four, eight] = t.runs.token.each_ref().map(view);
    let (marks, digits) = (view(&t.runs.marks[3]), view(&t.runs.near[3]));
    let begins = blocks_of_mut(&mut t.begins, n);
    let (marked, spaced) = (blocks_of_mut(&mut t.marked, n), blocks_of_mut(&mut t.spaced, n));
    let secretive = blocks_of_mut(&mut t.secretive, n);
    for i in 0..n {
        let starts = alnum.at(i) & !alnum.behind(i);
        // Two letters and two digits may begin an account number in groups of four (ISO 13616).
        let letters = !digit.at(i) & alnum.ahead(i, 1) & !digit.ahead(i, 1);
        let country = letters & digit.ahead(i, 2) & digit.ahead(i, 3);
        begins[i] = starts & four.at(i) & (token.ahead(i, WORD - 1) | country);
        let apart = !token.behind(i) | joint.behind(i);
        // A mark in the rest of the token, at most 16 bytes on.
        let marks = marks.at(i) | eight.at(i) & marks.ahead(i, 8);
        // What follows a name in a sentence has a digit in its first 16 bytes or is a token as long as that.
        let telling = space.behind(i) & (digits.at(i) | eight.at(i) & eight.ahead(i, 8));
        marked[i] = starts & eight.at(i) & (apart & marks | telling);
        // A value is looked at with its name, but for what may be base64.
        let value = assigned.behind(i) | quote.behind(i) & assigned.behind_by(i, 2);
        let long = eight.ahead(i, 8) & eight.ahead(i, 16);
        secretive[i] = marked[i] & (!value | long);
        spaced[i] = starts & telling & four.at(i) & two.ahead(i, BEHIND - 2);
    }
}

#[inline(always)]
fn numbers(t: &mut Tile, n: usize) {
    let view = |row| View::new(row, n);
    let (alnum, digit) = (view(&t.alnum), view(&t.digit));
    let (digits, groups) = (view(&t.runs.digit[2]), view(&t.runs.group[2]));
    let numbers = blocks_of_mut(&mut t.numbers, n);
    for i in 0..n {
        // Nine digits, or eleven bytes of a grouped number.
        let long = digits.at(i) & digits.ahead(i, 1) | groups.at(i) & groups.ahead(i, 3);
        numbers[i] = digit.at(i) & !alnum.behind(i) & long;
    }
}

/// Adds to the rare bytes where a long option may begin: two marks of an identifier before a letter or digit.
#[inline(always)]
fn options(t: &mut Tile, n: usize) {
    let (alnum, ident) = (View::new(&t.alnum, n), View::new(&t.ident, n));
    let rare = blocks_of_mut(&mut t.rare, n);
    for i in 0..n {
        let signs = ident.at(i) & !alnum.at(i) & ident.ahead(i, 1) & !alnum.ahead(i, 1);
        rare[i] |= signs & alnum.ahead(i, 2) & !ident.behind(i);
    }
}

/// Leaves the colons in times of day out: two digits before and behind, and no third behind.
#[inline(always)]
fn clocks(t: &mut Tile, n: usize) {
    let (digit, colon, all) = (View::new(&t.digit, n), View::new(&t.colon, n), View::new(&t.assigned, n));
    let assign = blocks_of_mut(&mut t.assign, n);
    for i in 0..n {
        let before = digit.behind(i) & digit.behind_by(i, 2);
        let behind = digit.ahead(i, 1) & digit.ahead(i, 2) & !digit.ahead(i, 3);
        assign[i] = all.at(i) & !(colon.at(i) & before & behind);
    }
}

/// Writes `base` plus the number of each set bit to `to`, in order. The first `usual` are written whether there are as
/// many or not, since to ask costs more; what stands behind the last set bit is of no meaning.
#[inline(always)]
pub(super) fn unpack(mut mask: u64, base: u32, usual: usize, to: &mut [u32; 64]) {
    let (first, rest) = to.split_at_mut(usual);
    for to in first {
        *to = base.wrapping_add(mask.trailing_zeros());
        mask &= mask.wrapping_sub(1);
    }
    for to in rest {
        if mask == 0 {
            return;
        }
        *to = base + mask.trailing_zeros();
        mask &= mask - 1;
    }
}
