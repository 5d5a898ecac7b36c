//! From numbers to words: detectors, the life of an alert, policies.
//!
//! [`Monitor`] takes [`crate::window::Tally`]s and gives [`Alert`]s. One file holds one detector, with its formula and
//! defaults in its doc; [`KINDS`] is the table of all of them. Time comes from the arguments only.

mod after_hours;
mod calendar;
mod compose;
mod config;
mod detector;
mod episode;
mod fleet;
mod key_dormant;
mod kind;
mod leaked_key_used;
mod leaks;
mod monitor;
mod new_ip;
mod object;
mod policy;
mod recent;
mod replay;
#[cfg(test)]
mod scenarios;
mod shares;
mod stats;
mod stored;
mod storm;
mod volume_spike;
mod watch;
mod words;
mod zone;

pub use calendar::{Calendar, CalendarConfig, Weekday};
pub use config::{
    AfterHoursConfig, AuthFailuresConfig, Common, DetectConfig, ErrorRateConfig, KeyConfig, KeyDormantConfig,
    LeakedKeyUsedConfig, NewIpConfig, NewIpMode, SecretLeakedConfig, VolumeSpikeConfig,
};
pub use detector::{Detector, Signal, View};
pub use episode::{episode_id, fingerprint};
pub use kind::{KINDS, Kind, KindInfo, usual_severity};
pub use monitor::Monitor;
pub use object::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
pub use policy::{Policies, Policy, WatchError};
pub use replay::{Replay, Report};
pub use watch::{Counters, Watch};
pub use zone::Zone;
