//! Where redacted lines go. A sink takes [`crate::redact::Redacted`] and nothing else.

mod error;
mod stdout;

pub use error::SinkError;
pub use stdout::Stream;
