//! Which shape a body has, and who reads it.

use super::error::ShapeError;
use super::gather::Taken;
use super::{bulk, loki, ndjson, otlp};

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Lines, as they are.
    Lines,
    /// JSON values, one after the other or in an array.
    Values,
    /// OTLP logs as JSON.
    OtlpJson,
    /// OTLP logs as protocol buffers.
    OtlpProtobuf,
    /// Loki's push as JSON.
    LokiJson,
    /// Loki's push as protocol buffers.
    LokiProtobuf,
    /// Elasticsearch's bulk.
    Bulk,
}

/// Cuts a body into lines of at most `line` bytes.
///
/// # Errors
/// When the body as a whole cannot be read; a single line that cannot be taken is no error.
pub fn take(shape: Shape, body: &[u8], line: usize) -> Result<Taken, ShapeError> {
    match shape {
        Shape::Lines => Ok(ndjson::lines(body, line)),
        Shape::Values => ndjson::values(body, line),
        Shape::OtlpJson => otlp::json(body, line),
        Shape::OtlpProtobuf => otlp::protobuf(body, line),
        Shape::LokiJson => loki::json(body, line),
        Shape::LokiProtobuf => loki::protobuf(body, line),
        Shape::Bulk => bulk::take(body, line),
    }
}
