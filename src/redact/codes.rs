//! The classes of [`super::bytes`] in six bits a byte, so that few bitmaps are made of bytes and the others of bitmaps.

use super::bytes::{ALNUM, ASSIGN, CLASSES, DIGIT, ESCAPE, GROUP, IDENT, JOINT, LOWER, NEWLINE, RARE, SPACE, TOKEN};

/// Bits of a code.
pub(super) const BITS: usize = 6;

/// For each byte, from the lowest bit on: whether it is part of a token; of those, whether it is alphanumeric, and of
/// others whether a space; three bits that say more of either kind; and, fifth, whether it is part of a grouped number.
/// `decode` in [`super::tile`] is what undoes it.
pub(super) static CODES: [u8; 256] = codes();

const fn codes() -> [u8; 256] {
    let mut t = [0; 256];
    let mut b = 0;
    while b < t.len() {
        let class = CLASSES[b];
        let escape = class & ESCAPE != 0;
        let double = b == b'"' as usize;
        let bits = if class & TOKEN != 0 {
            [true, class & ALNUM != 0, class & (DIGIT | JOINT) != 0, class & LOWER != 0, class & IDENT == 0]
        } else {
            let last = class & (ASSIGN | NEWLINE) != 0 || double || b == b'\\' as usize;
            let opens = class & RARE != 0 || escape || double;
            [false, class & SPACE != 0, escape || b == b'=' as usize, last, opens]
        };
        t[b] =
            bits[0] as u8 | (bits[1] as u8) << 1 | (bits[2] as u8) << 2 | (bits[3] as u8) << 3 | (bits[4] as u8) << 5;
        t[b] |= ((class & GROUP != 0) as u8) << 4;
        b += 1;
    }
    t
}
