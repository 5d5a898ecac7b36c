//! The classes of [`super::bytes`] in six bits a byte, so that few bitmaps are made of bytes and the others of bitmaps.

use super::bytes::{ALNUM, ASSIGN, CLASSES, DIGIT, ESCAPE, GROUP, IDENT, JOINT, LOWER, NEWLINE, RARE, SPACE, TOKEN};
use super::tile::{Tile, blocks_of, blocks_of_mut};

/// Bits of a code.
pub(super) const BITS: usize = 6;

/// For each byte, from the lowest bit on: whether it is part of a token; of those, whether it is alphanumeric, and of
/// others whether a space; three bits that say more of either kind; and, fifth, whether it is part of a grouped number.
/// [`decode`] is what undoes it.
pub(super) static CODES: [u8; 256] = codes();

const fn codes() -> [u8; 256] {
    let mut t = [0; 256];
    let mut b = 0;
    while b < t.len() {
        let (class, byte) = (CLASSES[b], b as u8);
        let (escape, group) = (class & ESCAPE != 0, class & GROUP != 0);
        let bits = if class & TOKEN != 0 {
            [true, class & ALNUM != 0, class & (DIGIT | JOINT) != 0, class & LOWER != 0, group, class & IDENT == 0]
        } else {
            let last = class & (ASSIGN | NEWLINE) != 0 || matches!(byte, b'"' | b'\\');
            let opens = class & RARE != 0 || escape || byte == b'"';
            [false, class & SPACE != 0, escape || byte == b'=', last, group, opens]
        };
        let mut bit = 0;
        while bit < BITS {
            t[b] |= (bits[bit] as u8) << bit;
            bit += 1;
        }
        b += 1;
    }
    t
}

/// Says of each block the codes of its bytes, from `place` on, on every processor: one table look-up a byte, then for each
/// bit those of eight bytes at a time.
pub(super) fn classify(blocks: &[[u8; 64]], t: &mut Tile, place: usize) {
    for (block, p) in blocks.iter().zip(place..) {
        let mut rows = [0u64; BITS];
        for (eight, shift) in block.as_chunks::<8>().0.iter().zip((0..).step_by(8)) {
            // The codes, each byte in its place.
            let codes = u64::from_le_bytes(eight.map(|b| CODES[usize::from(b)]));
            for (row, bit) in rows.iter_mut().zip(0..) {
                *row |= side_by_side(codes >> bit & 0x0101_0101_0101_0101) << shift;
            }
        }
        (0..BITS).for_each(|bit| t.codes[bit][p] = rows[bit]);
    }
}

/// The lowest bits of eight bytes, brought into one byte by the product.
#[inline(always)]
fn side_by_side(bits: u64) -> u64 {
    bits.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Works out the classes of the bytes of the first `n` blocks of a tile by the bits of their codes; to be compiled for
/// several instruction sets.
#[inline(always)]
pub(super) fn decode(tile: &mut Tile, n: usize) {
    let [t, q, x, y, g, r] = &tile.codes;
    let (t, q, x) = (blocks_of(t, n), blocks_of(q, n), blocks_of(x, n));
    let (y, g, r) = (blocks_of(y, n), blocks_of(g, n), blocks_of(r, n));
    let (token, group) = (blocks_of_mut(&mut tile.token, n), blocks_of_mut(&mut tile.group, n));
    let (alnum, digit) = (blocks_of_mut(&mut tile.alnum, n), blocks_of_mut(&mut tile.digit, n));
    let (lower, ident) = (blocks_of_mut(&mut tile.lower, n), blocks_of_mut(&mut tile.ident, n));
    let (joint, space) = (blocks_of_mut(&mut tile.joint, n), blocks_of_mut(&mut tile.space, n));
    let (newline, assigned) = (blocks_of_mut(&mut tile.newline, n), blocks_of_mut(&mut tile.assigned, n));
    let (colon, rare) = (blocks_of_mut(&mut tile.colon, n), blocks_of_mut(&mut tile.rare, n));
    let (quote, escape) = (blocks_of_mut(&mut tile.quote, n), blocks_of_mut(&mut tile.escape, n));
    let backslash = blocks_of_mut(&mut tile.backslash, n);
    for i in 0..n {
        token[i] = t[i];
        group[i] = g[i];
        alnum[i] = t[i] & q[i];
        digit[i] = t[i] & q[i] & x[i];
        lower[i] = t[i] & y[i];
        ident[i] = t[i] & !r[i];
        joint[i] = t[i] & !q[i] & x[i];
        let other = !t[i];
        space[i] = other & q[i];
        newline[i] = other & q[i] & y[i];
        assigned[i] = other & !q[i] & !r[i] & y[i];
        colon[i] = other & !q[i] & !r[i] & y[i] & !x[i];
        rare[i] = other & r[i] & !x[i] & !y[i];
        quote[i] = other & r[i] & !x[i] & y[i];
        escape[i] = other & r[i] & x[i];
        backslash[i] = other & r[i] & x[i] & y[i];
    }
}
