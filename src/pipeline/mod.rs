//! The corridor: batches in, redacted chunks out, order kept, with a tally for the monitor.

mod chunk;
mod corridor;
mod crew;
mod escapes;

pub use chunk::{Chunk, FAILED, Teller};
pub use corridor::{Done, Entrance, Pools, start};
pub use crew::Crew;
