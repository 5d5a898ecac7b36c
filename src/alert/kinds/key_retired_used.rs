//! `key_retired_used`: a key is used after it was retired, its time of grace over.
//!
//! The policy is `retired = "2026-10-01"` and `grace = "7d"` in `[keys.NAME]`. A use that was not refused is a page: the
//! key was never revoked. Uses that are refused are a ticket: somebody still has it. `logwarden keys show` counts the uses
//! since; none proves that the revocation worked.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::policy::Policy;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyRetiredUsed,
    name: "key_retired_used",
    urgency: Urgency::Ticket,
    doc: "a key is used after it was retired; a page when the use is not refused",
    causes: &[
        "the key was never revoked where it is checked",
        "a client that was forgotten",
        "an old copy of the key in wrong hands",
    ],
    steps: &["Revoke it at once if its uses are not refused", "Find the clients that still have it"],
    tune: "Set `grace` on the key to cover the time in which clients change over.",
};

kind_settings! {
    /// Use of retired keys (`retired` and `grace` in `[keys.NAME]`).
    KeyRetiredUsedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
    }
}

/// See the module.
pub(super) struct KeyRetiredUsed;

impl Detector for KeyRetiredUsed {
    fn kind(&self) -> Kind {
        Kind::KeyRetiredUsed
    }

    fn concerns(&self, policy: &Policy) -> bool {
        policy.config.retired.is_some()
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let retired = view.policy.config.retired?.0;
        let end = retired.plus(view.policy.config.grace);
        if view.now < end {
            return None;
        }
        let counts = view.slice.counts;
        let granted = counts.uses - counts.refused.min(counts.uses);
        let late = words::span(view.now.since(retired).as_secs() as i64);
        Some(Signal {
            observed: f64::from(counts.uses),
            expected: Some(0.0),
            threshold: Some(1.0),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: if granted > 0 {
                format!("was retired {late} ago and is used as if nothing had happened")
            } else {
                format!("was retired {late} ago and is still tried")
            },
            why: format!(
                "retired {retired}, grace until {end}; {} uses within 5 minutes, of which {} were not refused; {} since it was retired",
                words::count(f64::from(counts.uses)),
                words::count(f64::from(granted)),
                words::count(f64::from(view.state.since_retired()))
            ),
            escalate: granted > 0,
            ..Signal::default()
        })
    }
}
