//! The `[audit]` section of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::duration;

/// The audit log. How long it is kept stands in `[retention]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// How often it is recorded how many lines were read and how many values were replaced, by rule. At least a minute.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub counts_every: Duration,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { counts_every: Duration::from_secs(3_600) }
    }
}
