//! Looking at the candidates of one text: each wakes only the checks that it can satisfy.
//!
//! The raw chunk is scanned first. Where a line holds escapes, the strings that hold them are decoded one level and
//! scanned in the same way, down to a bounded depth, and what is found there is mapped back to the bytes as written.

use super::again::Again;
use super::bytes::{ALNUM, before, begins_json, is, label_len, skip, skip_back, work};
use super::calm::Look;
use super::decode::View;
use super::index::{Cursor, Index};
use super::keywords::Word;
use super::memory::{Notes, Seed};
use super::names::NameCache;
use super::near::NearMiss;
use super::output::Finding;
use super::pem::OpenBlock;
use super::set::RuleSet;
use super::survey;
use super::tag::{Tag, Tags};

/// How many levels of other spellings are undone.
pub(super) const DEPTH: u8 = 4;

/// Longest text without a newline that is looked at as one piece behind a candidate, in bytes.
const NEIGHBOURHOOD: usize = 8192;

/// How sure a hit is of what it found; where hits overlap the surest gives the label.
pub(super) mod rank {
    pub(in crate::redact) const REMEMBERED: u8 = 5;
    pub(in crate::redact) const WEAK_FIELD: u8 = 20;
    pub(in crate::redact) const PERSONAL: u8 = 30;
    pub(in crate::redact) const STRONG_FIELD: u8 = 40;
    pub(in crate::redact) const SHAPE: u8 = 45;
    pub(in crate::redact) const CONTEXT: u8 = 50;
    pub(in crate::redact) const VENDOR: u8 = 60;
    pub(in crate::redact) const KEY_BLOCK: u8 = 90;
}

/// A span that must go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) rule: u16,
    pub(super) rank: u8,
    /// Levels of encoding that were undone to see it.
    pub(super) depth: u8,
    /// The replacement is written as a list of byte values.
    pub(super) numeric: bool,
    /// The replacement is JSON `null` in place of the whole value.
    pub(super) null: bool,
    /// A bare JSON value: the replacement is put between copies of these bytes, the quote of its name as written.
    pub(super) quote: Option<(u32, u32)>,
    pub(super) tag: Option<Tag>,
}

impl Hit {
    /// By place, of those that begin together the longest first.
    pub(super) fn order(&self) -> u64 {
        u64::from(self.start) << 32 | u64::from(!self.end)
    }
}

/// What a worker keeps between texts.
pub(super) struct Shared {
    pub(super) names: NameCache,
    pub(super) tags: Tags,
    /// What the text teaches and asks about values seen before.
    pub(super) notes: Notes,
    /// What checks read of the text closely.
    pub(super) looks: Vec<Look>,
    seed: Seed,
    /// For each rule whether what it finds is left alone; empty when that is so for none.
    pub(super) kept: Vec<bool>,
    /// Start of the line under the lens in the text as it came in.
    pub(super) line: usize,
    /// The key block that goes on with the next line.
    pub(super) pem_open: Option<OpenBlock>,
    /// What nearly matched, when somebody wants to know.
    pub(super) near: Option<Vec<NearMiss>>,
    pub(super) indexes: Vec<Index>,
    pub(super) again: Again,
    pub(super) views: Vec<View>,
    pub(super) words: Vec<Word>,
}

impl Shared {
    pub(super) fn new(tags: Tags, seed: (u64, u64)) -> Self {
        Self {
            names: NameCache::new(seed),
            tags,
            notes: Notes::default(),
            looks: Vec::new(),
            seed,
            kept: Vec::new(),
            line: 0,
            pem_open: None,
            near: None,
            indexes: Vec::new(),
            again: Again::default(),
            views: Vec::new(),
            words: Vec::new(),
        }
    }
}

/// One text under the lens.
pub(super) struct Scan<'a> {
    pub(super) set: &'a RuleSet,
    pub(super) shared: &'a mut Shared,
    pub(super) text: &'a [u8],
    /// What was seen of the text in the first pass.
    pub(super) index: &'a Index,
    pub(super) hits: &'a mut Vec<Hit>,
    pub(super) depth: u8,
    /// Whether values are remembered and looked up.
    pub(super) learns: bool,
    /// Where the line under the lens begins; it ends with `text`.
    pub(super) start: usize,
    /// Whether the line begins like JSON, so that double quotes come in pairs.
    pub(super) json: bool,
    /// A place outside of all strings of a JSON line, from which the next question goes on.
    pub(super) outside: usize,
    /// What lies behind `outside` up to here is known to be in the string that opens there.
    inside: usize,
    /// End of the JSON tree under a strong name that was gone through last.
    pub(super) tree_until: usize,
    /// End of the last match of a rule with a prefix.
    pub(super) vendor_until: usize,
    /// The last `@` before which no URL's scheme was found.
    pub(super) no_scheme: usize,
    /// The last value that was remembered.
    learnt: (usize, usize),
    /// The last value without quotes that was looked at.
    pub(super) bare: (usize, usize),
    /// End of the last list that was gone through.
    pub(super) list_until: usize,
    /// End of the last value that goes whole because of its name: what is inside needs no look at names.
    pub(super) taken: usize,
    /// On a second look, what was replaced in the line: no string without any of it is decoded again.
    pub(super) replaced: Option<&'a [Finding]>,
}

/// Finds everything in the lines of `text` that must go; `hits` are in no order and may overlap. What was seen of the text
/// is left in `index`.
///
/// They are gone through line by line, so that what is found does not depend on where chunks are cut.
pub(super) fn scan_lines(set: &RuleSet, shared: &mut Shared, text: &[u8], index: &mut Index, hits: &mut Vec<Hit>) {
    let survey = survey::best();
    (survey.build)(index, text, &set.prefixes.openings);
    shared.notes.ask_all(&mut index.marked);
    survey.sieve(index, text, set, &mut shared.names);
    let mut s = Scan::new(set, shared, text, index, hits, (0, true));
    s.key_blocks();
    let mut rest = index.cursor();
    let ends = index.lines.as_slice().iter().map(|n| *n as usize).chain(std::iter::once(text.len()));
    for end in ends {
        if rest.any_before(end as u32) {
            s.text = &text[..end];
            s.shared.line = s.start;
            let first = s.hits.len();
            s.line(&mut rest);
            if s.hits.len() > first + 1 {
                s.hits[first..].sort_unstable_by_key(Hit::order);
            }
        }
        s.start = end + 1;
    }
}

/// Goes on with a key block that an earlier chunk left open; gives it when it is open still at the end of `text`.
pub(super) fn resume_block(
    set: &RuleSet,
    shared: &mut Shared,
    text: &[u8],
    open: OpenBlock,
    hits: &mut Vec<Hit>,
) -> Option<OpenBlock> {
    shared.pem_open = Some(open);
    let index = Index::default();
    let mut s = Scan::new(set, shared, text, &index, hits, (0, true));
    s.open_lines(0);
    shared.pem_open
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        set: &'a RuleSet,
        shared: &'a mut Shared,
        text: &'a [u8],
        index: &'a Index,
        hits: &'a mut Vec<Hit>,
        (depth, learns): (u8, bool),
    ) -> Self {
        Self {
            set,
            shared,
            text,
            index,
            hits,
            depth,
            learns,
            start: 0,
            json: false,
            outside: 0,
            inside: 0,
            tree_until: 0,
            vendor_until: 0,
            no_scheme: 0,
            learnt: (0, 0),
            bare: (0, 0),
            list_until: 0,
            taken: 0,
            replaced: None,
        }
    }

    /// Looks how the line that begins at `start` begins.
    pub(super) fn enter(&mut self, start: usize) {
        self.json = begins_json(self.text, start);
        (self.outside, self.inside) = (start, start);
    }

    /// Goes through the candidates of the line that ends with `self.text`.
    pub(super) fn line(&mut self, rest: &mut Cursor<'_>) {
        let end = self.text.len() as u32;
        let rares = rest.rares.up_to(end);
        if self.without_colours(rares) {
            return rest.pass(end);
        }
        self.enter(self.start);
        for p in rest.assigns.up_to(end) {
            self.assign(*p as usize);
        }
        for p in rest.numbers.up_to(end) {
            self.number(*p as usize);
        }
        for p in rest.prefixes.up_to(end) {
            self.vendor(*p as usize);
        }
        for p in rest.secretive.up_to(end) {
            self.token(*p as usize);
        }
        for p in rest.spaced.up_to(end) {
            self.behind_word(*p as usize);
        }
        for p in rares {
            let p = *p as usize;
            match self.text[p] {
                b'@' => self.at_sign(p),
                b'<' => self.element(p),
                b'[' | b'(' => self.list(p),
                b'-' => self.option(p),
                _ => {}
            }
        }
        let escapes = rest.escapes.up_to(end);
        if !escapes.is_empty() && self.depth < DEPTH {
            self.escaped(escapes);
        }
    }

    /// Where the neighbourhood of `at` ends: with its line, or after a bounded number of bytes.
    pub(super) fn limit(&self, at: usize) -> usize {
        (at + NEIGHBOURHOOD).min(self.text.len())
    }

    /// Whether `p` stands inside a string of a JSON line. Asking for places in order costs one walk over the line.
    pub(super) fn in_string(&mut self, p: usize) -> bool {
        if !self.json {
            return false;
        }
        if p < self.outside {
            self.enter(self.start);
        }
        let mut from = self.outside.max(self.inside);
        let mut inside = from > self.outside;
        while from < p {
            let rest = &self.text[from..p];
            let piece = &rest[..memchr::memchr2(b'\\', b'\n', rest).unwrap_or(rest.len())];
            work(piece.len());
            if let Some(last) = memchr::memrchr(b'"', piece) {
                // No quote of these is escaped, so that they come in pairs.
                inside ^= memchr::memchr_iter(b'"', piece).count() % 2 == 1;
                self.outside = from + last + usize::from(!inside);
            }
            from += piece.len();
            match self.text[from..p].first() {
                Some(b'\\') if inside => from += 2,
                Some(_) => {
                    inside &= self.text[from] != b'\n';
                    from += 1;
                }
                None => {}
            }
            *if inside { &mut self.inside } else { &mut self.outside } = from;
        }
        p > self.outside && self.inside > self.outside
    }

    /// `start..end` so that replacing it cannot break a JSON string: it ends before a quote that is not escaped, and
    /// does not begin in the middle of an escape.
    fn fit(&self, start: usize, end: usize) -> (usize, usize) {
        if !self.json {
            return (start, end);
        }
        let slashes = start - skip_back(self.text, start, 64, |b| b == b'\\');
        if slashes % 2 == 1 {
            return (start, start);
        }
        let mut at = start;
        while let Some(n) = memchr::memchr2(b'"', b'\\', &self.text[at..end]) {
            at += n;
            if self.text[at] == b'"' {
                return (start, at);
            }
            at += 2;
            if at > end {
                // The span ends in the middle of an escape.
                return (start, end - 1);
            }
        }
        (start, end)
    }

    pub(super) fn hit(&mut self, start: usize, end: usize, rule: u16, rank: u8) {
        self.hit_with(start, end, rule, rank, None);
    }

    pub(super) fn hit_with(&mut self, start: usize, end: usize, rule: u16, rank: u8, quote: Option<(u32, u32)>) {
        let (mut start, mut end) = self.fit(start, end);
        let mut quote = quote;
        if self.json && quote.is_none() && start < end && is_number(&self.text[start..end]) && !self.in_string(start) {
            // A bare JSON number that a rule found by itself: the whole number becomes a string.
            let Some(q) = memchr::memrchr(b'"', &self.text[self.start..start]) else { return };
            let q = (self.start + q) as u32;
            quote = Some((q, q + 1));
            start = skip_back(self.text, start, 24, is_number_byte);
            end = skip(self.text, end, is_number_byte);
        }
        if start >= end || in_label(self.text, start, end) {
            return;
        }
        let value = &self.text[start..end];
        let tag = self.set.rules[usize::from(rule)].tag.then(|| self.shared.tags.of(value));
        if matches!(rank, rank::WEAK_FIELD | rank::STRONG_FIELD | rank::SHAPE | rank::CONTEXT) {
            // What is left alone as this rule's may go as a value that was seen.
            self.learn(start, end, !self.shared.kept.get(usize::from(rule)).is_some_and(|kept| *kept));
        }
        if rank == rank::STRONG_FIELD {
            self.taken = self.taken.max(end);
        }
        self.hits.push(Hit {
            start: start as u32,
            end: end as u32,
            rule,
            rank,
            depth: self.depth,
            numeric: false,
            null: false,
            quote,
            tag,
        });
    }

    /// Remembers the value, so that it is found where nothing but itself tells what it is. `hit` says that it goes where
    /// it stands.
    pub(super) fn learn(&mut self, start: usize, end: usize, hit: bool) {
        let place = if hit { (start as u32, end as u32) } else { (0, 0) };
        // Two rules often find the same.
        if self.learns && self.learnt != (start, end) && self.index.tokens.end_near(start, end - start) >= end {
            self.learnt = (start, end);
            self.shared.notes.learn(&self.text[start..end], place, self.shared.line, self.shared.seed);
        }
    }
}

fn is_number_byte(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')
}

fn is_number(text: &[u8]) -> bool {
    text.iter().all(|b| is_number_byte(*b))
}

/// Whether the word at `w` stands in a label.
#[inline(always)]
pub(super) fn is_labelled(text: &[u8], w: usize) -> bool {
    matches!(before(text, w), b'[' | b':') && in_label(text, w, w + 1)
}

/// Whether `start..end` is a label or lies inside one.
pub(super) fn in_label(text: &[u8], start: usize, end: usize) -> bool {
    let open = skip_back(text, start, 80, |b| is(b, ALNUM) || matches!(b, b'_' | b':' | b'*'));
    let covers = |at: usize| label_len(&text[at..]).is_some_and(|n| at + n >= end);
    covers(start) || (open > 0 && covers(open - 1))
}

#[cfg(test)]
mod tests {
    use super::super::tag::PseudonymKey;
    use super::*;

    #[test]
    fn a_place_is_in_a_string_when_the_quotes_before_it_say_so() {
        let set = RuleSet::new(Vec::new());
        let key = PseudonymKey::new(0, b"k");
        let mut shared = Shared::new(Tags::new(key, (1, 2)), (1, 2));
        let (index, mut hits) = (Index::default(), Vec::new());
        let letters = b"a\"\"\\\n";
        for n in 0..letters.len().pow(7) {
            let mut text = b"{".to_vec();
            text.extend((0..7).map(|i| letters[n / letters.len().pow(i) % letters.len()]));
            let mut s = Scan::new(&set, &mut shared, &text, &index, &mut hits, (1, false));
            s.enter(0);
            // Which places are asked for must not matter, nor in which order.
            let asked: Vec<usize> = (0..=text.len()).filter(|at| n >> at & 1 == 1).chain([text.len(), n % 8]).collect();
            for p in asked {
                let (mut at, mut inside) = (0, false);
                while at < p {
                    match text[at] {
                        b'"' => inside = !inside,
                        b'\n' => inside = false,
                        b'\\' if inside => at += 1,
                        _ => {}
                    }
                    at += 1;
                }
                assert_eq!(s.in_string(p), inside, "{p} of {}", text.escape_ascii());
            }
        }
    }
}
