//! The rules, made ready for matching.

use std::collections::HashMap;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use super::heads::{HEAD, Heads};
use super::keywords::Keywords;
use super::matcher::{ByteSet, Matcher};
use super::names::Names;
use super::openings::Openings;
use crate::rules::{Pack, RuleDef};

/// Largest compiled size of one pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// How many bytes before a value a keyword may stand.
pub(super) const REACH: usize = 40;

/// A rule's pattern, compiled when first needed.
pub(super) struct Pattern {
    source: Option<String>,
    anchored: OnceLock<Compiled>,
}

/// A pattern ready for use.
enum Compiled {
    Simple(Matcher),
    Regex(Regex),
    /// The packs were checked when they were loaded; a pattern that fails to compile anyway matches nothing.
    Nothing,
}

impl Pattern {
    fn new(source: Option<&str>) -> Self {
        Self { source: source.map(str::to_owned), anchored: OnceLock::new() }
    }

    /// Where the pattern matches at the very start of `text`: the part that goes and the whole match, as ends and
    /// starts within `text`. A rule without a pattern matches nothing.
    pub(super) fn at_start(&self, text: &[u8]) -> Option<Span> {
        match self.compiled() {
            Compiled::Simple(matcher) => matcher.at_start(text),
            Compiled::Regex(regex) => regex_at_start(regex, text),
            Compiled::Nothing => None,
        }
    }

    /// Whether a match can begin with a token of `len` bytes, of which 64 are as good as more.
    pub(super) fn fits_token(&self, len: u32) -> bool {
        match self.compiled() {
            Compiled::Simple(matcher) => len >= matcher.token.min(64),
            _ => true,
        }
    }

    fn compiled(&self) -> &Compiled {
        self.anchored.get_or_init(|| {
            let Some(source) = self.source.as_deref() else { return Compiled::Nothing };
            match Matcher::new(source) {
                Some(matcher) => Compiled::Simple(matcher),
                None => compile(source).map_or(Compiled::Nothing, Compiled::Regex),
            }
        })
    }

    /// Whether the rule has a pattern at all.
    pub(super) fn is_some(&self) -> bool {
        self.source.is_some()
    }

    /// The bytes with which a match that begins with `literal` goes on, place by place, as far as they are known.
    fn heads(&self, literal: &[u8]) -> [Option<ByteSet>; HEAD] {
        let known = match literal.len() < HEAD {
            true => match self.compiled() {
                Compiled::Simple(matcher) => matcher.heads(),
                _ => [None; HEAD],
            },
            false => [None; HEAD],
        };
        std::array::from_fn(|i| literal.get(i).map_or(known[i], |b| Some(ByteSet::of(*b))))
    }
}

fn regex_at_start(regex: &Regex, text: &[u8]) -> Option<Span> {
    if regex.captures_len() > 1 {
        let found = regex.captures(text)?;
        let whole = found.get(0)?.range();
        let part = found.get(1).map_or(whole.clone(), |m| m.range());
        Some(Span { start: part.start, end: part.end, whole: whole.end })
    } else {
        let end = regex.find(text)?.end();
        Some(Span { start: 0, end, whole: end })
    }
}

/// A match at the start of a text.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// First byte of the part that goes.
    pub(super) start: usize,
    /// Byte behind the part that goes.
    pub(super) end: usize,
    /// Byte behind the whole match.
    pub(super) whole: usize,
}

fn compile(source: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{source})")).unicode(false).size_limit(PATTERN_SIZE).build().ok()
}

/// All rules, with the tables that wake them.
pub(super) struct RuleSet {
    pub(super) rules: Vec<RuleDef>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) names: Names,
    pub(super) prefixes: Prefixes,
    /// Numbers of the shapes that are built in, by name.
    pub(super) builtin: Builtin,
}

/// Rule numbers of the shapes in code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builtin {
    pub(super) email: u16,
    pub(super) phone: u16,
    pub(super) card: u16,
    pub(super) ssn: u16,
    pub(super) private_key: u16,
    pub(super) url_password: u16,
    pub(super) url_token: u16,
    pub(super) bearer: u16,
    pub(super) basic: u16,
    pub(super) remembered: u16,
}

impl RuleSet {
    /// Compiles packs in order; later packs win where both name a field.
    pub(super) fn new(packs: Vec<Pack>) -> Self {
        let mut rules: Vec<RuleDef> = Vec::new();
        let mut classes = Vec::new();
        for pack in packs {
            rules.extend(pack.rules.into_iter().filter(|r| !r.off));
            classes.push(pack.fields);
        }
        let builtin = builtins(&mut rules);
        let mut names = Names::default();
        let mut by_kind: HashMap<String, u16> = HashMap::new();
        let tagged: Vec<String> = classes.iter().flat_map(|c| c.tagged.clone()).collect();
        for c in &classes {
            names.add_classes(c, |kind| {
                *by_kind.entry(kind.to_owned()).or_insert_with(|| {
                    rules.push(field_rule(kind, tagged.iter().any(|t| t == kind)));
                    rules.len() as u16 - 1
                })
            });
        }
        for (i, r) in rules.iter().enumerate() {
            for f in &r.fields {
                names.add_field(f, i as u16);
            }
        }
        names.keywords = Keywords::new(&rules);
        let patterns: Vec<_> = rules.iter().map(|r| Pattern::new(r.pattern.as_deref())).collect();
        let prefixes = Prefixes::new(&rules, &patterns);
        Self { rules, patterns, names, prefixes, builtin }
    }
}

/// The rule that stands behind a field class.
fn field_rule(kind: &str, tag: bool) -> RuleDef {
    RuleDef {
        id: format!("field-{}", kind.to_ascii_lowercase().replace('_', "-")),
        kind: kind.to_owned(),
        description: format!("value of a field whose name says {}", kind.to_ascii_lowercase().replace('_', " ")),
        tag,
        ..RuleDef::default()
    }
}

/// Finds each built-in shape among the packs' rules, or adds a plain one.
fn builtins(rules: &mut Vec<RuleDef>) -> Builtin {
    let mut find = |name: &str, kind: &str, tag: bool, description: &str| {
        let at = rules.iter().position(|r| r.builtin.as_deref() == Some(name)).unwrap_or_else(|| {
            rules.push(RuleDef {
                id: name.to_owned(),
                kind: kind.to_owned(),
                description: description.to_owned(),
                builtin: Some(name.to_owned()),
                tag,
                ..RuleDef::default()
            });
            rules.len() - 1
        });
        at as u16
    };
    Builtin {
        email: find("email", "EMAIL", false, "e-mail address"),
        phone: find("phone", "PHONE", false, "telephone number"),
        card: find("card", "CARD", false, "payment card number"),
        ssn: find("ssn", "SSN", false, "US social security number"),
        private_key: find("private-key", "PRIVATE_KEY", false, "private key in PEM form"),
        url_password: find("url-userinfo", "PASSWORD", false, "password in a URL"),
        url_token: find("url-token", "ACCESS_TOKEN", true, "token in the user part of a URL"),
        bearer: find("bearer", "BEARER_TOKEN", true, "token behind an authorization scheme"),
        basic: find("basic-auth", "BASIC_AUTH", true, "HTTP basic credentials"),
        remembered: find("seen-before", "SECRET", false, "value that was redacted earlier in the stream"),
    }
}

/// Words that are looked at whatever the rules say: authorization schemes stand before what they name, and with the last
/// a private key begins.
const WORDS: [&[u8]; 7] = [b"Bearer", b"bearer", b"BEARER", b"Basic", b"basic", b"BASIC", b"BEGIN "];

/// The literals that rules start with, found by their first two bytes.
pub(super) struct Prefixes {
    /// How a literal or one of the words can begin.
    pub(super) heads: Heads,
    pub(super) openings: Openings,
    /// For each pair of first bytes the number of its bucket, 0 for none.
    pairs: Box<[u16; 1 << 16]>,
    /// Literals that begin with one pair, as ranges.
    buckets: Vec<std::ops::Range<u32>>,
    /// Literals with their rules: by pair, the longest first.
    literals: Vec<Literal>,
    /// Length of the longest literal, in bytes, and of the longest with a bracket in it.
    pub(super) longest: usize,
    pub(super) bracketed: usize,
}

/// Bytes that a rule's matches begin with.
struct Literal {
    bytes: Box<[u8]>,
    /// The first eight bytes, and which of them there are.
    head: u64,
    mask: u64,
    rule: u16,
}

impl Literal {
    fn new(bytes: &[u8], rule: u16) -> Self {
        let mut head = [0; 8];
        let n = bytes.len().min(8);
        head[..n].copy_from_slice(&bytes[..n]);
        let mask = if n == 8 { u64::MAX } else { (1 << (8 * n)) - 1 };
        Self { bytes: bytes.into(), head: u64::from_le_bytes(head), mask, rule }
    }

    #[inline(always)]
    fn starts(&self, text: &[u8], head: u64) -> bool {
        head & self.mask == self.head && (self.bytes.len() <= 8 || text.starts_with(&self.bytes))
    }
}

impl Prefixes {
    fn new(rules: &[RuleDef], patterns: &[Pattern]) -> Self {
        let pair = |p: &[u8]| u16::from_le_bytes([p[0], p[1]]);
        let mut literals: Vec<Literal> = Vec::new();
        for (i, r) in rules.iter().enumerate() {
            let long = r.prefixes.iter().filter(|p| p.len() >= 2);
            literals.extend(long.map(|p| Literal::new(p.as_bytes(), i as u16)));
        }
        literals.sort_by_key(|l| (pair(&l.bytes), std::cmp::Reverse(l.bytes.len()), l.rule));
        let mut pairs = Box::new([0; 1 << 16]);
        let mut buckets = Vec::from_iter(std::iter::once(0..0));
        for (at, l) in literals.iter().enumerate() {
            let bucket = &mut pairs[usize::from(pair(&l.bytes))];
            if *bucket == 0 {
                *bucket = buckets.len() as u16;
                buckets.push(at as u32..at as u32);
            }
            buckets[usize::from(*bucket)].end = at as u32 + 1;
        }
        let words = WORDS.iter().map(|s| (*s, [None; HEAD]));
        let all = literals.iter().map(|l| (&*l.bytes, patterns[usize::from(l.rule)].heads(&l.bytes)));
        let all = Vec::from_iter(all.chain(words));
        let (heads, openings) = (Heads::new(all.iter().copied()), Openings::new(all.iter().copied()));
        let longest = |all: &mut dyn Iterator<Item = &Literal>| all.map(|l| l.bytes.len()).max().unwrap_or(0);
        let bracketed = longest(&mut literals.iter().filter(|l| l.bytes.contains(&b'[')));
        let longest = longest(&mut literals.iter());
        Self { heads, openings, pairs, buckets, literals, longest, bracketed }
    }

    /// Rules whose literal stands at the start of `text`, the longest literal first.
    pub(super) fn at<'s>(&'s self, text: &'s [u8]) -> impl Iterator<Item = u16> + 's {
        let head = match text.first_chunk() {
            Some(head) => *head,
            None => std::array::from_fn(|i| text.get(i).copied().unwrap_or(0)),
        };
        let bucket = self.buckets[usize::from(self.pairs[usize::from(u16::from_le_bytes([head[0], head[1]]))])].clone();
        let head = u64::from_le_bytes(head);
        let literals = &self.literals[bucket.start as usize..bucket.end as usize];
        literals.iter().filter(move |l| l.starts(text, head)).map(|l| l.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_passes_the_filter_and_is_found() {
        let set = RuleSet::new(crate::rules::load_embedded());
        let mut count = 0;
        for (i, r) in set.rules.iter().enumerate() {
            for example in r.examples.iter().filter_map(|e| e.split_once('«')?.1.split_once('»')) {
                let text = example.0.as_bytes();
                if text.len() > 4 && r.prefixes.iter().any(|p| p.len() > 1 && text.starts_with(p.as_bytes())) {
                    assert!(set.prefixes.heads.may_start(text, 0), "{}", r.id);
                    assert!(set.prefixes.at(text).any(|found| usize::from(found) == i), "{}", r.id);
                    count += 1;
                }
            }
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn simple_patterns_match_as_the_regex_does() {
        let set = RuleSet::new(crate::rules::load_embedded());
        let mut simple = 0;
        for (rule, pattern) in set.rules.iter().zip(&set.patterns) {
            let (Some(source), Compiled::Simple(matcher)) = (&pattern.source, pattern.compiled()) else { continue };
            simple += 1;
            let regex = compile(source).unwrap();
            for example in rule.examples.iter().chain(&rule.negatives) {
                let text = example.replace(['«', '»'], "").into_bytes();
                for at in 0..text.len() {
                    for end in [text.len(), at + (text.len() - at) / 2, at + (text.len() - at) * 4 / 5] {
                        let text = &text[at..end];
                        let (a, b) = (matcher.at_start(text), regex_at_start(&regex, text));
                        let spans = |s: Option<Span>| s.map(|s| (s.start, s.end, s.whole));
                        assert_eq!(spans(a), spans(b), "{}: {source} on {}", rule.id, text.escape_ascii());
                    }
                }
            }
        }
        assert!(simple > 900, "{simple}");
    }
}
