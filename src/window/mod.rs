//! From events to numbers: what each key did in the last minutes, hours and weeks.
//!
//! A [`Tally`] is what a chunk of lines adds up to; tallies merge in any order and are all that reaches the monitor.
//! [`Keys`] holds one [`KeyState`] per key: a ring of 5-minute buckets, a learned week, networks, usual shares of
//! errors. Everything runs on event time that is passed in; no clock is read.

mod id;
mod pack;
mod profile;
mod samples;
mod state;
mod table;
mod tally;

pub use id::{KeyId, Network};
pub use profile::{Profile, WEEK};
pub use samples::{Lines, MAX_LINES, Samples};
pub use state::{Facts, KeyState, Known, LATE_BUCKETS, RING, hour_of_week};
pub use table::Keys;
pub use tally::{BUCKET_S, Counts, KeyDelta, LeakDelta, LeakId, Tally, Visit, bucket, bucket_start};
