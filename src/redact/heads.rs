//! The literals that rules begin with, found by the first bytes of a word: most words begin as none of them.

use super::matcher::ByteSet;
use super::rows::Rows;
use super::runs::Runs;

/// How many bytes of a short literal's word are looked at; of longer ones it is a byte more.
pub(super) const HEAD: usize = 3;

/// Bytes that something begins with which is looked for.
pub(super) struct Opening<'l> {
    pub(super) literal: &'l [u8],
    /// Its rule; `None` when it is looked at whatever the rules say.
    pub(super) rule: Option<u16>,
    /// What may stand in the first places, as far as it is known.
    pub(super) sets: [Option<ByteSet>; HEAD],
    /// With how many bytes of a token a match begins, at least; more than 64 count as 64.
    pub(super) token: u32,
}

/// All literals: those of four bytes and more by their first four, shorter ones by the three bytes with which a match of
/// their rule can begin.
pub(super) struct Heads {
    four: Shelf<512>,
    three: Shelf<1024>,
    /// For each number of four bytes, by the lower three bits of the fifth, whether a literal may go on with that.
    fifth: Box<[u8; 1 << 15]>,
}

/// Literals in rows, those of one number together, the longest first.
struct Shelf<const WORDS: usize> {
    rows: Rows<WORDS>,
    literals: Vec<Literal>,
}

/// Bytes that a rule's matches begin with.
#[derive(Clone)]
struct Literal {
    bytes: Box<[u8]>,
    /// The first eight bytes, and which of them there are.
    head: u64,
    mask: u64,
    rule: Option<u16>,
    token: u32,
}

impl Literal {
    fn new(opening: &Opening<'_>) -> Self {
        let (bytes, mut head) = (opening.literal, [0; 8]);
        let n = bytes.len().min(8);
        head[..n].copy_from_slice(&bytes[..n]);
        let mask = if n == 8 { u64::MAX } else { (1 << (8 * n)) - 1 };
        let token = opening.token.min(64);
        Self { bytes: bytes.into(), head: u64::from_le_bytes(head), mask, rule: opening.rule, token }
    }

    #[inline(always)]
    fn starts(&self, text: &[u8], head: u64) -> bool {
        head & self.mask == self.head && (self.bytes.len() <= 8 || text.starts_with(&self.bytes))
    }
}

impl<const WORDS: usize> Shelf<WORDS> {
    fn new(mut literals: Vec<(usize, Literal)>) -> Self {
        literals.sort_by_key(|(number, l)| (*number, std::cmp::Reverse(l.bytes.len()), l.rule));
        let rows = Rows::new(literals.iter().map(|(number, _)| *number));
        Self { rows, literals: literals.into_iter().map(|(_, l)| l).collect() }
    }

    #[inline(always)]
    fn get(&self, number: usize) -> &[Literal] {
        &self.literals[self.rows.get(number)]
    }
}

impl Heads {
    pub(super) fn new<'l>(openings: impl Iterator<Item = Opening<'l>>) -> Self {
        let (mut fours, mut threes) = (Vec::new(), Vec::new());
        let bytes = |set: Option<ByteSet>| (0..=255u8).filter(move |b| set.is_none_or(|s| s.has(*b)));
        let mut fifth = Box::new([0; 1 << 15]);
        for opening in openings {
            let literal = Literal::new(&opening);
            if let Some(head) = opening.literal.first_chunk() {
                let number = four(u32::from_le_bytes(*head));
                fifth[number] |= opening.literal.get(4).map_or(u8::MAX, |b| 1 << (b % 8));
                fours.push((number, literal));
                continue;
            }
            let [first, second, third] = opening.sets;
            let pairs = bytes(first).flat_map(|a| bytes(second).map(move |b| (a, b)));
            let words = pairs.flat_map(|(a, b)| bytes(third).map(move |c| [a, b, c, 0]));
            let mut numbers: Vec<usize> = words.map(|word| three(u32::from_le_bytes(word))).collect();
            numbers.sort_unstable();
            numbers.dedup();
            threes.extend(numbers.into_iter().map(|number| (number, literal.clone())));
        }
        Self { four: Shelf::new(fours), three: Shelf::new(threes), fifth }
    }

    /// Whether there are literals whose first bytes are those at `at`, as far as a look at five of them tells.
    #[inline(always)]
    pub(super) fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let Some([head @ .., fifth]) = text.get(at..).and_then(|t| t.first_chunk::<5>()) else { return true };
        let head = u32::from_le_bytes(*head);
        self.three.rows.has(three(head)) | (self.fifth[four(head)] >> (fifth % 8) & 1 == 1)
    }

    /// Whether a literal stands at `at`, in a token that is long enough when the literal is short; no when fewer than
    /// four bytes are left.
    #[inline(always)]
    pub(super) fn may_start(&self, text: &[u8], at: usize, tokens: &Runs) -> bool {
        let Some(first) = text.get(at..).and_then(|t| t.first_chunk()) else { return false };
        let first = u32::from_le_bytes(*first);
        let (text, head) = (&text[at..], eight(&text[at..]));
        let token = tokens.window(at).trailing_ones();
        self.four.get(four(first)).iter().any(|l| l.starts(text, head))
            || self.three.get(three(first)).iter().any(|l| token >= l.token && l.starts(text, head))
    }

    /// Rules whose literal stands at the start of `text`, the longest literal first; none when `text` is shorter than four
    /// bytes.
    pub(super) fn at<'s>(&'s self, text: &'s [u8]) -> impl Iterator<Item = u16> + 's {
        let head = eight(text);
        let (long, short) = match text.first_chunk().map(|first| u32::from_le_bytes(*first)) {
            Some(first) => (self.four.get(four(first)), self.three.get(three(first))),
            None => (&[][..], &[][..]),
        };
        long.iter().chain(short).filter(move |l| l.starts(text, head)).filter_map(|l| l.rule)
    }
}

/// The first eight bytes, zeros behind the end.
#[inline(always)]
fn eight(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => u64::from_le_bytes(std::array::from_fn(|i| text.get(i).copied().unwrap_or(0))),
    }
}

/// What the first bytes are multiplied with, to spread them (D. E. Knuth, The Art of Computer Programming 3, 6.4).
const FACTOR: u32 = 0x9e37_79b9;

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
