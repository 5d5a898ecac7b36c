//! The `[sinks.NAME]` sections of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::units::{duration, size};

/// Where redacted lines go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SinkConfig {
    /// A file that is appended to.
    File(FileSinkConfig),
    /// Standard output.
    Stdout(StdoutConfig),
    /// A server that takes NDJSON by `POST`.
    Http(HttpSinkConfig),
}

impl SinkConfig {
    /// The file that is written, when it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.path),
            Self::Stdout(_) | Self::Http(_) => None,
        }
    }

    /// The sources whose lines go here; all when there are none.
    pub fn sources(&self) -> &[String] {
        match self {
            Self::File(file) => &file.sources,
            Self::Stdout(stdout) => &stdout.sources,
            Self::Http(http) => &http.sources,
        }
    }

    /// The secrets that it refers to, with the name of their key.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::Http(http) => http.token.iter().map(|token| ("token", token)).collect(),
            Self::File(_) | Self::Stdout(_) => Vec::new(),
        }
    }
}

/// How a file that was rotated is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As `.gz`.
    Gzip,
    /// As `.zst`.
    Zstd,
}

/// A file that is appended to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The file; made with mode 0600 when it is not there. A symbolic link is refused, and a file that another service
    /// writes.
    #[cfg_attr(test, schemars(example = "/var/log/logwarden/app.jsonl"))]
    pub path: PathBuf,
    /// Begin a new file when this one has reached a size; the old one becomes `app-20260501T120000Z.jsonl`. `0 B` is
    /// never.
    #[serde(default, with = "size")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub rotate_size: u64,
    /// Begin a new file each hour (`1h`), day (`1d`) and so on, counted in UTC. `0s` is never.
    #[serde(default, with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub rotate_every: Duration,
    /// How rotated files are compressed.
    #[serde(default)]
    pub compress: Compression,
    /// Rotated files older than this are removed. `0s`: as `logs` in `[retention]` says.
    #[serde(default, with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub keep: Duration,
    /// When the rotated files together are larger than this, the oldest are removed. `0 B`: as `logs_total` in
    /// `[retention]` says.
    #[serde(default, with = "size")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub keep_total: u64,
    /// Names of the sources whose lines go here; all when it is empty.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {
    /// Names of the sources whose lines go here; all when it is empty.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// A URL as it may be shown: what stands behind the host may be a token.
fn without_secrets<S: serde::Serializer>(url: &str, s: S) -> Result<S::Ok, S::Error> {
    match reqwest::Url::parse(url).map(|parsed| (place(&parsed), parsed)) {
        Ok((place, parsed)) if parsed.as_str() != format!("{place}/") => s.collect_str(&format_args!("{place}/***")),
        _ => s.serialize_str(url),
    }
}

/// Scheme, host and port.
fn place(url: &reqwest::Url) -> String {
    url.origin().ascii_serialization()
}

impl HttpSinkConfig {
    /// Where it sends as far as that is no secret: scheme, host and port. User, path and query may hold one.
    pub fn place(&self) -> String {
        reqwest::Url::parse(&self.url).map_or_else(|_| "an unknown place".to_owned(), |url| place(&url))
    }
}

/// A server that takes NDJSON by `POST`. What it has not answered with success is sent again, so a line may come twice and
/// none is lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HttpSinkConfig {
    /// Where to post. Must be https, except to this machine.
    #[serde(serialize_with = "without_secrets")]
    #[cfg_attr(test, schemars(example = "https://logs.example.com/ingest"))]
    pub url: String,
    /// Sent as `Authorization: Bearer`: `${env:NAME}`, `${file:/path}` or `${cred:NAME}`.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "${cred:logs}"))]
    pub token: Option<Secret>,
    /// A file of certificates (PEM) to trust beside the system's, for a private authority.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "/etc/ssl/private-ca.pem"))]
    pub ca_file: Option<PathBuf>,
    /// Post to another machine without TLS, where something else encrypts.
    #[serde(default)]
    pub allow_plain: bool,
    /// How bodies are compressed.
    #[serde(default = "gzip")]
    pub compress: Compression,
    /// Longest body before it is compressed.
    #[serde(default = "batch", with = "size")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub max_batch: u64,
    /// Longest wait for a whole request.
    #[serde(default = "timeout", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub timeout: Duration,
    /// Names of the sources whose lines go here; all when it is empty.
    #[serde(default)]
    pub sources: Vec<String>,
}

fn gzip() -> Compression {
    Compression::Gzip
}

fn batch() -> u64 {
    1 << 20
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_sink_sends_is_told_without_what_may_be_secret() {
        let text = "url = 'https://user:hunter2@logs.example.com:8443/tok-4711?key=a1b2'";
        let sink: HttpSinkConfig = toml::from_str(text).unwrap();
        assert_eq!(sink.place(), "https://logs.example.com:8443");
        let shown = serde_json::to_value(&sink).unwrap();
        assert_eq!(shown["url"], "https://logs.example.com:8443/***");
        let plain: HttpSinkConfig = toml::from_str("url = 'https://logs.example.com'").unwrap();
        assert_eq!(serde_json::to_value(&plain).unwrap()["url"], "https://logs.example.com");
    }
}
