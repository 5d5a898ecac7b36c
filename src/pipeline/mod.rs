//! The corridor: batches in, redacted chunks out, order kept, with a tally for the monitor.

mod chunk;
mod corridor;
mod escapes;

pub use chunk::{Chunk, FAILED};
pub use corridor::{Done, Entrance, Pools, start};
