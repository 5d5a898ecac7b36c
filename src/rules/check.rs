//! Is a rule sound? And what does an example of it say?

use super::load::compile_pattern;
use super::model::{FieldClasses, RuleDef};

/// An example without its marks: the text, and the bytes of it that must go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The text as it would stand in a log.
    pub text: String,
    /// First byte that must go.
    pub start: usize,
    /// Byte behind the last that must go.
    pub end: usize,
}

impl Example {
    /// Takes `«` and `»` out of an example; none when they do not stand there once each, in order, around something.
    pub fn parse(marked: &str) -> Option<Self> {
        let (before, rest) = marked.split_once('«')?;
        let (secret, after) = rest.split_once('»')?;
        let whole = !secret.is_empty() && !before.contains('»') && !secret.contains('«') && !after.contains(['«', '»']);
        whole.then(|| Self {
            text: format!("{before}{secret}{after}"),
            start: before.len(),
            end: before.len() + secret.len(),
        })
    }

    /// The part that must go.
    pub fn secret(&self) -> &str {
        &self.text[self.start..self.end]
    }
}

/// Whether a rule can be used; else the reason, and what would be right.
pub(super) fn rule(r: &RuleDef) -> Result<(), String> {
    names(r)?;
    wakers(r)?;
    if r.entropy.is_some_and(|e| !(0.0..=8.0).contains(&e)) {
        return Err("entropy is in bits a byte, between 0 and 8".to_owned());
    }
    for marked in &r.examples {
        if Example::parse(marked).is_none() {
            return Err("an example has « and » once each, around the part that must go".to_owned());
        }
    }
    match &r.pattern {
        Some(p) => pattern(p),
        None if r.prefixes.is_empty() && r.keywords.is_empty() => Ok(()),
        None => Err("a rule with prefixes or keywords needs a pattern".to_owned()),
    }
}

fn names(r: &RuleDef) -> Result<(), String> {
    let id = r.id.starts_with(|c: char| c.is_ascii_lowercase())
        && r.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !id {
        return Err(format!(
            "id `{}` has other characters than a-z, 0-9 and `-`, or does not start with a letter",
            r.id
        ));
    }
    if !is_label(&r.kind) {
        return Err(format!("type `{}` is not two or more of A-Z, 0-9 and `_` that start with a letter", r.kind));
    }
    Ok(())
}

/// Whether a text may stand in a label: `[A-Z][A-Z0-9_]+`.
fn is_label(kind: &str) -> bool {
    kind.len() > 1
        && kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// How many bytes of a prefix have to be visible.
const WORD: usize = 5;

fn wakers(r: &RuleDef) -> Result<(), String> {
    if r.prefixes.is_empty() && r.keywords.is_empty() && r.fields.is_empty() && r.builtin.is_none() {
        return Err("nothing wakes it: give it prefixes, keywords, fields or builtin".to_owned());
    }
    for p in &r.prefixes {
        // By its first bytes a word is told to be worth a look.
        let blank = p.bytes().take(WORD).any(|b| b == b' ');
        if p.len() < 2 || blank || !p.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(format!(
                "prefix `{p}` is not two or more visible ASCII characters, the first {WORD} of which are no blanks"
            ));
        }
    }
    for k in &r.keywords {
        if k.len() < 2 || k.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!("keyword `{k}` is not two or more characters in lower case"));
        }
    }
    match r.fields.iter().find(|f| !is_field(f)) {
        Some(f) => Err(format!("field `{f}` is not in snake case: lower-case tokens joined with `_`")),
        None => Ok(()),
    }
}

/// Whether a text is tokens of digits and small letters, of any script, joined with `_`.
fn is_field(name: &str) -> bool {
    name.split('_').all(|t| !t.is_empty() && t.chars().all(|c| c.is_alphanumeric() && c.to_lowercase().eq([c])))
}

fn pattern(p: &str) -> Result<(), String> {
    match compile_pattern(p)?.is_match(b"") {
        true => Err("pattern matches the empty text".to_owned()),
        false => Ok(()),
    }
}

/// Whether the field classes can be used; else the class and the reason.
pub(super) fn fields(f: &FieldClasses) -> Result<(), (String, String)> {
    for (kind, entries) in f.strong.iter().chain(&f.weak).chain(&f.personal) {
        if !is_label(kind) {
            return Err((
                kind.clone(),
                "a class is two or more of A-Z, 0-9 and `_` that start with a letter".to_owned(),
            ));
        }
        entries_are_fields(kind, entries)?;
    }
    entries_are_fields("deny", &f.deny)?;
    entries_are_fields("deny_suffix", &f.deny_suffix)
}

fn entries_are_fields(class: &str, entries: &[String]) -> Result<(), (String, String)> {
    match entries.iter().find(|e| !is_field(e)) {
        Some(e) => {
            Err((class.to_owned(), format!("name `{e}` is not in snake case: lower-case tokens joined with `_`")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_lose_their_marks() {
        let e = Example::parse("key=«abc» é").unwrap();
        assert_eq!((e.text.as_str(), e.start, e.end, e.secret()), ("key=abc é", 4, 7, "abc"));
        for bad in ["key=abc", "«»", "»a«", "«a» «b»", "«a", "a»b«c»"] {
            assert_eq!(Example::parse(bad), None, "{bad}");
        }
    }
}
