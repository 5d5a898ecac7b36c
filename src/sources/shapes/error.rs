//! Why a body cannot be read.

/// Why nothing of a body was taken. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Not JSON, or not the JSON that was expected.
    #[error("not the JSON that belongs here (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Nested too deeply.
    #[error("JSON nested more than {0} deep")]
    Deep(usize),
    /// Not the protocol buffers that were expected.
    #[error("not the protocol buffers that belong here (byte {0})")]
    Protobuf(usize),
    /// The compression is broken or not the one that was announced.
    #[error("the body cannot be decompressed")]
    Compression,
    /// More than may come out.
    #[error("the body is over the limit of {0} bytes when it is decompressed")]
    Bomb(u64),
    /// Too much is being read at the moment.
    #[error("requests that are being read hold as much memory as they may")]
    Busy,
}

impl From<serde_json::Error> for ShapeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

/// How deeply JSON may be nested.
pub const DEPTH: usize = 64;
