//! The `[sources.NAME]` sections of the configuration.

use chrono_tz::Tz;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SourceConfig {
    /// Files that are followed as they grow, through rotation and restarts.
    File(FileSource),
    /// Standard input, to its end.
    Stdin(StdinSource),
}

impl SourceConfig {
    /// The IANA zone of times without one.
    pub fn zone(&self) -> Option<Tz> {
        match self {
            Self::File(file) => file.zone,
            Self::Stdin(stdin) => stdin.zone,
        }
    }

    /// The proxies whose `X-Forwarded-For` is believed.
    pub fn trusted_proxies(&self) -> &[IpNet] {
        match self {
            Self::File(file) => &file.trusted_proxies,
            Self::Stdin(stdin) => &stdin.trusted_proxies,
        }
    }

    /// The schema that lines are read with; recognised from the lines when there is none.
    pub fn schema(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.schema.as_deref(),
            Self::Stdin(stdin) => stdin.schema.as_deref(),
        }
    }

    /// Whether labels that arrive in the input stand for keys.
    pub fn trusted_labels(&self) -> bool {
        match self {
            Self::File(file) => file.trusted_labels,
            Self::Stdin(stdin) => stdin.trusted_labels,
        }
    }
}

/// Files that are followed as they grow, through rotation and restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Paths, with `*`, `?`, `[...]` and `**` as a shell knows them.
    #[schemars(length(min = 1), example = ["/var/log/app/*.log"])]
    pub paths: Vec<String>,
    /// Paths to leave out, written the same way. Compressed files (`.gz`, `.zst`, `.xz`, `.bz2`, `.lz4`, `.zip`) are
    /// always left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// IANA time zone of times that are written without one, such as `Europe/Berlin`.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = "Europe/Berlin")]
    pub zone: Option<Tz>,
    /// Addresses of proxies in front of the service, such as `10.0.0.0/8`: their `X-Forwarded-For` is believed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Name of the schema that the lines follow. Without it the schema is recognised from the lines.
    #[serde(default)]
    #[schemars(example = "nginx-json")]
    pub schema: Option<String>,
    /// Whether labels such as `[API_KEY:...]` that arrive in the input were made by another logwarden with the same
    /// pseudonym key, and stand for keys.
    #[serde(default)]
    pub trusted_labels: bool,
}

/// Standard input, to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinSource {
    /// IANA time zone of times that are written without one, such as `Europe/Berlin`.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = "Europe/Berlin")]
    pub zone: Option<Tz>,
    /// Addresses of proxies in front of the service, such as `10.0.0.0/8`: their `X-Forwarded-For` is believed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Name of the schema that the lines follow. Without it the schema is recognised from the lines.
    #[serde(default)]
    #[schemars(example = "nginx-json")]
    pub schema: Option<String>,
    /// Whether labels such as `[API_KEY:...]` that arrive in the input were made by another logwarden with the same
    /// pseudonym key, and stand for keys.
    #[serde(default)]
    pub trusted_labels: bool,
}
