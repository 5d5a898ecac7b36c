//! The `[redact]` section: what happens to what was found, and what is left alone.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is written in place of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `[TYPE]`, or `[TYPE:tag]` where the rule says that the value identifies a caller.
    #[default]
    Label,
    /// `[TYPE:tag]` always: the same value can be followed without being known.
    Tag,
    /// `[TYPE:****1111]` with the last characters kept, at most a quarter of the value.
    Mask(u8),
    /// JSON `null`; `[TYPE]` where there is no JSON value to replace.
    Drop,
    /// The value stays.
    Keep,
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown =
            || format!("`{text}` is not a strategy; write `label`, `tag`, `mask`, `mask:6`, `drop` or `keep`");
        match text {
            "label" => Ok(Self::Label),
            "tag" => Ok(Self::Tag),
            "mask" => Ok(Self::Mask(4)),
            "drop" => Ok(Self::Drop),
            "keep" => Ok(Self::Keep),
            _ => {
                let n = text.strip_prefix("mask:").and_then(|n| n.parse().ok()).filter(|n| (1..=16).contains(n));
                n.map(Self::Mask).ok_or_else(unknown)
            }
        }
    }
}

/// The `[redact]` section of the configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RedactConfig {
    /// What is written for a label type (`EMAIL`), a rule (`openai-api-key`) or a JSON pointer (`/user/email`):
    /// `label`, `tag`, `mask` (keeps the last 4), `mask:N`, `drop` or `keep`. A pointer wins over a rule, a rule over
    /// a type.
    pub strategies: BTreeMap<String, String>,
    /// Ids of rules that are turned off.
    pub disable: Vec<String>,
    /// Ids of rules that are off by default and turned on, for example `ip-address`.
    pub enable: Vec<String>,
    /// Values that are left alone, exactly as they are written.
    pub allow_values: Vec<String>,
    /// Regular expressions; a value that one of them matches as a whole is left alone.
    pub allow_patterns: Vec<String>,
    /// JSON pointers; what is found in or below such a field is left alone.
    pub allow_paths: Vec<String>,
    /// Adds `"_logwarden":[["rule","/path"],...]` to JSON objects in which something was redacted.
    pub remark: bool,
}
