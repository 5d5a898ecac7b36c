//! Runs of bytes of one class, kept as bitmaps: where one begins and where it ends is a matter of a few instructions.

use super::bytes::work;

/// One bit a byte, 64 to a word. An empty word stands before them, and another one behind, so that whoever looks around
/// need not ask where the text ends.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    words: Vec<u64>,
}

impl Runs {
    /// Makes room for this many blocks. One more stands behind them, in which is nothing, as there is in the last of them
    /// until it is filled.
    pub(super) fn begin(&mut self, blocks: usize) {
        self.words.resize(blocks + 2, 0);
        self.words[blocks..].fill(0);
    }

    /// The bitmaps of some blocks, from `first` on.
    pub(super) fn set(&mut self, first: usize, masks: &[u64]) {
        self.words[first + 1..][..masks.len()].copy_from_slice(masks);
    }

    /// Makes the `len` bytes from `at` on be what those from `start` on are in `from`. The bytes behind them in the last
    /// block may be anything afterwards.
    pub(super) fn put(&mut self, at: usize, from: &Self, start: usize, len: usize) {
        let (first, bit) = (at / 64, at % 64);
        let Some((word, others)) = self.words[first + 1..][..(at + len).div_ceil(64) - first].split_first_mut() else {
            return;
        };
        *word = *word & !(u64::MAX << bit) | from.window(start) << bit;
        let start = start + 64 - bit;
        let source = from.words.get(start / 64 + 1..).unwrap_or_default().array_windows();
        for (word, [low, high]) in others.iter_mut().zip(source) {
            *word = low >> (start % 64) | high << 1 << (63 - start % 64);
        }
    }

    /// Which of the 64 bytes from `at` on are in the class, the first in the lowest bit.
    #[inline(always)]
    pub(super) fn window(&self, at: usize) -> u64 {
        self.at_word(at / 64 + 1, at)
    }

    /// Which of the 64 bytes before `end` are in the class, the nearest in the highest bit.
    #[inline(always)]
    pub(super) fn back(&self, end: usize) -> u64 {
        self.at_word(end / 64, end)
    }

    /// 64 bits from that of `at` on in the word of this number.
    #[inline(always)]
    fn at_word(&self, word: usize, at: usize) -> u64 {
        let Some([word, next]) = self.words.get(word..word + 2) else { return 0 };
        word.wrapping_shr(at as u32) | (next << 1).wrapping_shl(!at as u32)
    }

    /// How many of the `len` bytes from `at` on are in the class; at most 64 are asked for.
    #[inline(always)]
    pub(super) fn count(&self, at: usize, len: usize) -> u32 {
        (self.window(at) & u64::MAX.unbounded_shr(64 - len.min(64) as u32)).count_ones()
    }

    /// First position from `at` on that is not in the class.
    #[inline(always)]
    pub(super) fn end(&self, at: usize) -> usize {
        let mut block = at / 64;
        let Some(word) = self.words.get(block + 1) else { return at };
        let inside = (word >> (at % 64)).trailing_ones() as usize;
        if inside < 64 - at % 64 {
            return at + inside;
        }
        block += 1;
        while self.words.get(block + 1) == Some(&u64::MAX) {
            block += 1;
        }
        work(block - at / 64);
        block * 64 + self.words.get(block + 1).map_or(0, |w| w.trailing_ones() as usize)
    }

    /// First position from `at` on that is in the class; behind the text when there is none.
    #[inline(always)]
    pub(super) fn next(&self, at: usize) -> usize {
        let mut block = at / 64;
        let Some(word) = self.words.get(block + 1) else { return at };
        let mut word = word & u64::MAX << (at % 64);
        while word == 0 {
            block += 1;
            match self.words.get(block + 1) {
                Some(next) => word = *next,
                None => return block * 64,
            }
        }
        work(block - at / 64);
        block * 64 + word.trailing_zeros() as usize
    }

    /// How many of the bytes `from..to` are in the class, and which is the last.
    #[inline]
    pub(super) fn all_in(&self, from: usize, to: usize) -> (u32, Option<usize>) {
        let (mut count, mut last) = (0, None);
        let mut at = from;
        while at < to {
            let word = self.window(at) & u64::MAX.unbounded_shr(64 - (to - at).min(64) as u32);
            if word != 0 {
                count += word.count_ones();
                last = Some(at + 63 - word.leading_zeros() as usize);
            }
            at += 64;
        }
        (count, last)
    }

    /// The same, giving up when a run is longer than `most`, with an end that is further away.
    #[inline(always)]
    pub(super) fn end_near(&self, at: usize, most: usize) -> usize {
        let mut end = at;
        loop {
            let inside = self.window(end).trailing_ones() as usize;
            end += inside;
            if inside < 64 || end - at > most {
                return end;
            }
        }
    }

    /// How many bytes of the class stand directly before `end`; at most 64 are counted.
    #[inline(always)]
    pub(super) fn before(&self, end: usize) -> usize {
        self.back(end).leading_ones() as usize
    }

    /// Start of the run that ends before `end`; `end` when there is none. Gives up at a run longer than `most`, with a
    /// start that is further away.
    #[inline(always)]
    pub(super) fn start(&self, end: usize, most: usize) -> usize {
        let Some(last) = end.checked_sub(1) else { return 0 };
        let mut block = last / 64;
        let Some(word) = self.words.get(block + 1) else { return end };
        let inside = (word << (63 - last % 64)).leading_ones() as usize;
        if inside <= last % 64 {
            return end - inside;
        }
        // The empty word before the text ends every run.
        loop {
            let at = block * 64;
            if end - at > most {
                return at;
            }
            let inside = self.words[block].leading_ones() as usize;
            if inside < 64 {
                return at - inside;
            }
            block -= 1;
            work(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::{TOKEN, is, skip, skip_back};
    use super::*;

    #[test]
    fn ends_and_starts_are_those_of_a_loop_over_the_bytes() {
        let mut text = b"a bc  def,ghijkl ".repeat(20);
        text.extend([b'x'; 300]);
        text.extend(b" tail".repeat(3));
        text.extend([b'y'; 64]);
        let mut runs = Runs::default();
        let blocks = text.len() / 64 + 1;
        runs.begin(blocks);
        for (at, b) in text.iter().enumerate().filter(|(_, b)| is(**b, TOKEN)) {
            let _ = b;
            runs.words[at / 64 + 1] |= 1 << (at % 64);
        }
        for at in 0..=text.len() {
            let next = skip(&text, at, |b| !is(b, TOKEN));
            assert!(runs.next(at) == next || next == text.len() && runs.next(at) >= next, "next from {at}");
            assert_eq!(runs.end(at), skip(&text, at, |b| is(b, TOKEN)), "end from {at}");
            let start = skip_back(&text, at, 1000, |b| is(b, TOKEN));
            assert_eq!(runs.start(at, 1000), start, "start before {at}");
            for to in [at, at + 1, at + 63, at + 64, at + 200] {
                let places: Vec<usize> = (at..to.min(text.len())).filter(|n| is(text[*n], TOKEN)).collect();
                assert_eq!(runs.all_in(at, to), (places.len() as u32, places.last().copied()), "{at} to {to}");
            }
            for len in [0, 1, 30, 63, 64] {
                let count = text[at..(at + len).min(text.len())].iter().filter(|b| is(**b, TOKEN)).count();
                assert_eq!(runs.count(at, len), count as u32, "{len} from {at}");
            }
            let near = runs.end_near(at, 100);
            assert!(near == runs.end(at) || near - at > 100, "end near {at}");
            assert_eq!(runs.before(at), (at - start).min(64), "before {at}");
            let near = runs.start(at, 64);
            assert!(near == start || (near > start && at - near > 64), "start near {at}");
        }
    }
}
