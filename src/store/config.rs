//! The `[state]` and `[retention]` sections of the configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{duration, size};

const DAY: Duration = Duration::from_secs(86_400);

/// Where the service keeps what must outlive it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// Directory for positions, baselines, the outbox, alert history and the pseudonym key; made with mode 0700.
    /// Default: `$STATE_DIRECTORY` (set by systemd), else `$XDG_STATE_HOME/logwarden`, else `~/.local/state/logwarden`.
    /// A reload that changes it is refused.
    #[cfg_attr(test, schemars(example = "/var/lib/logwarden"))]
    pub dir: Option<PathBuf>,
}

impl StateConfig {
    /// The directory to use; `None` when nothing is configured and the environment names no place either.
    pub fn resolve(&self) -> Option<PathBuf> {
        self.resolve_in(&|name| std::env::var_os(name).filter(|v| !v.is_empty()))
    }

    fn resolve_in(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        if let Some(dir) = &self.dir {
            return Some(dir.clone());
        }
        if let Some(dirs) = env("STATE_DIRECTORY") {
            return dirs.to_string_lossy().split(':').next().map(PathBuf::from);
        }
        let home = || env("HOME").map(|h| Path::new(&h).join(".local/state"));
        env("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home).map(|p| p.join("logwarden"))
    }
}

/// How long things are kept, and how much of them. Whatever goes is recorded in the audit log. What is known about keys
/// is bounded by `max_keys` in `[detect]` too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Redacted log files that were rotated, where the sink does not say itself (`keep`).
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub logs: Duration,
    /// When the rotated files of one sink together are larger than this, the oldest go, where the sink does not say
    /// itself (`keep_total`). `0 B` is no limit.
    #[serde(with = "size")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub logs_total: u64,
    /// The audit log, by whole days.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub audit: Duration,
    /// When the audit log is larger than this, its oldest days go. `0 B` is no limit.
    #[serde(with = "size")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub audit_total: u64,
    /// What was learned about a key that is not seen any more.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub keys: Duration,
    /// Alerts that are over, and receipts of messages that were sent or given up.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub alerts: Duration,
    /// More alerts that are over than this, and the oldest go. `0` is no limit.
    pub alerts_most: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            logs: 90 * DAY,
            logs_total: 0,
            audit: 365 * DAY,
            audit_total: 1 << 30,
            keys: 90 * DAY,
            alerts: 90 * DAY,
            alerts_most: 100_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_has_an_order_of_places() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
        };
        let dir = |config: &StateConfig, pairs| config.resolve_in(&env(pairs));
        let unset = StateConfig::default();
        let all: &[(&str, &str)] =
            &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(dir(&StateConfig { dir: Some("/s".into()) }, all), Some("/s".into()));
        assert_eq!(dir(&unset, all), Some("/var/lib/a".into()));
        assert_eq!(dir(&unset, &all[1..]), Some("/x/logwarden".into()));
        assert_eq!(dir(&unset, &all[2..]), Some("/h/.local/state/logwarden".into()));
        assert_eq!(dir(&unset, &[]), None);
    }
}
