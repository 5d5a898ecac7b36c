//! The `[event]` section.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::role::{Role, Unit};

/// How lines are read as events. Without it, known software is recognised and other fields are found by name;
/// `logwarden explain` shows what was found and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EventConfig {
    /// Where a role stands, as a JSON pointer, for logs that are read wrong: `roles = { ip = "/client/addr" }`.
    /// Such a line wins over everything that is known or guessed.
    pub roles: BTreeMap<Role, String>,
    /// Schema packs of your own: files with `[[schema]]` fingerprints and `[aliases]`, written like the built-in ones in
    /// `rules/schemas`; `*`, `?` and `[...]` as a shell knows them. Yours are tried before the built-in ones.
    #[cfg_attr(test, schemars(example = ["/etc/logwarden/schemas/*.toml"]))]
    pub packs: Vec<String>,
    /// Whether known software is recognised by its fields. Off: fields are found by name alone.
    pub recognise: bool,
    /// The unit of durations that are written as bare numbers and whose name does not say it: `ns`, `us`, `ms` or `s`.
    pub latency_unit: Option<Unit>,
    /// Who the caller is when a line holds neither a credential nor an id of one, tried in order: `user`, `tenant`,
    /// `ip`. Empty: such lines belong to no key.
    pub identity: Vec<Identity>,
    /// Values that mean "no key here", beside `-`, `REDACTED`, `***` and the like.
    pub masked: Vec<String>,
}

impl Default for EventConfig {
    fn default() -> Self {
        Self {
            roles: BTreeMap::new(),
            packs: Vec::new(),
            recognise: true,
            latency_unit: None,
            identity: Vec::new(),
            masked: Vec::new(),
        }
    }
}

impl EventConfig {
    /// Whether a role is of use in every line; otherwise it only makes an explanation complete.
    pub(super) fn asks_for(&self, role: Role) -> bool {
        match role {
            Role::User => self.identity.contains(&Identity::User),
            Role::Tenant => self.identity.contains(&Identity::Tenant),
            Role::RequestId => false,
            _ => true,
        }
    }
}

/// A role that may stand in for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The user.
    User,
    /// The tenant, team or organisation.
    Tenant,
    /// The client's address.
    Ip,
}

/// What cannot be used of a schema pack or of the `[event]` section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A pack that is not TOML of the right shape.
    #[error("schema pack {pack}: {reason}")]
    Pack {
        /// File name.
        pack: String,
        /// What is wrong.
        reason: String,
    },
    /// A pointer of the configuration that is none.
    #[error("event.roles.{role}: `{pointer}` is not a JSON pointer; write it like `/request/client_ip`")]
    Pointer {
        /// The role.
        role: &'static str,
        /// What was written.
        pointer: String,
    },
    /// A source names a schema that does not exist.
    #[error("schema `{0}` is not known; known are: {1}")]
    Schema(String, String),
}
