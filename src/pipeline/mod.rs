//! The corridor: batches in, redacted chunks out, order kept, with a tally for the monitor.

mod chunk;
mod escapes;

pub use chunk::{Chunk, FAILED};
