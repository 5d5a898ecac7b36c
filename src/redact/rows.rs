//! A table of rows for sparse numbers: which of many numbers are known costs one look, and where the row of one begins a
//! count of bits.

use std::ops::Range;

/// For each known number below `64 * WORDS` a row of things, which its owner keeps side by side in order of their numbers.
pub(super) struct Rows<const WORDS: usize> {
    /// One bit for each number, and how many are set before each 64 of them.
    known: Box<[(u64, u16); WORDS]>,
    /// Where each row begins, and where the last one ends.
    starts: Vec<u16>,
}

impl<const WORDS: usize> Rows<WORDS> {
    /// The rows of things with these numbers, which are in order and below `64 * WORDS`.
    pub(super) fn new(numbers: impl Iterator<Item = usize>) -> Self {
        let mut known = Box::new([(0, 0); WORDS]);
        let mut starts = Vec::new();
        let mut count = 0;
        for (n, number) in numbers.enumerate() {
            let (bits, _): &mut (u64, u16) = &mut known[number / 64];
            if *bits >> (number % 64) & 1 == 0 {
                *bits |= 1 << (number % 64);
                starts.push(n as u16);
            }
            count = n + 1;
        }
        starts.push(count as u16);
        let mut before = 0;
        for (bits, rank) in known.iter_mut() {
            *rank = before;
            before += bits.count_ones() as u16;
        }
        Self { known, starts }
    }

    /// Whether there is a row for `number`.
    #[inline(always)]
    pub(super) fn has(&self, number: usize) -> bool {
        self.known[number / 64].0 >> (number % 64) & 1 == 1
    }

    /// The things with this number, by place.
    #[inline(always)]
    pub(super) fn get(&self, number: usize) -> Range<usize> {
        let (bits, before) = self.known[number / 64];
        let bit = 1 << (number % 64);
        if bits & bit == 0 {
            return 0..0;
        }
        let row = usize::from(before) + (bits & (bit - 1)).count_ones() as usize;
        usize::from(self.starts[row])..usize::from(self.starts[row + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_row() {
        let numbers = [0, 3, 3, 63, 64, 64, 64, 127];
        let rows = Rows::<2>::new(numbers.into_iter());
        for number in 0..128 {
            let row: Vec<usize> = (0..numbers.len()).filter(|n| numbers[*n] == number).collect();
            assert_eq!(rows.get(number).collect::<Vec<_>>(), row, "{number}");
            assert_eq!(rows.has(number), !row.is_empty(), "{number}");
        }
        assert_eq!(Rows::<1>::new(std::iter::empty()).get(5), 0..0);
    }
}
