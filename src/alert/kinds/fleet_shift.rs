//! `fleet_shift`: all keys change at once, which is no key's own doing: one alert, and the others are quiet.
//!
//! Volume: the median of observed over typical requests in the last hour (or the last 15 minutes, when that is more), over
//! at least 20 keys that make at least 36 an hour.
//! Above 1.15 it multiplies what is expected of each key, so that a deploy, a sale or a change of clocks does not blame
//! them one by one; at `times_usual` it is an alert of its own. Errors: at least 5 % of the keys active in the last 15
//! minutes (and at least 10) begin to fail at once; further `error_rate` alerts are then held back.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, MINUTE, kind_settings};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::FleetShift,
    name: "fleet_shift",
    urgency: Urgency::Ticket,
    doc: "most keys are busier than usual, or fail, at the same time",
    causes: &[
        "a fault or a deploy of the service itself",
        "an event that everybody takes part in: a sale, a holiday, a press report",
    ],
    steps: &[
        "Look at the service before you look at single keys",
        "Check what was deployed at the time in the evidence",
    ],
    tune: "Raise `times_usual` when campaigns are daily business.",
};

kind_settings! {
    /// All keys at once.
    FleetShiftConfig {
        Ticket, for 0, resolve 30 * MINUTE, renotify 24 * HOUR, mute 4 * HOUR;
        /// How many times their usual traffic the median key must make.
        times_usual: f64 = 2.0,
        /// Share of the active keys that must begin to fail at once, from 0 to 1.
        erring_share: f64 = 0.05,
        /// Keys that must begin to fail at once, at least.
        min_erring: u32 = 10,
    }
}
