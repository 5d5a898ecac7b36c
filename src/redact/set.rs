//! The rules, made ready for matching.

use std::collections::HashMap;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use super::names::Names;
use crate::rules::{Pack, RuleDef};

/// Largest compiled size of one pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// How many bytes before a value a keyword may stand.
pub(super) const REACH: usize = 40;

/// A rule's pattern, compiled when first needed.
pub(super) struct Pattern {
    source: Option<String>,
    anchored: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(source: Option<&str>) -> Self {
        Self { source: source.map(str::to_owned), anchored: OnceLock::new() }
    }

    /// Where the pattern matches at the very start of `text`: the part that goes and the whole match, as ends and
    /// starts within `text`. A rule without a pattern matches nothing.
    pub(super) fn at_start(&self, text: &[u8]) -> Option<Span> {
        let regex = self.anchored.get_or_init(|| compile(self.source.as_deref()?)).as_ref()?;
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

    /// Whether the rule has a pattern at all.
    pub(super) fn is_some(&self) -> bool {
        self.source.is_some()
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
    // The packs were checked when they were loaded; a pattern that fails here anyway matches nothing.
    RegexBuilder::new(&format!("^(?:{source})")).unicode(false).size_limit(PATTERN_SIZE).build().ok()
}

/// All rules, with the tables that wake them.
pub(super) struct RuleSet {
    pub(super) rules: Vec<RuleDef>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) names: Names,
    pub(super) prefixes: Prefixes,
    /// Keywords before a value, and the rules of each.
    pub(super) keywords: Option<AhoCorasick>,
    pub(super) keyword_rules: Vec<Vec<u16>>,
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
        let (keywords, keyword_rules) = keywords(&rules);
        names.set_keywords(keywords.clone(), keyword_rules.clone());
        let patterns = rules.iter().map(|r| Pattern::new(r.pattern.as_deref())).collect();
        let prefixes = Prefixes::new(&rules);
        Self { rules, patterns, names, prefixes, keywords, keyword_rules, builtin }
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

fn keywords(rules: &[RuleDef]) -> (Option<AhoCorasick>, Vec<Vec<u16>>) {
    let mut by_word: std::collections::BTreeMap<&str, Vec<u16>> = std::collections::BTreeMap::new();
    for (i, r) in rules.iter().enumerate() {
        for k in &r.keywords {
            by_word.entry(k).or_default().push(i as u16);
        }
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(by_word.keys())
        .ok()
        .filter(|_| !by_word.is_empty());
    (automaton, by_word.into_values().collect())
}

/// The literals that rules start with, found by their first two bytes.
pub(super) struct Prefixes {
    /// One bit for each pair of first bytes.
    pairs: Box<[u64; 1024]>,
    /// The pairs in use, sorted, each with the range of its literals.
    buckets: Vec<(u16, u32, u32)>,
    /// Literals with their rules: by pair, the longest first.
    literals: Vec<(Box<[u8]>, u16)>,
}

impl Prefixes {
    fn new(rules: &[RuleDef]) -> Self {
        let pair = |p: &[u8]| u16::from_le_bytes([p[0], p[1]]);
        let mut literals: Vec<(Box<[u8]>, u16)> = Vec::new();
        for (i, r) in rules.iter().enumerate() {
            let long = r.prefixes.iter().filter(|p| p.len() >= 2);
            literals.extend(long.map(|p| (p.as_bytes().into(), i as u16)));
        }
        literals.sort_by_key(|(p, i)| (pair(p), std::cmp::Reverse(p.len()), *i));
        let mut pairs = Box::new([0u64; 1024]);
        let mut buckets: Vec<(u16, u32, u32)> = Vec::new();
        for (at, (p, _)) in literals.iter().enumerate() {
            let pair = pair(p);
            pairs[usize::from(pair) / 64] |= 1 << (pair % 64);
            match buckets.last_mut() {
                Some(last) if last.0 == pair => last.2 = at as u32 + 1,
                _ => buckets.push((pair, at as u32, at as u32 + 1)),
            }
        }
        Self { pairs, buckets, literals }
    }

    /// Whether any literal begins with the first two bytes of `text`.
    #[inline(always)]
    pub(super) fn may_start(&self, text: &[u8]) -> bool {
        let [a, b, ..] = text else { return false };
        let pair = u16::from_le_bytes([*a, *b]);
        self.pairs[usize::from(pair) / 64] >> (pair % 64) & 1 == 1
    }

    /// Rules whose literal stands at the start of `text`, the longest literal first.
    pub(super) fn at<'s>(&'s self, text: &'s [u8]) -> impl Iterator<Item = u16> + 's {
        let pair = match text {
            [a, b, ..] => u16::from_le_bytes([*a, *b]),
            _ => 0,
        };
        let range = self.buckets.binary_search_by_key(&pair, |b| b.0).map_or(0..0, |n| {
            let (_, from, to) = self.buckets[n];
            from as usize..to as usize
        });
        self.literals[range].iter().filter(|(p, _)| text.starts_with(p)).map(|(_, i)| *i)
    }
}
