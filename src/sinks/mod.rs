//! Where redacted lines go. A sink takes [`crate::redact::Redacted`] and nothing else.

mod config;
mod error;
mod stdout;

pub use config::{FileSinkConfig, SinkConfig, StdoutConfig};
pub use error::SinkError;
pub use stdout::Stream;
