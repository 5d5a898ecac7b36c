//! The classes of [`super::bytes`] as products of half bytes, for processors that look up sixteen or more at a time.
//!
//! Each plane is a product of a set of high nibbles and a set of low nibbles; the classes are unions of planes. The method
//! is that of W. Mula and D. Lemire for validating text with `pshufb`.

/// High and low nibbles of each plane. A byte `0xhl` is in plane `p` when bit `p` is set in both `HIGH[h]` and `LOW[l]`.
const PLANES: [(&[usize], &[usize]); 8] = [
    (&[4, 6], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (&[5, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (&[3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (&[2], &[0xd]),
    (&[2], &[0xb, 0xe, 0xf]),
    (&[5], &[0xf]),
    (&[2], &[0, 8, 9]),
    (&[3], &[0xa, 0xd]),
];

/// The planes: letters `A`–`O` and `P`–`Z` in both cases, digits, `-`, `+./`, `_`, ` ()`; the sign bit is `:=`.
pub(super) const LETTERS: i8 = 1 | 1 << 1;
pub(super) const DIGITS: i8 = 1 << 2;
pub(super) const DASH: i8 = 1 << 3;
pub(super) const PLUS_DOT_SLASH: i8 = 1 << 4;
pub(super) const UNDERSCORE: i8 = 1 << 5;
pub(super) const BLANK_PARENS: i8 = 1 << 6;

pub(super) const HIGH: [u8; 16] = nibbles(true);
pub(super) const LOW: [u8; 16] = nibbles(false);

const fn nibbles(high: bool) -> [u8; 16] {
    let mut t = [0u8; 16];
    let mut plane = 0;
    while plane < 8 {
        let set = if high { PLANES[plane].0 } else { PLANES[plane].1 };
        let mut i = 0;
        while i < set.len() {
            t[set[i]] |= 1 << plane;
            i += 1;
        }
        plane += 1;
    }
    t
}
