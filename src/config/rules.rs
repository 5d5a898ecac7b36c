//! The `[rules]` section: rule packs of the user's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Rule packs beside the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    /// Files with rules of your own, with `*`, `?` and `[...]` as a shell knows them. They are read at the start and must
    /// prove themselves: `logwarden rules test FILE`.
    #[cfg_attr(test, schemars(example = ["/etc/logwarden/rules/*.toml"]))]
    pub packs: Vec<String>,
}

impl RulesConfig {
    /// The packs as (file name, text), in the order of `packs`, then of their names.
    ///
    /// # Errors
    /// Names the pattern that fits no file, or the file that cannot be read.
    pub fn read(&self) -> Result<Vec<(String, String)>, RulesError> {
        read_packs(&self.packs)
    }
}

/// Files as (file name, text), in the order of the patterns, then of their names.
///
/// # Errors
/// Names the pattern that fits no file, or the file that cannot be read.
pub(super) fn read_packs(patterns: &[String]) -> Result<Vec<(String, String)>, RulesError> {
    let mut packs = Vec::new();
    for pattern in patterns {
        let paths = glob::glob(pattern).map_err(|e| RulesError::Pattern(pattern.clone(), e.msg))?;
        let before = packs.len();
        for path in paths {
            let path = path.map_err(|e| RulesError::Read(e.path().to_owned(), e.into()))?;
            let text = std::fs::read_to_string(&path).map_err(|e| RulesError::Read(path.clone(), e))?;
            packs.push((path.display().to_string(), text));
        }
        if packs.len() == before {
            return Err(RulesError::Nothing(pattern.clone()));
        }
    }
    Ok(packs)
}

/// Why rule packs cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not a pattern.
    #[error("`{0}` is not a pattern: {1}")]
    Pattern(String, &'static str),
    /// A pattern that fits nothing would silently protect nothing.
    #[error("there is no file `{0}`")]
    Nothing(String),
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}", path = .0.display(), source = .1)]
    Read(PathBuf, std::io::Error),
}
