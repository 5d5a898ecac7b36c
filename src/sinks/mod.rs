//! Where redacted lines go. A sink takes [`crate::redact::Redacted`] and nothing else.

mod archive;
mod config;
mod error;
mod file;
mod http;
mod names;
mod patient;
mod sole;
mod stdout;

pub use archive::Archive;
pub use config::{Compression, FileSinkConfig, HttpSinkConfig, SinkConfig, StdoutConfig};
pub use error::SinkError;
pub use file::{FileSink, Mark};
pub use http::HttpSink;
pub use patient::Patient;
pub use stdout::Stream;
