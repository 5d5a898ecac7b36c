//! A filter on how words begin.

use super::matcher::ByteSet;

/// How many bytes of a short literal's word the filter of [`Heads`] looks at.
pub(super) const HEAD: usize = 3;

/// What the first bytes are multiplied with, to spread them (D. E. Knuth, The Art of Computer Programming 3, 6.4).
const FACTOR: u32 = 0x9e37_79b9;

/// A filter on the first bytes of a word: most words begin as nothing begins that is looked for.
///
/// Of literals of four bytes and more, the first four count; of shorter ones three, the last of which may be any that a
/// match of their rule can have there.
pub(super) struct Heads {
    three: Box<[u64; 1024]>,
    four: Box<[u64; 512]>,
}

impl Heads {
    pub(super) fn new<'l>(literals: impl Iterator<Item = (&'l [u8], [Option<ByteSet>; HEAD])>) -> Self {
        let mut heads = Self { three: Box::new([0; 1024]), four: Box::new([0; 512]) };
        let bytes = |set: Option<ByteSet>| (0..=255u8).filter(move |b| set.is_none_or(|s| s.has(*b)));
        for (literal, [first, second, third]) in literals {
            if let Some(head) = literal.first_chunk() {
                let bit = Self::four(u32::from_le_bytes(*head));
                heads.four[bit / 64] |= 1 << (bit % 64);
                continue;
            }
            for (a, b) in bytes(first).flat_map(|a| bytes(second).map(move |b| (a, b))) {
                for c in bytes(third) {
                    let bit = Self::three(u32::from_le_bytes([a, b, c, 0]));
                    heads.three[bit / 64] |= 1 << (bit % 64);
                }
            }
        }
        heads
    }

    /// Whether something may begin at `at`; no when fewer than four bytes are left.
    #[inline(always)]
    pub(super) fn may_start(&self, text: &[u8], at: usize) -> bool {
        let head = text.get(at..).and_then(|t| t.first_chunk());
        head.is_some_and(|head| self.has(u32::from_le_bytes(*head)))
    }

    /// Whether something may begin with these four bytes.
    #[inline(always)]
    fn has(&self, head: u32) -> bool {
        let (three, four) = (Self::three(head), Self::four(head));
        (self.three[three / 64] >> (three % 64) | self.four[four / 64] >> (four % 64)) & 1 == 1
    }

    /// A number below 65,536 made of the three low bytes.
    #[inline(always)]
    fn three(head: u32) -> usize {
        ((head << 8).wrapping_mul(FACTOR) >> 16) as usize
    }

    /// A number below 32,768 made of four bytes.
    #[inline(always)]
    fn four(head: u32) -> usize {
        (head.wrapping_mul(FACTOR) >> 17) as usize
    }
}
