//! The `[sinks.NAME]` sections of the configuration.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where redacted lines go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SinkConfig {
    /// A file that is appended to.
    File(FileSinkConfig),
    /// Standard output.
    Stdout(StdoutConfig),
}

impl SinkConfig {
    /// The file that is written, when it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.path),
            Self::Stdout(_) => None,
        }
    }

    /// The sources whose lines go here; all when there are none.
    pub fn sources(&self) -> &[String] {
        match self {
            Self::File(file) => &file.sources,
            Self::Stdout(stdout) => &stdout.sources,
        }
    }
}

/// A file that is appended to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The file; made with mode 0600 when it is not there. A symbolic link is refused.
    #[schemars(example = "/var/log/logwarden/app.jsonl")]
    pub path: PathBuf,
    /// Names of the sources whose lines go here; all when it is empty.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {
    /// Names of the sources whose lines go here; all when it is empty.
    #[serde(default)]
    pub sources: Vec<String>,
}
