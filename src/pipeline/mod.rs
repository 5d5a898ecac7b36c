//! The corridor: batches in, redacted chunks out, order kept, with a tally for the monitor.

mod chunk;
mod corridor;
mod crew;
mod escapes;
mod waiting;

pub use chunk::{Chunk, FAILED, Teller};
pub use corridor::{Clean, Done, Entrance, Live, Pools, start};
pub use crew::Crew;
pub use waiting::{Arrived, Missed, OnDrop, Waiting};
