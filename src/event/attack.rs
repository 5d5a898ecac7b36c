//! Signatures of attacks in request lines, as data: `rules/attacks.toml`.
//!
//! Most paths hold none of the bytes and words that an attack needs, so a look at each byte comes first; the patterns then
//! run over the path in small letters with its percent signs undone (twice, since some servers do).

use std::cell::RefCell;

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::config::EventError;
use super::text::Text;

/// Longest path that is looked at, in bytes.
const MAX: usize = 2048;

const PACK: &str = include_str!("../../rules/attacks.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackDef {
    attack: Vec<AttackDef>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackDef {
    id: String,
    #[serde(rename = "description")]
    _description: String,
    /// Patterns over the decoded path in small letters.
    patterns: Vec<String>,
    /// What paths that the patterns fit, and that hold no odd byte, have behind one of `/.=&?@+#`, in small letters.
    #[serde(default)]
    words: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the proof of the signature"))]
    examples: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the proof of the signature"))]
    #[serde(default)]
    negatives: Vec<String>,
}

/// All signatures, compiled.
#[derive(Default)]
pub(super) struct Attacks {
    set: Option<RegexSet>,
    /// The signature of each pattern.
    ids: Vec<Box<str>>,
    openings: Openings,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Attacks {
    pub(super) fn embedded() -> Result<Self, EventError> {
        let bad = |reason: String| EventError::Pack { pack: "attacks.toml".to_owned(), reason };
        let pack: PackDef = toml::from_str(PACK).map_err(|e| bad(e.to_string()))?;
        let all: Vec<(&str, &str)> =
            pack.attack.iter().flat_map(|a| a.patterns.iter().map(|p| (&*a.id, &**p))).collect();
        let set = RegexSetBuilder::new(all.iter().map(|(_, p)| p)).unicode(false).size_limit(8 << 20).build();
        let set = set.map_err(|e| bad(e.to_string()))?;
        let mut openings = Openings::default();
        pack.attack.iter().flat_map(|a| &a.words).for_each(|w| openings.add(w));
        Ok(Self { set: Some(set), ids: all.iter().map(|(id, _)| (*id).into()).collect(), openings })
    }

    /// The first signature that the path shows.
    pub(super) fn find(&self, path: Text<'_>) -> Option<&str> {
        let raw = &path.raw()[..path.raw().len().min(MAX)];
        if !self.openings.wake(raw) {
            return None;
        }
        let set = self.set.as_ref()?;
        BUFFER.with_borrow_mut(|buf| {
            buf.clear();
            buf.extend(path.bytes().take(MAX));
            decode(buf);
            decode(buf);
            buf.make_ascii_lowercase();
            let first = set.matches(buf).into_iter().next()?;
            self.ids.get(first).map(|id| &**id)
        })
    }
}

/// What a byte of a path means to the first look.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Plain,
    /// Ordinary paths hold none of these.
    Odd,
    /// A word of a signature may stand behind it.
    Break,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let (odd, breaks) = (b"%<>'\"\\$`(|;{* ", b"/.=&?@+#");
    let mut i = 0;
    while i < odd.len() {
        classes[odd[i] as usize] = Class::Odd;
        i += 1;
    }
    i = 0;
    while i < breaks.len() {
        classes[breaks[i] as usize] = Class::Break;
        i += 1;
    }
    classes
};

/// What signatures without an odd byte begin with, in small letters.
struct Openings {
    /// By their first byte.
    words: [Vec<Box<[u8]>>; 256],
    /// The marks of their second and third bytes, as a set; they tell nearly everything else apart.
    marks: [u64; 256],
}

impl Default for Openings {
    fn default() -> Self {
        Self { words: std::array::from_fn(|_| Vec::new()), marks: [0; 256] }
    }
}

impl Openings {
    fn add(&mut self, word: &str) {
        let word = word.to_ascii_lowercase();
        let Some(first) = word.bytes().next().map(usize::from) else { return };
        self.marks[first] |= Self::mark(word.as_bytes());
        self.words[first].push(word.as_bytes().into());
    }

    /// One of 64 bits for the second and third byte of a word; all of them when it has none.
    #[inline]
    fn mark(word: &[u8]) -> u64 {
        match word {
            [_, second, third, ..] => {
                1 << ((second.to_ascii_lowercase().wrapping_mul(31) ^ third.to_ascii_lowercase()) & 63)
            }
            _ => u64::MAX,
        }
    }

    #[inline]
    fn fit(&self, rest: &[u8]) -> bool {
        let Some(first) = rest.first().map(u8::to_ascii_lowercase) else { return false };
        self.marks[usize::from(first)] & Self::mark(rest) != 0 && self.begins(first, rest)
    }

    #[inline(never)]
    fn begins(&self, first: u8, rest: &[u8]) -> bool {
        let words = &self.words[usize::from(first)];
        words.iter().any(|w| rest.get(..w.len()).is_some_and(|r| r.eq_ignore_ascii_case(w)))
    }

    /// Whether a path holds anything that ordinary ones do not.
    fn wake(&self, path: &[u8]) -> bool {
        let mut at = 0;
        while let Some(plain) = path[at..].iter().position(|b| CLASSES[usize::from(*b)] != Class::Plain) {
            at += plain + 1;
            let (b, before) = (path[at - 1], if at > 1 { path[at - 2] } else { 0 });
            // A step upwards, a hidden file; a URL where a value belongs.
            let odd = CLASSES[usize::from(b)] == Class::Odd
                || (b == b'.' && matches!(before, b'.' | b'/'))
                || (b == b'/' && before == b':');
            if odd || self.fit(&path[at..]) {
                return true;
            }
        }
        false
    }
}

/// Undoes percent signs in place; `+` becomes a space.
fn decode(buf: &mut Vec<u8>) {
    let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let (mut from, mut to) = (0, 0);
    while from < buf.len() {
        let code = (buf[from] == b'%' && from + 2 < buf.len())
            .then(|| Some(hex(buf[from + 1])? << 4 | hex(buf[from + 2])?))
            .flatten();
        buf[to] = match code {
            Some(b) => b,
            None if buf[from] == b'+' => b' ',
            None => buf[from],
        };
        from += if code.is_some() { 3 } else { 1 };
        to += 1;
    }
    buf.truncate(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_proves_itself() {
        let attacks = Attacks::embedded().unwrap();
        let pack: PackDef = toml::from_str(PACK).unwrap();
        assert!(pack.attack.len() >= 8);
        for attack in &pack.attack {
            assert!(!attack.examples.is_empty(), "{}", attack.id);
            for path in &attack.examples {
                assert_eq!(attacks.find(Text::plain(path.as_bytes())), Some(&*attack.id), "{path}");
            }
            for path in &attack.negatives {
                assert_eq!(attacks.find(Text::plain(path.as_bytes())), None, "{}: {path}", attack.id);
            }
        }
    }

    #[test]
    fn ordinary_paths_show_none() {
        let attacks = Attacks::embedded().unwrap();
        for path in [
            "/",
            "/v1/chat/completions",
            "/search?q=select+a+plan+from+the+list",
            "/o'brien",
            "/files/a%20b.txt",
            "/a/..b/c",
            "/.well-known/openid-configuration",
            "/users/%7Bid%7D",
            "/index.php",
            "/v1/models/gpt-4.1;v=2",
            "/x?a=1&id",
            "/console/login",
            "/managers/html5",
            "/q?filter=%7B%22a%22%3A1%7D",
            "/p?next=https%3A%2F%2Fexample.com%2Fcb",
        ] {
            assert_eq!(attacks.find(Text::plain(path.as_bytes())), None, "{path}");
        }
    }
}
