//! What a field's name says about its value.
//!
//! A name is cut into lower-case tokens (`X-Api-Key`, `apiKey`, `API_KEY` are all `api_key`) and its classes are the
//! token sequences of the rule packs found anywhere in it. That is worked out once for each distinct spelling; the
//! answer is remembered under a keyed hash, since whoever writes the log chooses the names.

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::keywords::{Keywords, Word};
use crate::rules::FieldClasses;

/// How a field's value is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Nothing special.
    Plain,
    /// Any value goes, under this rule.
    Strong(u16),
    /// A value that looks like a secret goes, under this rule.
    Weak(u16),
    /// A value that fits the rule's type goes.
    Personal(u16),
    /// The value names the field that stands beside it: `{"name":"password","value":"x"}`.
    Naming,
}

/// All that is known of a name, in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) class: Class,
    /// The class's words are the whole name.
    pub(super) whole: bool,
    /// Which rules name this field, or have a keyword that is in it; their patterns are tried on the value.
    pub(super) rules: RuleList,
}

impl Name {
    /// Whether a field of this name is worth reading.
    #[inline(always)]
    pub(super) fn matters(&self) -> bool {
        self.class != Class::Plain || !self.rules.is_empty()
    }
}

/// A row of rules in a [`NameCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleList {
    start: u16,
    len: u8,
}

impl RuleList {
    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(super) fn len(self) -> usize {
        usize::from(self.len)
    }
}

/// Buffers that are used again for each name.
#[derive(Default)]
struct Scratch {
    joined: String,
    cuts: Vec<usize>,
    denied: Vec<(usize, usize)>,
    rules: Vec<u16>,
    words: Vec<Word>,
}

/// The packs' field names, ready for look-up.
#[derive(Default)]
pub(super) struct Names {
    strong: HashMap<String, u16>,
    weak: HashMap<String, u16>,
    personal: HashMap<String, u16>,
    fields: HashMap<String, Vec<u16>>,
    /// Strong classes that hold whatever follows in the name: `password_confirmation`.
    steady: HashSet<u16>,
    deny: HashSet<String>,
    deny_suffix: HashSet<String>,
    /// The keywords of rules, which count inside a name as before a value.
    pub(super) keywords: Keywords,
    /// One bit for each three letters with which a strong name ends.
    endings: Endings,
}

/// One bit for each three letters, of which the lower five bits count: the same in either case.
struct Endings(Box<[u64; 1 << 15 >> 6]>);

impl Default for Endings {
    fn default() -> Self {
        Self(Box::new([0; 1 << 15 >> 6]))
    }
}

impl Endings {
    #[inline(always)]
    fn place([a, b, c]: [u8; 3]) -> usize {
        usize::from(a & 0x1f) | usize::from(b & 0x1f) << 5 | usize::from(c & 0x1f) << 10
    }

    fn add(&mut self, letters: [u8; 3]) {
        let place = Self::place(letters);
        self.0[place / 64] |= 1 << (place % 64);
    }

    #[inline(always)]
    fn has(&self, letters: [u8; 3]) -> bool {
        let place = Self::place(letters);
        self.0[place / 64] >> (place % 64) & 1 == 1
    }
}

/// Names whose value is itself a name.
const NAMING: [&str; 12] =
    ["name", "key", "field", "header", "param", "parameter", "property", "variable", "var", "attribute", "n", "k"];

/// Longest sequence of tokens that a pack may name, and most tokens of a name that are looked at.
const LONGEST: usize = 4;
const TOKENS: usize = 10;

impl Names {
    /// Adds a pack's classes; `rule` gives the number of the synthetic rule of a label type.
    pub(super) fn add_classes(&mut self, classes: &FieldClasses, mut rule: impl FnMut(&str) -> u16) {
        for (from, to) in [
            (&classes.strong, &mut self.strong),
            (&classes.weak, &mut self.weak),
            (&classes.personal, &mut self.personal),
        ] {
            for (kind, names) in from {
                let id = rule(kind);
                if kind == "PASSWORD" {
                    self.steady.insert(id);
                }
                to.extend(names.iter().map(|n| (tokens_of(n), id)));
            }
        }
        for end in classes.strong.values().flatten().filter_map(|n| n.as_bytes().last_chunk::<3>()) {
            self.endings.add(*end);
        }
        self.deny.extend(classes.deny.iter().map(|n| tokens_of(n)));
        self.deny_suffix.extend(classes.deny_suffix.iter().map(|n| tokens_of(n)));
    }

    /// Adds a field that a rule names.
    pub(super) fn add_field(&mut self, name: &str, rule: u16) {
        self.fields.entry(tokens_of(name)).or_default().push(rule);
    }

    /// Whether a strong name can end with these letters, in either case.
    #[inline]
    pub(super) fn may_end(&self, letters: [u8; 3]) -> bool {
        self.endings.has(letters)
    }

    /// Works out a name from scratch: its class, and whether the class's words are the whole of it. The rules are left
    /// in `scratch`.
    fn classify(&self, raw: &[u8], scratch: &mut Scratch) -> (Class, bool) {
        let Scratch { joined, cuts, denied, rules, words } = scratch;
        normalise(raw, joined);
        token_starts(joined, cuts);
        rules.clear();
        self.denied(joined, cuts, denied);
        let inside = |from: usize, to: usize| denied.iter().any(|(a, b)| *a <= from && to <= *b);
        let described = self.described(joined, cuts);
        let (mut strong, mut weak, mut personal) = (None, None, None);
        let mut strong_end = 0;
        for (i, &from) in cuts.iter().enumerate() {
            for &to in cuts[i + 1..].iter().take(LONGEST) {
                let part = &joined[from..to - 1];
                if inside(from, to) || (described && to != joined.len()) {
                    continue;
                }
                // The longest and the last sequence says best what the value is.
                let before = strong;
                strong = longer(strong, part, &self.strong);
                if strong != before {
                    strong_end = to;
                }
                weak = longer(weak, part, &self.weak);
                personal = longer(personal, part, &self.personal);
                if let Some(found) = self.fields.get(part) {
                    rules.extend(found);
                }
            }
        }
        let plain = described || (!denied.is_empty() && strong.is_none() && weak.is_none());
        if !plain {
            self.keywords.find(raw, 0..raw.len(), words);
            words.iter().for_each(|w| rules.extend(self.keywords.rules(*w)));
        }
        rules.sort_unstable();
        rules.dedup();
        let class = match (strong, weak, personal) {
            // `api_key_user_email` speaks of a key and holds something else: the value has to look like a secret.
            (Some((_, id)), ..) if strong_end == joined.len() || self.steady.contains(&id) => Class::Strong(id),
            (_, _, Some((_, id))) => Class::Personal(id),
            (_, Some((_, id)), _) | (Some((_, id)), ..) if joined != "key_" => Class::Weak(id),
            _ if NAMING.contains(&joined.trim_end_matches('_')) => Class::Naming,
            _ => Class::Plain,
        };
        let whole = weak.is_some_and(|(n, _)| n + 1 == joined.len());
        (class, whole)
    }

    /// Rows of tokens that mean something else, as (start, end) in the joined name.
    fn denied(&self, joined: &str, cuts: &[usize], rows: &mut Vec<(usize, usize)>) {
        rows.clear();
        for (i, &from) in cuts.iter().enumerate() {
            for &to in cuts[i + 1..].iter().take(LONGEST + 1) {
                if self.deny.contains(&joined[from..to - 1]) {
                    rows.push((from, to));
                }
            }
        }
    }

    /// Whether the last token says that the name describes a secret and is none.
    fn described(&self, joined: &str, cuts: &[usize]) -> bool {
        match cuts {
            [.., from, end] => self.deny_suffix.contains(&joined[*from..end - 1]),
            _ => false,
        }
    }
}

fn longer<'t>(best: Option<(usize, u16)>, part: &'t str, table: &'t HashMap<String, u16>) -> Option<(usize, u16)> {
    match table.get(part) {
        Some(&id) if best.is_none_or(|(n, _)| part.len() >= n) => Some((part.len(), id)),
        _ => best,
    }
}

/// Lower-case tokens, each followed by `_`: `X-Api-Key` gives `x_api_key_`. Digits at a token's end are dropped. Chinese
/// characters are a token each, since nothing stands between words there.
fn normalise(raw: &[u8], out: &mut String) {
    out.clear();
    let mut word = 0usize;
    let (mut previous, text) = ('\0', String::from_utf8_lossy(raw));
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let hump = c.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_ascii_digit()
                || (previous.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase())));
        if hump || !c.is_alphanumeric() || is_word(c) || is_word(previous) {
            close(out, &mut word);
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        }
        previous = c;
    }
    close(out, &mut word);
}

/// A pack's entry as the names of a log come out of [`normalise`]; one of ASCII is as it should be.
fn tokens_of(entry: &str) -> String {
    let mut tokens = entry.to_owned();
    if !entry.is_ascii() {
        normalise(entry.as_bytes(), &mut tokens);
        tokens.truncate(tokens.trim_end_matches('_').len());
    }
    tokens
}

/// Whether a character can be a word by itself: one of the unified ideographs (Unicode, 18.1).
fn is_word(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}')
}

/// Ends the word that began at `word`, if there is one.
fn close(out: &mut String, word: &mut usize) {
    let letters = out[*word..].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    if letters > 0 {
        out.truncate(*word + letters);
    }
    if out.len() > *word {
        out.push('_');
    }
    *word = out.len();
}

/// Starts of the tokens, and the end of the whole, of what [`normalise`] gives; the last [`TOKENS`] tokens only.
fn token_starts(joined: &str, starts: &mut Vec<usize>) {
    starts.clear();
    starts.push(0);
    starts.extend(joined.bytes().enumerate().filter(|(_, b)| *b == b'_').map(|(i, _)| i + 1));
    starts.drain(..starts.len().saturating_sub(TOKENS + 1));
}

/// Remembers what names mean: two places a name, the second of which is overwritten when another name falls into it.
///
/// Names of up to 16 bytes are kept as they are and compared whole; longer ones are known by a keyed hash.
pub(super) struct NameCache {
    short: Box<[(Spelling, Name); SLOTS]>,
    long: Box<[(u64, Name); SLOTS]>,
    rules: Vec<u16>,
    scratch: Scratch,
    seed: (u64, u64),
}

/// The last eight bytes of a name and those before them.
type Spelling = (u64, u64);

/// Slots of each table.
const SLOTS: usize = 4096;

/// Most rules that are kept for all names together; whoever writes the log chooses the names.
const RULES: usize = 1 << 15;

const NOTHING: Name = Name { class: Class::Plain, whole: false, rules: RuleList { start: 0, len: 0 } };

impl NameCache {
    pub(super) fn new(seed: (u64, u64)) -> Self {
        Self {
            short: Box::new([((0, 0), NOTHING); SLOTS]),
            long: Box::new([(0, NOTHING); SLOTS]),
            rules: Vec::new(),
            scratch: Scratch::default(),
            seed,
        }
    }

    /// What `text[start..end]` means.
    #[inline]
    pub(super) fn get(&mut self, names: &Names, text: &[u8], start: usize, end: usize) -> Name {
        let Some(spelling) = spelling(text, start, end) else { return self.get_long(names, &text[start..end]) };
        let mixed = self.mix(spelling);
        let slot = (mixed >> 52) as usize;
        let (known, name) = &self.short[slot];
        if *known == spelling {
            return *name;
        }
        self.second(names, spelling, mixed, &text[start..end])
    }

    /// Whether the name of `len` bytes that ends with `sixteen`, at most as many, is known to say nothing about its value.
    #[inline(always)]
    pub(super) fn is_plain(&self, sixteen: &[u8; 16], len: usize) -> bool {
        let spelling = last_of(sixteen, KEEP[len % KEEP.len()]);
        let mixed = self.mix(spelling);
        let plain = |slot: u64| {
            let (known, name) = &self.short[slot as usize % SLOTS];
            (known.0 ^ spelling.0 | known.1 ^ spelling.1) == 0 && !name.matters()
        };
        plain(mixed >> 52) || plain(mixed >> 40)
    }

    /// Where a short name is kept: the upper bits give its first place, those below its second.
    #[inline(always)]
    fn mix(&self, spelling: Spelling) -> u64 {
        (spelling.0 ^ spelling.1 ^ self.seed.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline(never)]
    fn second(&mut self, names: &Names, spelling: Spelling, mixed: u64, raw: &[u8]) -> Name {
        let (slot, other) = ((mixed >> 52) as usize, (mixed >> 40) as usize % SLOTS);
        let (known, name) = self.short[other];
        if known == spelling {
            return name;
        }
        let name = self.learn(names, raw);
        let free = self.short[slot].0 == (0, 0);
        self.short[if free { slot } else { other }] = (spelling, name);
        name
    }

    /// A rule of a name that [`Self::get`] gave last.
    pub(super) fn rule(&self, list: RuleList, n: usize) -> Option<u16> {
        self.rules.get(usize::from(list.start) + n).copied()
    }

    fn get_long(&mut self, names: &Names, raw: &[u8]) -> Name {
        let mut h = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        h.write(raw);
        let hash = h.finish() | 1;
        let slot = (hash >> 32) as usize % SLOTS;
        if self.long[slot].0 != hash {
            self.long[slot] = (hash, self.learn(names, raw));
        }
        self.long[slot].1
    }

    fn learn(&mut self, names: &Names, raw: &[u8]) -> Name {
        let (class, whole) = names.classify(raw, &mut self.scratch);
        let mine = &self.scratch.rules[..self.scratch.rules.len().min(usize::from(u8::MAX))];
        if self.rules.len() + mine.len() > RULES {
            self.short.fill(((0, 0), NOTHING));
            self.long.fill((0, NOTHING));
            self.rules.clear();
        }
        let rules = RuleList { start: self.rules.len() as u16, len: mine.len() as u8 };
        self.rules.extend(mine);
        Name { class, whole, rules }
    }
}

/// The bytes of a name of up to 16 bytes, each in the place that it has counted from the end.
#[inline(always)]
fn spelling(text: &[u8], start: usize, end: usize) -> Option<Spelling> {
    let keep = *KEEP.get(end.wrapping_sub(start))?;
    if let Some(sixteen) = end.checked_sub(16).and_then(|at| text.get(at..)?.first_chunk()) {
        return Some(last_of(sixteen, keep));
    }
    // At the very start of the text there are not sixteen bytes before each end.
    let mut sixteen = [0; 16];
    sixteen[16 - end..].copy_from_slice(text.get(..end)?);
    Some(last_of(&sixteen, keep))
}

#[inline(always)]
fn last_of(sixteen: &[u8; 16], (last, first): (u64, u64)) -> Spelling {
    let word = |at: usize| sixteen[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
    let (a, b) = (word(0), word(8));
    (b & last, a & first)
}

/// For each length of a name, which of the last eight bytes belong to it, and which of the eight before.
static KEEP: [(u64, u64); 17] = {
    let mut masks = [(0, 0); 17];
    let mut len = 1;
    while len <= 16 {
        let (last, first) = if len <= 8 { (len, 0) } else { (8, len - 8) };
        masks[len] = (u64::MAX << (64 - 8 * last), if first == 0 { 0 } else { u64::MAX << (64 - 8 * first) });
        len += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let classes: FieldClasses = toml::from_str(
            r#"
            deny = ["max_tokens", "token_type", "public_key"]
            deny_suffix = ["changed", "count"]
            [strong]
            PASSWORD = ["password", "passwd", "\u5bc6\u7801", "contrase\u00f1a"]
            API_KEY = ["api_key", "apikey"]
            [weak]
            TOKEN = ["token"]
            KEY = ["key"]
            [personal]
            EMAIL = ["email"]
            "#,
        )
        .unwrap();
        let mut kinds = Vec::new();
        let mut n = Names::default();
        n.add_classes(&classes, |k| {
            kinds.push(k.to_owned());
            kinds.len() as u16 - 1
        });
        n
    }

    fn normal(raw: &[u8]) -> String {
        let mut out = String::new();
        normalise(raw, &mut out);
        out
    }

    #[test]
    fn spellings_are_one_name() {
        for s in ["X-Api-Key", "x_api_key", "xApiKey", "x.api.key", "X Api Key2"] {
            assert_eq!(normal(s.as_bytes()), "x_api_key_", "{s}");
        }
        assert_eq!(normal(b"sha256_sum"), "sha_sum_");
        assert_eq!(normal(b"--"), "");
        assert_eq!(normal("dbContrase\u{f1}a1".as_bytes()), "db_contrase\u{f1}a_");
        assert_eq!(normal("\u{7528}\u{6237}Key".as_bytes()), "\u{7528}_\u{6237}_key_");
        assert_eq!(normal(b"a\xffb"), "a_b_");
    }

    #[test]
    fn classes_by_whole_tokens() {
        let n = names();
        let class = |s: &str| n.classify(s.as_bytes(), &mut Scratch::default()).0;
        assert!(matches!(class("dbPassword"), Class::Strong(_)));
        assert!(matches!(class("user.api-key"), Class::Strong(_)));
        assert!(matches!(class("GITHUB_TOKEN"), Class::Weak(_)));
        assert!(matches!(class("email"), Class::Personal(_)));
        assert!(matches!(class("CONTRASE\u{d1}A"), Class::Strong(_)));
        assert!(matches!(class("\u{7528}\u{6237}\u{5bc6}\u{7801}"), Class::Strong(_)));
        assert_eq!(class("name"), Class::Naming);
        for plain in ["max_tokens", "openai_max_tokens", "password_changed", "token_count", "keyboard", "author", ""] {
            assert_eq!(class(plain), Class::Plain, "{plain}");
        }
    }

    #[test]
    fn the_cache_answers_as_the_table_does() {
        let mut n = names();
        n.add_field("dbl", 7);
        let mut c = NameCache::new((1, 2));
        let mut fresh = Scratch::default();
        for _ in 0..2 {
            for i in 0..40_000u32 {
                let raw = format!("password{i}x");
                let name = c.get(&n, raw.as_bytes(), 0, raw.len());
                assert_eq!((name.class, name.whole), n.classify(raw.as_bytes(), &mut fresh));
                let long = format!("a very long name with dbl that ends in {raw}");
                let name = c.get(&n, long.as_bytes(), 7, long.len());
                assert_eq!((name.class, name.whole), n.classify(&long.as_bytes()[7..], &mut fresh));
                let rules: Vec<_> = (0..name.rules.len()).filter_map(|i| c.rule(name.rules, i)).collect();
                assert_eq!(rules, [7]);
            }
            assert!(matches!(c.get(&n, b"some text: dbPassword", 11, 21).class, Class::Strong(_)));
        }
        assert!(c.rules.len() <= RULES);
    }
}
