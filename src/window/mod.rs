//! From events to numbers: what each key did in the last minutes, hours and weeks.
//!
//! A [`Tally`] is what a chunk of lines adds up to; tallies merge in any order and are all that reaches the monitor.
//! [`Keys`] holds one [`KeyState`] per key: a ring of 5-minute buckets, a learned week, networks, habits, usual shares
//! of errors. Everything runs on event time that is passed in; no clock is read.

mod day;
mod distinct;
mod extra;
mod few;
mod habits;
mod id;
mod meter;
mod networks;
mod pack;
mod profile;
mod samples;
mod sighting;
mod state;
mod stored;
mod table;
mod tally;
mod words;

pub use distinct::Distinct;
pub use extra::{Place, Where};
pub use few::Few;
pub use habits::{Habit, Seen};
pub use id::{KeyHash, KeyId, Network};
pub use meter::Meter;
pub use networks::Known;
pub use profile::{Profile, WEEK};
pub use samples::{Lines, MAX_LINES, Sample, Samples};
pub use sighting::{Aspect, Chain, Sighting, Sightings};
pub use state::{Clockwork, Facts, KeyState, LATE_BUCKETS, RING, hour_of_week, local_day};
pub use table::{Keys, NEAR, Slot};
pub use tally::{
    Amounts, AttackDelta, AttackId, BUCKET_S, Counts, KeyDelta, LeakDelta, LeakId, Slice, SourceDelta, Tally, Visit,
    bucket, bucket_start,
};
pub use words::{Word, Words};
