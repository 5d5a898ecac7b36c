//! Reading rule packs: the embedded ones and a user's own.

use serde::Deserialize;

use super::model::{FieldClasses, RuleDef};

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
}

/// Reads one pack.
///
/// # Errors
/// [`PackError::Syntax`] with line and column.
pub fn load_pack(name: &str, text: &str) -> Result<Pack, PackError> {
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start.min(text.len()));
        let line = text[..at].matches('\n').count() + 1;
        let col = at - text[..at].rfind('\n').map_or(0, |i| i + 1) + 1;
        PackError::Syntax { pack: name.to_owned(), line, col, reason: e.message().to_owned() }
    })
}

/// The packs that are part of the binary, as (file name, text).
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    &[("fields.toml", include_str!("../../rules/fields.toml"))]
}
