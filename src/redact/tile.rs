//! 4 KiB of text as bitmaps: which bytes are of which class, and from that where words and numbers worth a look begin.
//!
//! Everything here is done for all blocks of the tile at once, row by row: a row holds one bitmap of 64 bits for each
//! block of 64 bytes, and a step of a chain (shift, AND) goes over a whole row, several blocks to an instruction. Runs of
//! `n` bytes of a class begin where the class has been ANDed with itself shifted by 1, 2, 4 and so on.

#![expect(clippy::needless_range_loop, reason = "one index into several rows is what the compiler makes vectors of")]

use super::bytes::{
    ALNUM, ASSIGN, DIGIT, ESCAPE, GROUP, IDENT, JOINT, LOWER, NEWLINE, QUOTE, RARE, SPACE, TOKEN, class,
};

/// Blocks of 64 bytes in a tile.
pub(super) const TILE: usize = 64;

/// Places in a row: the last block of the tile before, the blocks of this one, the first of the next, and room to look
/// ahead of that.
const PLACES: usize = TILE + 8;

/// One bitmap for each place: bit `i` speaks of byte `i` of the block.
pub(super) type Row = [u64; PLACES];

/// The classes of the bytes, each as in [`super::bytes`], and what follows from them.
pub(super) struct Tile {
    pub(super) alnum: Row,
    pub(super) token: Row,
    pub(super) ident: Row,
    pub(super) digit: Row,
    pub(super) group: Row,
    pub(super) assign: Row,
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
    /// Starts of words behind a blank that are long or have a digit close by.
    pub(super) spaced: Row,
    /// Starts of long numbers.
    pub(super) numbers: Row,
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
            assign: z,
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
            spaced: z,
            numbers: z,
            runs,
            escapes: false,
        })
    }

    /// The rows that look one byte back, in order.
    fn backward(&mut self) -> [&mut Row; 5] {
        [&mut self.alnum, &mut self.token, &mut self.ident, &mut self.space, &mut self.joint]
    }

    /// Forgets the tile before: a newline stands before the first byte.
    pub(super) fn begin(&mut self) {
        self.backward().into_iter().for_each(|row| row[0] = 0);
        self.space[0] = 1 << 63;
        self.escapes = false;
    }

    /// Takes the escaped ones out of the quotes of `count` blocks: a backslash that is not escaped itself escapes what
    /// follows (the way of simdjson, by G. Langdale and D. Lemire).
    pub(super) fn unescaped(&mut self, count: usize) {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        for p in 1..=count {
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

    /// The last of `count` blocks becomes the one before the next tile's.
    pub(super) fn advance(&mut self, count: usize) {
        self.backward().into_iter().for_each(|row| row[0] = row[count]);
    }

    /// Nothing stands at `place`.
    pub(super) fn clear(&mut self, place: usize) {
        let Self { alnum, token, ident, digit, group, lower, .. } = self;
        [alnum, token, ident, digit, group, lower].into_iter().for_each(|row| row[place] = 0);
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
    /// The row from place 1 on, `n` places of it.
    #[inline(always)]
    fn new(row: &'r Row, n: usize) -> Self {
        Self { before: &row[..n], here: &row[1..][..n], next: &row[2..][..n] }
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
        self.here[i] << 1 | self.before[i] >> 63
    }
}

/// `to` = `from` where it goes on being set `n` places on.
#[inline(always)]
fn double(from: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, to) = (View::new(from, count), &mut to[1..][..count]);
    for i in 0..count {
        to[i] = from.at(i) & from.ahead(i, n);
    }
}

/// `to` = `from`, and where all of the `way` to a place `n` places on is set and that place is in `from`.
#[inline(always)]
fn spread(from: &Row, way: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, way, to) = (View::new(from, count), View::new(way, count), &mut to[1..][..count]);
    for i in 0..count {
        to[i] = from.at(i) | way.at(i) & from.ahead(i, n);
    }
}

/// `to` = `from`, and where a place `n` places on is in `from`.
#[inline(always)]
fn widen(from: &Row, to: &mut Row, n: u32, count: usize) {
    let (from, to) = (View::new(from, count), &mut to[1..][..count]);
    for i in 0..count {
        to[i] = from.at(i) | from.ahead(i, n);
    }
}

/// Works out what follows from the classes of the blocks at the places 1 to `count`; to be compiled for several
/// instruction sets.
#[inline(always)]
pub(super) fn derive_with(t: &mut Tile, count: usize) {
    // One place more than is asked for, since the last block looks into the next; in fours, so that nothing is left over.
    let n = (count + 1).next_multiple_of(4).min(PLACES - 4);
    let r = &mut t.runs;
    for (base, runs) in [(&t.token, &mut r.token), (&t.digit, &mut r.digit), (&t.group, &mut r.group)] {
        let [two, four, eight] = runs;
        double(base, two, 1, n);
        double(two, four, 2, n);
        double(four, eight, 4, n);
    }
    marks(&t.alnum, &t.digit, &t.lower, &mut r.marks[0], n);
    let [one, two, four, eight] = &mut r.marks;
    spread(one, &t.token, two, 1, n);
    spread(two, &r.token[0], four, 2, n);
    spread(four, &r.token[1], eight, 4, n);
    let [one, two, four, eight] = &mut r.near;
    widen(&t.digit, one, 1, n);
    widen(one, two, 2, n);
    widen(two, four, 4, n);
    widen(four, eight, 8, n);
    words(t, n);
    numbers(t, n);
    options(t, n);
}

/// What makes a token look like a secret: a digit beside a letter, or a capital behind a small letter.
#[inline(always)]
fn marks(alnum: &Row, digit: &Row, lower: &Row, to: &mut Row, n: usize) {
    let (alnum, digit, lower) = (View::new(alnum, n), View::new(digit, n), View::new(lower, n));
    let to = &mut to[1..][..n];
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
    let [two, four, eight] = t.runs.token.each_ref().map(view);
    let (marks, digits) = (view(&t.runs.marks[3]), view(&t.runs.near[3]));
    let begins = &mut t.begins[1..][..n];
    let (marked, spaced) = (&mut t.marked[1..][..n], &mut t.spaced[1..][..n]);
    for i in 0..n {
        let starts = alnum.at(i) & !alnum.behind(i);
        // Two letters and two digits may begin an account number in groups of four (ISO 13616).
        let letters = !digit.at(i) & alnum.ahead(i, 1) & !digit.ahead(i, 1);
        let country = letters & digit.ahead(i, 2) & digit.ahead(i, 3);
        begins[i] = starts & four.at(i) & (token.ahead(i, WORD - 1) | country);
        let apart = !token.behind(i) | joint.behind(i);
        // A mark in the rest of the token, at most 16 bytes on.
        let secretive = marks.at(i) | eight.at(i) & marks.ahead(i, 8);
        // What follows a name in a sentence has a digit in its first 16 bytes or is a token as long as that.
        let telling = space.behind(i) & (digits.at(i) | eight.at(i) & eight.ahead(i, 8));
        marked[i] = starts & eight.at(i) & (apart & secretive | telling);
        spaced[i] = starts & telling & four.at(i) & two.ahead(i, BEHIND - 2);
    }
}

#[inline(always)]
fn numbers(t: &mut Tile, n: usize) {
    let view = |row| View::new(row, n);
    let (alnum, digit) = (view(&t.alnum), view(&t.digit));
    let (digits, groups) = (view(&t.runs.digit[2]), view(&t.runs.group[2]));
    let numbers = &mut t.numbers[1..][..n];
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
    let rare = &mut t.rare[1..][..n];
    for i in 0..n {
        let signs = ident.at(i) & !alnum.at(i) & ident.ahead(i, 1) & !alnum.ahead(i, 1);
        rare[i] |= signs & alnum.ahead(i, 2) & !ident.behind(i);
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

/// Says of each block what its bytes are, from `place` on, on every processor: one table look-up a byte, then for each
/// class the bits of eight bytes at a time.
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    const CLASSES: [u16; 12] = [ALNUM, TOKEN, IDENT, DIGIT, GROUP, ASSIGN, RARE, SPACE, JOINT, NEWLINE, LOWER, ESCAPE];
    for (block, p) in blocks.iter().zip(place..) {
        let mut m = [0u64; CLASSES.len()];
        let (mut backslash, mut quote) = (0, 0);
        for (eight, shift) in block.as_chunks::<8>().0.iter().zip((0..).step_by(8)) {
            // The lower and the upper halves of the classes, each byte in its place.
            let mut halves = [0; 2];
            for i in 0..8 {
                let class = u64::from(class(eight[i]));
                halves[0] |= (class & 0xff) << (8 * i);
                halves[1] |= (class >> 8) << (8 * i);
            }
            for i in 0..CLASSES.len() {
                let bit = CLASSES[i].trailing_zeros();
                let bits = halves[bit as usize / 8] >> (bit % 8) & 0x0101_0101_0101_0101;
                m[i] |= side_by_side(bits) << shift;
            }
            // Of the escapes, the backslash has its fourth bit set, and of the quotes the single one its first.
            let eight = u64::from_le_bytes(*eight);
            let bits = |class: u16| halves[1] >> (class.trailing_zeros() - 8) & 0x0101_0101_0101_0101;
            backslash |= side_by_side(bits(ESCAPE) & eight >> 3) << shift;
            quote |= side_by_side(bits(QUOTE) & !eight) << shift;
        }
        [t.alnum[p], t.token[p], t.ident[p], t.digit[p], t.group[p], t.assign[p], ..] = m;
        [.., t.rare[p], t.space[p], t.joint[p], t.newline[p], t.lower[p], t.escape[p]] = m;
        (t.backslash[p], t.quote[p]) = (backslash, quote);
    }
}

/// The lowest bits of eight bytes, brought into one byte by the product.
#[inline(always)]
fn side_by_side(bits: u64) -> u64 {
    bits.wrapping_mul(0x0102_0408_1020_4080) >> 56
}
