//! The rules, made ready for matching.

use std::collections::HashMap;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use super::heads::{HEAD, Heads, Opening};
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

    /// A literal that the pattern of rule `number` begins with. How a match goes on is told of short ones alone.
    fn opening<'l>(&self, literal: &'l [u8], number: u16) -> Opening<'l> {
        let (known, token) = match literal.len() <= HEAD {
            true => match self.compiled() {
                Compiled::Simple(matcher) => (matcher.heads(), matcher.token),
                _ => ([None; HEAD], 0),
            },
            false => ([None; HEAD], 0),
        };
        let sets = std::array::from_fn(|i| literal.get(i).map_or(known[i], |b| Some(ByteSet::of(*b))));
        Opening { literal, rule: Some(number), sets, token }
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
    /// Whether a rule looks for a bracket in its literals or keywords, so that a label may be part of what it finds.
    pub(super) brackets: bool,
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
        let bracket = |word: &String| word.contains(['[', ']']);
        let brackets = rules.iter().any(|r| r.prefixes.iter().chain(&r.keywords).any(bracket));
        Self { rules, patterns, names, prefixes, brackets, builtin }
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

/// The literals that rules start with.
pub(super) struct Prefixes {
    /// By the first bytes of a word.
    pub(super) heads: Heads,
    /// For all bytes of a text at once.
    pub(super) openings: Openings,
    /// Length of the longest literal, in bytes, and of the longest with a bracket in it.
    pub(super) longest: usize,
    pub(super) bracketed: usize,
}

impl Prefixes {
    fn new(rules: &[RuleDef], patterns: &[Pattern]) -> Self {
        let all = rules.iter().zip(patterns).zip(0..);
        let literals = all.flat_map(|((rule, pattern), number)| {
            let long = rule.prefixes.iter().map(String::as_bytes).filter(|p| p.len() >= 2);
            long.map(move |literal| pattern.opening(literal, number))
        });
        let words = WORDS.map(|literal| Opening { literal, rule: None, sets: [None; HEAD], token: 0 });
        let all: Vec<_> = literals.chain(words).collect();
        let lengths = || all.iter().filter(|o| o.rule.is_some()).map(|o| (o.literal.len(), o.literal.contains(&b'[')));
        let longest = lengths().map(|(len, _)| len).max().unwrap_or(0);
        let bracketed = lengths().filter(|(_, has)| *has).map(|(len, _)| len).max().unwrap_or(0);
        let openings = Openings::new(all.iter().map(|o| (o.literal, o.sets)));
        Self { heads: Heads::new(all.into_iter()), openings, longest, bracketed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Index;
    use super::super::survey::PORTABLE;
    use super::*;

    #[test]
    fn every_literal_passes_the_filter_and_is_found() {
        let set = RuleSet::new(crate::rules::load_embedded());
        let mut index = Index::default();
        let mut count = 0;
        for (i, r) in set.rules.iter().enumerate() {
            for example in r.examples.iter().filter_map(|e| e.split_once('«')?.1.split_once('»')) {
                let text = example.0.as_bytes();
                (PORTABLE.build)(&mut index, text, &set.prefixes.openings);
                if text.len() > 4 && r.prefixes.iter().any(|p| p.len() > 1 && text.starts_with(p.as_bytes())) {
                    assert!(set.prefixes.heads.may_begin(text, 0), "{}", r.id);
                    assert!(set.prefixes.heads.may_start(text, 0, &index.tokens), "{}", r.id);
                    assert!(set.prefixes.heads.at(text).any(|found| usize::from(found) == i), "{}", r.id);
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
