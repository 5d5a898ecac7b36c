//! `key_in_url`: a credential stands in the URL of requests, where every proxy, log and browser history keeps it.
//!
//! Told once per source and rule in 30 days, not once per caller.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyInUrl,
    name: "key_in_url",
    urgency: Urgency::Ticket,
    doc: "callers pass their credential in the URL",
    causes: &["an interface that takes the key as a query parameter", "a client that was written by an old example"],
    steps: &[
        "Take keys in a header, and refuse them in the URL",
        "Redact or delete logs of proxies in front of this service",
    ],
    tune: "Switch it off for interfaces that take keys in the URL and cannot be changed.",
};

kind_settings! {
    /// Credentials in the URLs of requests.
    KeyInUrlConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 30 * DAY;
    }
}
