//! `key_over_plaintext`: a key is used over a connection without TLS, where anybody on the way can read it.
//!
//! Fires when the line's scheme, protocol or URL says that there was no TLS. Keys whose `[keys.NAME]` has
//! `plaintext = true` are left out, for services behind a proxy that ends TLS and logs the inner scheme.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyOverPlaintext,
    name: "key_over_plaintext",
    urgency: Urgency::Ticket,
    doc: "a key is used over a connection without TLS",
    causes: &[
        "a client with an http:// address in its settings",
        "a proxy that ends TLS and writes down the scheme behind it",
    ],
    steps: &[
        "Correct the address in the client",
        "Redirecting is too late: close the port without TLS, or refuse keys there",
    ],
    tune: "Set `plaintext = true` on keys used behind a proxy that ends TLS and logs the inner scheme.",
};

kind_settings! {
    /// Use over a connection without TLS (`plaintext = true` in `[keys.NAME]` allows it).
    KeyOverPlaintextConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 7 * DAY;
    }
}

/// See the module.
pub(super) struct KeyOverPlaintext;

impl Detector for KeyOverPlaintext {
    fn kind(&self) -> Kind {
        Kind::KeyOverPlaintext
    }

    fn concerns(&self, policy: &Policy) -> bool {
        !policy.config.plaintext
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let uses = view.seen(Aspect::Plaintext).next()?.sighting.uses;
        (!view.policy.config.plaintext).then(|| Signal {
            observed: f64::from(uses),
            expected: Some(0.0),
            threshold: Some(1.0),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: "was sent over a connection without TLS".to_owned(),
            why: format!(
                "{} uses within 5 minutes without TLS; anybody on the way can read the key",
                words::count(f64::from(uses))
            ),
            ..Signal::default()
        })
    }
}
