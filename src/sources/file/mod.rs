//! Files that are followed as they grow.
//!
//! A file is never known by its path: it is device, inode, the hash of its first bytes and the hash of the bytes
//! before the offset. All must agree, otherwise it is a new *generation*, read from its beginning. What rotation does
//! follows from that: a renamed file keeps its stream; a truncated one ends its stream and begins another, and the
//! copy that rotation made of it is recognised by its content and continues the ended stream where it stood.

mod discover;
mod generation;
mod identity;
mod scan;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

pub use tail::{Tail, TailSetup};
pub use watch::Watch;
