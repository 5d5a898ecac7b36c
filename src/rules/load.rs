//! Reading rule packs: the embedded ones and a user's own.

use std::collections::HashSet;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::check;
use super::model::{FieldClasses, RuleDef};

/// Most bytes a compiled pattern may take.
pub const PATTERN_LIMIT: usize = 1 << 20;

/// A file of rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The pack's name.
    pub pack: String,
    /// Its detectors.
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleDef>,
    /// Its field classes, merged with those of the other packs.
    #[serde(default)]
    pub fields: FieldClasses,
}

/// Why a pack was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Not TOML, or not of the shape of a pack.
    #[error("{pack}:{line}:{col}: {reason}")]
    Syntax {
        /// File or pack name.
        pack: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        col: usize,
        /// What is wrong.
        reason: String,
    },
    /// A rule that cannot be used.
    #[error("{pack}:{line}: rule `{rule}`: {reason}")]
    Rule {
        /// File or pack name.
        pack: String,
        /// Line of the rule, from 1.
        line: usize,
        /// The rule's id.
        rule: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A field class that cannot be used.
    #[error("{pack}: field class `{class}`: {reason}")]
    Fields {
        /// File or pack name.
        pack: String,
        /// The class or list.
        class: String,
        /// What is wrong and what would be right.
        reason: String,
    },
}

/// Reads one pack and checks each of its rules, patterns included.
///
/// # Errors
/// [`PackError`] with the place and the reason.
pub fn load_pack(name: &str, text: &str) -> Result<Pack, PackError> {
    let pack = parse(name, text)?;
    let mut ids = HashSet::new();
    for (index, rule) in pack.rules.iter().enumerate() {
        let refuse = |reason| PackError::Rule {
            pack: name.to_owned(),
            line: rule_line(text, index),
            rule: rule.id.clone(),
            reason,
        };
        check::rule(rule).map_err(refuse)?;
        if !ids.insert(rule.id.as_str()) {
            return Err(refuse("is defined twice, give each rule its own id".to_owned()));
        }
    }
    check::fields(&pack.fields).map_err(|(class, reason)| PackError::Fields {
        pack: name.to_owned(),
        class,
        reason,
    })?;
    Ok(pack)
}

/// Reads a user's packs: each is checked, and no rule may take the id of an embedded one or of another pack.
///
/// # Errors
/// The first [`PackError`].
pub fn load_user_packs<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Pack>, PackError> {
    let mut taken: HashSet<String> = load_embedded().into_iter().flat_map(|p| p.rules).map(|r| r.id).collect();
    let mut packs = Vec::new();
    for (name, text) in sources {
        let pack = load_pack(name, text)?;
        for (index, rule) in pack.rules.iter().enumerate() {
            if !taken.insert(rule.id.clone()) {
                let reason = "is already defined in another pack, choose another id".to_owned();
                return Err(PackError::Rule {
                    pack: name.to_owned(),
                    line: rule_line(text, index),
                    rule: rule.id.clone(),
                    reason,
                });
            }
        }
        packs.push(pack);
    }
    Ok(packs)
}

/// The embedded packs, without the checks that the tests of this room have already made: a start costs only the parsing.
///
/// # Panics
/// Never for packs that those tests accept.
pub fn load_embedded() -> Vec<Pack> {
    let parsed =
        |(name, text): &(&str, &str)| serde_json::from_str(text).unwrap_or_else(|e| unreachable!("{name}: {e}"));
    embedded().iter().map(parsed).collect()
}

/// Compiles a pattern the way every rule is compiled: over bytes, ASCII classes, anchored at the start, within
/// [`PATTERN_LIMIT`].
///
/// # Errors
/// The reason in one line.
pub fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})")).unicode(false).size_limit(PATTERN_LIMIT).build().map_err(
        |e| match e {
            regex::Error::CompiledTooBig(limit) => {
                format!("pattern is too large: compiled it takes more than {limit} bytes, use smaller counts")
            }
            // The first lines show the pattern with a caret; the last says what is wrong.
            other => format!("pattern does not parse: {}", last_line(&other.to_string())),
        },
    )
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// TOML into a pack, with line and column on error.
fn parse(name: &str, text: &str) -> Result<Pack, PackError> {
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start.min(text.len()));
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let col = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        PackError::Syntax { pack: name.to_owned(), line, col, reason: e.message().replace('\n', " ") }
    })
}

/// The line, from 1, on which the rule with this index begins. Only looked for when there is something to complain about.
pub fn rule_line(text: &str, index: usize) -> usize {
    let headers = text.lines().enumerate().filter(|(_, l)| l.trim_start().starts_with("[[rule]]"));
    headers.map(|(n, _)| n + 1).nth(index).unwrap_or(1)
}

macro_rules! packs {
    ($($name:literal),+) => {
        const EMBEDDED: &[(&str, &str)] =
            &[$((concat!($name, ".toml"), include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json")))),+];

        /// The files that they were made of, in the same order.
        #[cfg(test)]
        pub(super) const FILES: &[&str] = &[$(include_str!(concat!("../../rules/", $name, ".toml"))),+];
    };
}

packs!("ai", "cloud", "code", "comms", "fields", "generic", "payments", "pii", "saas", "social");

/// The packs that are part of the binary, as (file name, text): JSON, which `rules/build.rs` makes of the files.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    EMBEDDED
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
pack = "mine"

[[rule]]
id = "acme-key"
type = "ACME_KEY"
description = "Acme key"
prefixes = ["acme_"]
pattern = 'acme_[a-z]{20}'
"#;

    fn refused(text: &str) -> String {
        load_pack("mine.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_pack_loads() {
        let pack = load_pack("mine.toml", GOOD).unwrap();
        assert_eq!((pack.pack.as_str(), pack.rules.len()), ("mine", 1));
        assert_eq!(load_user_packs([("mine.toml", GOOD)]).unwrap().len(), 1);
    }

    #[test]
    fn shape_errors_name_line_and_column() {
        let unknown = refused(&GOOD.replace("prefixes", "prefix"));
        assert!(unknown.starts_with("mine.toml:8:1: unknown field `prefix`"), "{unknown}");
        let wrong = refused(&GOOD.replace("[\"acme_\"]", "7"));
        assert!(wrong.starts_with("mine.toml:8:12: invalid type"), "{wrong}");
        assert!(refused("pack = ").starts_with("mine.toml:1:8: "));
        let strange = refused(&format!("{GOOD}validator = \"magic\"\n"));
        assert!(strange.starts_with("mine.toml:10:13: unknown variant `magic`"), "{strange}");
    }

    #[test]
    fn rule_errors_name_rule_and_line() {
        let twice = refused(&format!("{GOOD}{}", GOOD.replace("pack = \"mine\"", "")));
        assert_eq!(twice, "mine.toml:13: rule `acme-key`: is defined twice, give each rule its own id");
        for (from, to, reason) in [
            ("\"ACME_KEY\"", "\"acme\"", "type `acme`"),
            ("\"acme-key\"", "\"Acme\"", "id `Acme`"),
            ("[\"acme_\"]", "[\"a\"]", "prefix `a`"),
            ("prefixes = [\"acme_\"]", "keywords = [\"Acme\"]", "keyword `Acme`"),
            ("prefixes = [\"acme_\"]", "fields = [\"acmeKey\"]", "field `acmeKey`"),
            ("prefixes = [\"acme_\"]", "", "nothing wakes it"),
            ("pattern = 'acme_[a-z]{20}'", "", "needs a pattern"),
            ("acme_[a-z]{20}", "acme_[a-z", "pattern does not parse: unclosed character class"),
            ("acme_[a-z]{20}", "acme_([a-z]{999}){999}", "pattern is too large"),
            ("acme_[a-z]{20}", "(acme)?", "matches the empty text"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let error = refused(&text);
            assert!(error.starts_with("mine.toml:4: rule `") && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn user_packs_keep_their_hands_off_other_ids() {
        let error = load_user_packs([("a.toml", GOOD), ("b.toml", GOOD)]).unwrap_err().to_string();
        assert_eq!(error, "b.toml:4: rule `acme-key`: is already defined in another pack, choose another id");
    }

    #[test]
    fn field_classes_are_checked() {
        let error = refused("pack = \"f\"\n[fields.strong]\nPASSWORD = [\"passWord\"]\n");
        assert!(error.starts_with("mine.toml: field class `PASSWORD`: name `passWord`"), "{error}");
    }
}
