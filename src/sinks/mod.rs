//! Where redacted lines go. A sink takes [`crate::redact::Redacted`] and nothing else.

mod config;
mod error;
mod file;
mod stdout;

pub use config::{FileSinkConfig, SinkConfig, StdoutConfig};
pub use error::SinkError;
pub use file::{FileSink, Mark};
pub use stdout::Stream;
