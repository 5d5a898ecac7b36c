//! What travels before redaction: raw bytes, framed into whole lines, with a receipt for where they came from.
//!
//! This is the near side of the privacy wall. A [`RawLine`] and a [`Batch`] hold bytes that may be secret, so they
//! implement neither `Debug` nor `Display` nor `Serialize`, and only [`crate::redact`] turns them into something that
//! the rest of the program may look at.

mod batch;
mod pool;

pub use batch::{Ack, Batch, RawLine, SourceId, lines};
pub use pool::Pool;
