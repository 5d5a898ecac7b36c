//! Schema packs: what is known about the field names of real software, as data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::role::{Role, Unit};

/// A file of `rules/schemas/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaPack {
    /// Names of fields for any software, best first; `a.b` means `b` inside `a`. A unit may follow a name.
    #[serde(default)]
    pub aliases: BTreeMap<Role, Vec<String>>,
    /// Names that mean none of the roles, although their last part does.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Fingerprints of known software.
    #[serde(default, rename = "schema")]
    pub schemas: Vec<SchemaDef>,
}

/// How one kind of software writes its lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaDef {
    /// Lower-case name, for example `pino-http`.
    pub id: String,
    /// What must hold: `/pointer` is there, `/pointer=a|b*` has one of these values (`*` stands for any rest),
    /// `/pointer:number`, `:float`, `:string`, `:upper` is of that form, `:first` is the line's first.
    pub when: Vec<String>,
    /// A logging library rather than a program: it is only taken when nothing more special fits.
    #[serde(default)]
    pub library: bool,
    /// The field of each role as `/pointer` or `/pointer unit`, best first.
    #[serde(default)]
    pub roles: BTreeMap<Role, Pointers>,
    /// Units of durations found by name.
    #[serde(default)]
    pub latency_unit: Option<Unit>,
    /// Roles that no field of this software has.
    #[serde(default)]
    pub without: Vec<Role>,
    /// Only lines with this field count as a request; the others of the same request do not.
    #[serde(default)]
    pub request: Option<String>,
}

/// One pointer or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Pointers {
    /// One.
    One(String),
    /// The first that is there.
    Many(Vec<String>),
}

impl Pointers {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(p) => std::slice::from_ref(p),
            Self::Many(p) => p,
        }
    }
}

/// The packs that are part of the binary, as (file name, text).
pub(super) const EMBEDDED: &[(&str, &str)] = &[
    ("aliases.toml", include_str!("../../rules/schemas/aliases.toml")),
    ("apps.toml", include_str!("../../rules/schemas/apps.toml")),
    ("servers.toml", include_str!("../../rules/schemas/servers.toml")),
    ("clouds.toml", include_str!("../../rules/schemas/clouds.toml")),
    ("gateways.toml", include_str!("../../rules/schemas/gateways.toml")),
];

/// A condition of a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// The field is there.
    There,
    /// The field is the first of the line.
    First,
    /// Any number.
    Number,
    /// A number with decimals.
    Float,
    /// A string.
    Str,
    /// A string of capitals.
    Upper,
    /// One of these values; `true` when only the beginning must agree.
    Value(Vec<(Box<[u8]>, bool)>),
}

/// Takes a condition apart into pointer and test.
pub(super) fn condition(text: &str) -> Result<(&str, Test), String> {
    if !text.starts_with('/') {
        return Err(format!("condition `{text}` must start with `/`"));
    }
    if let Some((pointer, values)) = text.split_once('=') {
        let values = values.split('|').map(|v| match v.strip_suffix('*') {
            Some(v) => (v.as_bytes().into(), true),
            None => (v.as_bytes().into(), false),
        });
        return Ok((pointer, Test::Value(values.collect())));
    }
    let Some((pointer, form)) = text.rsplit_once(':') else { return Ok((text, Test::There)) };
    let test = match form {
        "first" => Test::First,
        "number" => Test::Number,
        "float" => Test::Float,
        "string" => Test::Str,
        "upper" => Test::Upper,
        _ => return Err(format!("condition `{text}` has an unknown form; use first, number, float, string or upper")),
    };
    Ok((pointer, test))
}

/// Takes `/pointer unit` (or `name unit`) apart.
pub(super) fn with_unit(text: &str) -> Result<(&str, Option<Unit>), String> {
    match text.split_once(' ') {
        None => Ok((text, None)),
        Some((name, unit)) => {
            let unit =
                Unit::parse(unit.trim().as_bytes()).ok_or_else(|| format!("`{text}`: unit must be ns, us, ms or s"))?;
            Ok((name, Some(unit)))
        }
    }
}
