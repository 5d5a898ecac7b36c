//! `error_rate`: far more of a key's requests fail than usual (status from 400 on but for 401 and 403).
//!
//! The formula is in [`super::shares`]: over 15 minutes (or 60), the lower end of Wilson's interval at z = 3.29 must reach
//! max(20 %, 3 × usual share), with at least 10 failing requests.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, MINUTE, kind_settings};
use super::shares::Shares;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::ErrorRate,
    name: "error_rate",
    urgency: Urgency::Ticket,
    doc: "the share of a key's requests that fail is far above its usual share",
    causes: &[
        "a client that is misconfigured or was just deployed",
        "abuse: somebody tries out what the key can do",
        "a fault of the service itself",
    ],
    steps: &["Look at the paths and statuses in the evidence", "Ask the key's owner about a recent change"],
    tune: "Raise `min_ratio` for clients that fail much by nature (404 as an answer). Lower `min_errors` when single keys matter that are used little.",
};

kind_settings! {
    /// Far more failing requests (status from 400 on but for 401 and 403) than a key's usual share.
    ErrorRateConfig {
        Ticket, for 0, resolve 15 * MINUTE, renotify 24 * HOUR, mute 0;
        /// Share of failing requests that counts at least, from 0 to 1.
        min_ratio: f64 = 0.20,
        /// How many times its usual share.
        times_usual: f64 = 3.0,
        /// Failing requests in 15 minutes, below which nothing fires.
        min_errors: u32 = 10,
    }
}

/// Its detector.
pub(super) fn detector(c: &ErrorRateConfig) -> Shares {
    let (min_ratio, times_usual, min_hits) = (c.min_ratio, c.times_usual, c.min_errors);
    Shares { kind: Kind::ErrorRate, min_ratio, times_usual, min_hits }
}
