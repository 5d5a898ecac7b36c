//! Patterns of the simple kind that most rules have: rows of byte classes with counts, tried at one place.
//!
//! A pattern is parsed by `regex-syntax` and laid out into paths, one for each way through its alternatives and optional
//! parts, in the order in which a backtracking matcher would take them. A path is a row of steps, each a class of bytes
//! and how often it may stand. Nearly always what follows a step cannot begin with a byte of the step, so that each step
//! takes all it can get and there is nothing to try again; one step a path may be otherwise. What does not fit in this
//! form is left to the `regex` crate; a test holds the two against each other on every pattern of the embedded packs.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::bytes::{TOKEN, is, work};
use super::set::Span;

/// A set of bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    /// This byte alone.
    pub(super) fn of(b: u8) -> Self {
        Self::range(b, b)
    }

    fn range(first: u8, last: u8) -> Self {
        let mut set = Self::default();
        (first..=last).for_each(|b| set.0[usize::from(b) / 64] |= 1 << (b % 64));
        set
    }

    #[inline(always)]
    pub(super) fn has(&self, b: u8) -> bool {
        self.0[usize::from(b) / 64] >> (b % 64) & 1 == 1
    }

    /// The lower seven bits of its bytes.
    pub(super) fn folded(&self) -> u128 {
        let [a, b, c, d] = self.0;
        u128::from(a | c) | u128::from(b | d) << 64
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    fn meets(self, other: Self) -> bool {
        (0..4).any(|i| self.0[i] & other.0[i] != 0)
    }
}

/// A class of bytes and how often it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Step {
    set: ByteSet,
    min: u32,
    max: u32,
    /// Whether what follows may begin with a byte of the set, so that fewer may have to be taken than could be.
    loose: bool,
}

/// One way through a pattern.
#[derive(Clone, Default)]
struct Path {
    steps: Vec<Step>,
    /// The steps that the pattern's first group spans, when it is on this way.
    group: Option<(usize, usize)>,
}

/// A pattern as paths in order of preference.
pub(super) struct Matcher {
    paths: Vec<Path>,
    /// With how many bytes of a token every match begins, at least.
    pub(super) token: u32,
}

/// Most ways through a pattern, and most steps of one.
const PATHS: usize = 64;
const STEPS: usize = 128;

impl Matcher {
    /// Lays `pattern` out; `None` when it does not fit in this form.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
        if hir.properties().explicit_captures_len() > 1 {
            return None;
        }
        let mut paths = vec![Path::default()];
        append(&hir, &mut paths)?;
        for path in &mut paths {
            if !path.settle() {
                return None;
            }
        }
        let token = paths.iter().map(Path::token).min().unwrap_or(0);
        Some(Self { paths, token })
    }

    /// The match at the very start of `text`.
    #[inline]
    pub(super) fn at_start(&self, text: &[u8]) -> Option<Span> {
        self.paths.iter().find_map(|p| p.at_start(text))
    }

    /// The bytes with which a match can begin, place by place: `None` from the first place that may be missing.
    pub(super) fn heads<const N: usize>(&self) -> [Option<ByteSet>; N] {
        let mut all = [Some(ByteSet::default()); N];
        for path in &self.paths {
            let mut sets = path.steps.iter().flat_map(|s| {
                let sure = std::iter::repeat_n(Some(s.set), s.min as usize);
                sure.chain((s.max > s.min).then_some(None))
            });
            let mut open = true;
            for place in &mut all {
                let set = sets.next().flatten().filter(|_| open);
                open = set.is_some();
                *place = place.and_then(|all| Some(all.or(set?)));
            }
        }
        all
    }
}

impl Path {
    /// With how many bytes of a token a match begins, at least.
    fn token(&self) -> u32 {
        let mut sum = 0;
        for step in &self.steps {
            if !(0..=u8::MAX).all(|b| !step.set.has(b) || is(b, TOKEN)) {
                break;
            }
            sum += step.min;
        }
        sum
    }

    /// Marks the steps that may have to give bytes back. False when there is more than one, which could be slow.
    fn settle(&mut self) -> bool {
        let mut loose = 0;
        for i in 0..self.steps.len() {
            let mut follow = ByteSet::default();
            for next in &self.steps[i + 1..] {
                follow = follow.or(next.set);
                if next.min > 0 {
                    break;
                }
            }
            let step = &mut self.steps[i];
            step.loose = step.min < step.max && step.set.meets(follow);
            loose += usize::from(step.loose);
        }
        loose <= 1
    }

    #[inline]
    fn at_start(&self, text: &[u8]) -> Option<Span> {
        let mut span = Span { start: 0, end: 0, whole: 0 };
        let end = self.from(0, text, 0, &mut span)?;
        span.whole = end;
        match self.group {
            Some((_, to)) if to == self.steps.len() => span.end = end,
            Some(_) => {}
            None => (span.start, span.end) = (0, end),
        }
        Some(span)
    }

    /// Takes the steps from `first` on at `at`. Notes in `span` where the group begins and ends; gives the end.
    fn from(&self, first: usize, text: &[u8], mut at: usize, span: &mut Span) -> Option<usize> {
        for (i, step) in self.steps.iter().enumerate().skip(first) {
            if let Some((from, to)) = self.group {
                if i == from {
                    span.start = at;
                }
                if i == to {
                    span.end = at;
                }
            }
            let rest = &text[at..];
            let rest = &rest[..rest.len().min(step.max as usize)];
            let most = rest.iter().position(|b| !step.set.has(*b)).unwrap_or(rest.len());
            work(most);
            if most < step.min as usize {
                return None;
            }
            if step.loose {
                return (step.min as usize..=most).rev().find_map(|n| self.from(i + 1, text, at + n, span));
            }
            at += most;
        }
        Some(at)
    }
}

/// Continues each path with what `hir` can be. `None` when that does not fit.
fn append(hir: &Hir, paths: &mut Vec<Path>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(l) => l.0.iter().try_for_each(|b| push(paths, ByteSet::of(*b), 1, 1))?,
        HirKind::Class(c) => push(paths, class(c)?, 1, 1)?,
        HirKind::Look(_) => return None,
        HirKind::Repetition(r) => repeat(r, paths)?,
        HirKind::Capture(c) => {
            let first: Vec<usize> = paths.iter().map(|p| p.steps.len()).collect();
            // The paths that come of one path all begin with its steps; the group begins behind those.
            if first.iter().any(|n| *n != first[0]) {
                return None;
            }
            append(&c.sub, paths)?;
            paths.iter_mut().for_each(|p| p.group = Some((first[0], p.steps.len())));
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|p| append(p, paths))?,
        HirKind::Alternation(ways) => branch(paths, ways.len(), |n, some| append(&ways[n], some))?,
    }
    Some(())
}

/// Replaces each path by its continuations in `ways` ways, in order.
fn branch(paths: &mut Vec<Path>, ways: usize, mut each: impl FnMut(usize, &mut Vec<Path>) -> Option<()>) -> Option<()> {
    let mut all = Vec::new();
    for path in paths.drain(..) {
        for n in 0..ways {
            let mut some = vec![path.clone()];
            each(n, &mut some)?;
            all.append(&mut some);
        }
        if all.len() > PATHS {
            return None;
        }
    }
    *paths = all;
    Some(())
}

fn repeat(r: &Repetition, paths: &mut Vec<Path>) -> Option<()> {
    let single = match r.sub.kind() {
        HirKind::Class(c) => Some(class(c)?),
        HirKind::Literal(l) if l.0.len() == 1 => Some(ByteSet::of(l.0[0])),
        _ => None,
    };
    if let Some(set) = single.filter(|_| r.greedy || Some(r.min) == r.max) {
        return push(paths, set, r.min, r.max.unwrap_or(u32::MAX));
    }
    let max = r.max.filter(|max| r.greedy && *max <= 8)?;
    // As often as can be is tried first.
    branch(paths, (max - r.min + 1) as usize, |n, some| (0..max - n as u32).try_for_each(|_| append(&r.sub, some)))
}

fn push(paths: &mut [Path], set: ByteSet, min: u32, max: u32) -> Option<()> {
    for path in paths {
        path.steps.push(Step { set, min, max, loose: false });
        if path.steps.len() > STEPS {
            return None;
        }
    }
    Some(())
}

fn class(c: &Class) -> Option<ByteSet> {
    let all = |ranges: &mut dyn Iterator<Item = (u8, u8)>| {
        ranges.fold(ByteSet::default(), |set, (first, last)| set.or(ByteSet::range(first, last)))
    };
    match c {
        Class::Bytes(c) => Some(all(&mut c.iter().map(|r| (r.start(), r.end())))),
        Class::Unicode(c) if c.is_ascii() => Some(all(&mut c.iter().map(|r| (r.start() as u8, r.end() as u8)))),
        Class::Unicode(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(pattern: &str, text: &str) -> Option<(usize, usize, usize)> {
        let found = Matcher::new(pattern).unwrap().at_start(text.as_bytes());
        found.map(|s| (s.start, s.end, s.whole))
    }

    #[test]
    fn takes_what_a_backtracking_matcher_would() {
        assert_eq!(span("a{2,3}b", "aab"), Some((0, 3, 3)));
        assert_eq!(span("a{2,3}b", "aaaab"), None);
        assert_eq!(span("ab|a", "ab"), Some((0, 2, 2)));
        assert_eq!(span("a|ab", "ab"), Some((0, 1, 1)));
        assert_eq!(span("k=([a-z]+);", "k=abc;x"), Some((2, 5, 6)));
        assert_eq!(span("k=([a-z]+)", "k=abc;x"), Some((2, 5, 5)));
        assert_eq!(span("(?:x|y)?z{0,2}w", "xzzw"), Some((0, 4, 4)));
        assert_eq!(span("[a-z]{1,9}T3[a-z]{2}", "abcT3de"), Some((0, 7, 7)));
        // A step that has to give back.
        assert_eq!(span("[a-z]{1,9}yz[0-9]", "abcyzyz1"), Some((0, 8, 8)));
        assert_eq!(span("(?:-[a-f]{2}){1,3}", "-ab-cd-zz"), Some((0, 6, 6)));
    }

    #[test]
    fn what_does_not_fit_is_left_to_others() {
        for pattern in ["a\\b", "a+?b", "(a)(b)", "[a-z]+[a-c]+[b-d]+x", "(?:ab)+"] {
            assert!(Matcher::new(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_match_begins_with_a_token_of_so_many_bytes() {
        let token = |pattern| Matcher::new(pattern).unwrap().token;
        assert_eq!(token(r"0\.[0-9a-f]{8}-[a-z]{4,9}:[0-9]{3}"), 15);
        assert_eq!(token("(?:sk|pk)-[a-z]{0,3}(?:abc|de)[0-9]?"), 5);
        assert_eq!(token("a[b ]{9}"), 1);
    }

    #[test]
    fn heads_say_how_a_match_begins() {
        let heads = Matcher::new("sk-[0-9]{2}(?:a|b)?").unwrap().heads::<6>();
        let has = |i: usize, b: u8| heads[i].is_none_or(|s| s.has(b));
        assert!(has(0, b's') && !has(0, b'k') && has(3, b'7') && !has(3, b'a'));
        assert!(has(5, b'!'), "nothing is sure from here on");
    }
}
