//! What runs, in a few words that can be compared: for the audit log.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::{Config, show};
use crate::redact::Redactor;
use crate::rules::embedded;
use crate::units::hex;

/// The version, the process, and digests of the configuration (as `config show` prints it: without secrets) and of all
/// rules with their packs' texts.
pub(super) fn identity(config: &Config, redactor: &Redactor) -> Value {
    let shown = show(config).unwrap_or_default();
    let packs = config.rules.read().unwrap_or_default();
    let mut rules = Sha256::new();
    let built_in = embedded().iter().map(|(name, text)| (*name, *text));
    for (name, text) in built_in.chain(packs.iter().map(|(name, text)| (name.as_str(), text.as_str()))) {
        for part in [name, text] {
            rules.update((part.len() as u64).to_le_bytes());
            rules.update(part);
        }
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "config_sha256": hex(&Sha256::digest(shown.as_bytes())),
        "rules_sha256": hex(&rules.finalize()),
        "rules": redactor.rules().len(),
        "sources": config.sources.keys().collect::<Vec<_>>(),
        "sinks": config.sinks.keys().collect::<Vec<_>>(),
        "receivers": config.receivers.keys().collect::<Vec<_>>(),
    })
}
