//! `attack_signature`: a request line shows a known attack (injection, traversal, JNDI lookups, scanner paths).
//!
//! The signatures are data: `rules/attacks.toml`, each proved by its own examples. Requests of a key are told per key,
//! others per source; signatures in `ignore` are passed over. Scanners knock at every door of the internet, so requests
//! without a key that were all refused (status from 400 on) count only from 50 in one look on.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::AttackSignature,
    name: "attack_signature",
    urgency: Urgency::Ticket,
    doc: "a request line shows a known attack",
    causes: &[
        "a scanner: most of what reaches the open internet is one",
        "an attempt to break in with a valid key",
        "a security test",
    ],
    steps: &[
        "Look whether the service answered any of them",
        "Block the networks in the evidence if they are not yours",
    ],
    tune: "Put signatures that your own paths show into `ignore`; lower `min_refused` for services that no scanner can reach.",
};

kind_settings! {
    /// Known attacks in request lines.
    AttackSignatureConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute DAY;
        /// Requests without a key that were refused, below which nothing fires.
        min_refused: u32 = 50,
        /// Signatures to pass over, by id.
        #[cfg_attr(test, schemars(example = ["scanner-path"]))]
        ignore: Vec<String> = Vec::new(),
    }
}
