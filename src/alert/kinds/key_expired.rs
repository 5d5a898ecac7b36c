//! `key_expired`: a key is used after the day on which it expires.
//!
//! The policy is `expires = "2026-12-31"` in `[keys.NAME]` (the day is over at its midnight in UTC, or an instant after
//! RFC 3339). Uses that were refused count too: somebody still has the key.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyExpired,
    name: "key_expired",
    urgency: Urgency::Ticket,
    doc: "a key is used after the day on which it expires",
    causes: &[
        "a client that was forgotten when the key was replaced",
        "an expiry that is not enforced where the key is checked",
    ],
    steps: &["Replace the key in the clients in the evidence", "Make sure that the service refuses it"],
    tune: "Lengthen `mute` when a forgotten client is known and waits for its owner.",
};

kind_settings! {
    /// Use of expired keys (`expires` in `[keys.NAME]`).
    KeyExpiredConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
    }
}

/// See the module.
pub(super) struct KeyExpired;

impl Detector for KeyExpired {
    fn kind(&self) -> Kind {
        Kind::KeyExpired
    }

    fn concerns(&self, policy: &Policy) -> bool {
        policy.config.expires.is_some()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let expires = view.policy.config.expires?.end();
        if view.now < expires {
            return None;
        }
        let late = words::span(view.now.since(expires).as_secs() as i64);
        let granted = view.slice.counts.uses - view.slice.counts.refused.min(view.slice.counts.uses);
        Some(Signal {
            observed: f64::from(view.slice.counts.uses),
            expected: Some(0.0),
            threshold: Some(1.0),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: format!("is still used {late} after it expired"),
            why: format!(
                "expired {expires}; {} uses within 5 minutes, of which {} were not refused",
                words::count(f64::from(view.slice.counts.uses)),
                words::count(f64::from(granted))
            ),
            ..Signal::default()
        })
    }
}
