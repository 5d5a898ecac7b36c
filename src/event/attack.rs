//! Signatures of attacks in request lines, as data: `rules/attacks.toml`.
//!
//! Most paths hold none of the characters that an attack needs, so a look at each byte comes first; the patterns then
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
        Ok(Self { set: Some(set), ids: all.iter().map(|(id, _)| (*id).into()).collect() })
    }

    /// The first signature that the path shows.
    pub(super) fn find(&self, path: Text<'_>) -> Option<&str> {
        let raw = &path.raw()[..path.raw().len().min(MAX)];
        if !suspicious(raw) {
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

/// Whether a path holds anything that ordinary ones do not.
fn suspicious(path: &[u8]) -> bool {
    let mut before = 0u8;
    for &b in path {
        match b {
            b'%' | b'<' | b'>' | b'\'' | b'"' | b'\\' | b'$' | b'`' | b'(' | b'|' | b';' | b'{' => return true,
            b'.' if matches!(before, b'.' | b'/') => return true,
            // A URL where a value belongs.
            b'/' if before == b':' => return true,
            _ => {}
        }
        before = b;
    }
    let ends = |word: &[u8]| {
        let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
        path[..end].ends_with(word)
    };
    [&b".php"[..], b".asp", b".aspx", b".cgi", b".jsp", b".action", b".sql", b".bak"].iter().any(|w| ends(w))
        || [&b"/wp-"[..], b"/actuator", b"/cgi-bin", b"/phpmyadmin", b"+select", b"/console", b"/solr/"]
            .iter()
            .any(|w| memchr::memmem::find(path, w).is_some())
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
            "/q?filter=%7B%22a%22%3A1%7D",
            "/p?next=https%3A%2F%2Fexample.com%2Fcb",
        ] {
            assert_eq!(attacks.find(Text::plain(path.as_bytes())), None, "{path}");
        }
    }
}
