//! The `[keys.NAME]` sections: what the operator says about keys.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::values::{Day, Rate, Span};
use crate::units::duration;

/// What is known about a key or a group of keys. All of `tag`, `id` and `pattern` that are given must fit; of several
/// policies that fit a key, the first in order of name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// The key's pseudonym, as `logwarden keys` shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"0k7q2m9xw3ht6a"))]
    pub tag: Option<String>,
    /// The id that the log itself carries, for example an `apiKeyId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"key_4711"))]
    pub id: Option<String>,
    /// A pattern over `TYPE:name`, with `*` for any text: `OPENAI_API_KEY:*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"OPENAI_API_KEY:*"))]
    pub pattern: Option<String>,
    /// What people call it. Left out: the name of this section.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"billing-prod"))]
    pub label: Option<String>,
    /// The group it belongs to, for routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"prod"))]
    pub group: Option<String>,
    /// Whether a new network for this key is worth a page.
    pub sensitive: bool,
    /// The name of its calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"office"))]
    pub calendar: Option<String>,
    /// Networks that it may be used from; empty: all (`ip_not_allowed`).
    #[cfg_attr(test, schemars(with = "Vec<String>", example = ["192.0.2.0/24"]))]
    pub networks: Vec<IpNet>,
    /// Countries that it may be used from, as ISO codes; needs `[geoip]`; empty: all (`ip_not_allowed`).
    #[cfg_attr(test, schemars(example = ["DE", "AT"]))]
    pub countries: Vec<String>,
    /// Language models that it may use, `*` for any text; empty: all (`model_not_allowed`).
    #[cfg_attr(test, schemars(example = ["gpt-4.1*"]))]
    pub models: Vec<String>,
    /// Endpoints that it may call, as `METHOD /path` with `*` for any text; empty: all (`endpoint_sensitive`).
    #[cfg_attr(test, schemars(example = ["POST /v1/chat/*"]))]
    pub endpoints: Vec<String>,
    /// Sensitive endpoints that it may call although they are listed in `detect.endpoint_sensitive`.
    #[cfg_attr(test, schemars(example = ["* /admin/*"]))]
    pub may_call: Vec<String>,
    /// Web pages that may call with it, `*` for any text; empty: all (`origin_not_allowed`).
    #[cfg_attr(test, schemars(example = ["https://*.example.com"]))]
    pub origins: Vec<String>,
    /// Regions that may serve it, `*` for any text; empty: all (`region_not_allowed`).
    #[cfg_attr(test, schemars(example = ["eu-*"]))]
    pub regions: Vec<String>,
    /// Environments that it belongs to; empty: whichever comes first (`key_shared`).
    #[cfg_attr(test, schemars(example = ["prod"]))]
    pub environments: Vec<String>,
    /// Whether browsers may use it; left out: as it was used until now (`key_in_browser`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = false))]
    pub browser: Option<bool>,
    /// Whether it may be used without TLS (`key_over_plaintext`).
    pub plaintext: bool,
    /// How often it may be used: `600/min` (`rate_limit`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"600/min"))]
    pub limit: Option<Rate>,
    /// Requests that may come on top of the limit at once.
    pub burst: u32,
    /// When it was made; left out: when it was first seen (`key_age`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"2026-01-31"))]
    pub created: Option<Day>,
    /// After which time it should be replaced (`key_age`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"90d"))]
    pub rotate_after: Option<Span>,
    /// The last day on which it is valid (`key_expired`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"2026-12-31"))]
    pub expires: Option<Day>,
    /// When it was retired (`key_retired_used`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(example = &"2026-10-01"))]
    pub retired: Option<Day>,
    /// How long after that it may still be used.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub grace: Duration,
}
