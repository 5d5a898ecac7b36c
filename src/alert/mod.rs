//! From numbers to words: detectors, the life of an alert, policies.
//!
//! [`Monitor`] takes [`crate::window::Tally`]s and gives [`Alert`]s. One file holds one detector, with its formula and
//! defaults in its doc; [`KINDS`] is the table of all of them. Time comes from the arguments only.

mod around;
mod calendar;
mod compose;
mod config;
mod crowd;
mod detector;
mod episode;
mod fleet;
mod geo;
mod key_config;
mod kind;
mod kinds;
mod monitor;
mod narrow;
mod notice;
mod object;
mod origin;
mod policy;
mod recent;
mod replay;
#[cfg(test)]
mod scenarios;
mod settings;
mod stats;
mod step;
mod stored;
#[cfg(test)]
mod stories;
mod storm;
mod values;
mod watch;
mod words;
mod zone;

pub use calendar::{Calendar, CalendarConfig, Weekday};
pub use config::DetectConfig;
pub use detector::{Detector, Signal, Travel, View};
pub use episode::{episode_id, fingerprint};
pub use geo::{Found, Geo};
pub use key_config::KeyConfig;
pub use kind::{KINDS, Kind, KindInfo, usual_severity};
pub use kinds::*;
pub use monitor::{Between, Monitor};
pub use narrow::{Narrow, age, narrowest, used_for};
pub use notice::Notice;
pub use object::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
pub use policy::{Policies, Policy, WatchError};
pub use replay::{Replay, Report};
pub use settings::Common;
pub use stored::stored_word;
pub use values::{Day, Rate, Span};
pub use watch::{Counters, Watch};
pub use zone::Zone;
