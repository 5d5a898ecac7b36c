//! `auth_failures`: far more of a key's requests are refused than usual (401, 403, failed logins).
//!
//! The formula is in [`super::shares`]: over 15 minutes (or 60), the lower end of Wilson's interval at z = 3.29 must reach
//! max(10 %, 5 × usual share), with at least 10 refused requests.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, MINUTE, kind_settings};
use super::shares::Shares;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::AuthFailures,
    name: "auth_failures",
    urgency: Urgency::Page,
    doc: "the share of a key's requests that are refused (401, 403) is far above its usual share",
    causes: &[
        "credential stuffing or guessing",
        "a revoked or expired key that a client still uses",
        "a key used where it has no rights",
    ],
    steps: &[
        "Block the networks in the evidence if they are not yours",
        "Replace the key in clients that still use an old one",
    ],
    tune: "Raise `min_ratio` where expired sessions are answered with 401 in normal use.",
};

kind_settings! {
    /// Far more refused requests (401, 403, failed logins) than a key's usual share.
    AuthFailuresConfig {
        Page, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
        /// Share of refused requests that counts at least, from 0 to 1.
        min_ratio: f64 = 0.10,
        /// How many times its usual share.
        times_usual: f64 = 5.0,
        /// Refused requests in 15 minutes, below which nothing fires.
        min_failures: u32 = 10,
    }
}

/// Its detector.
pub(super) fn detector(c: &AuthFailuresConfig) -> Shares {
    let (min_ratio, times_usual, min_hits) = (c.min_ratio, c.times_usual, c.min_failures);
    Shares { kind: Kind::AuthFailures, min_ratio, times_usual, min_hits }
}
