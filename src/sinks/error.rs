//! What can go wrong when writing.

use std::io;

/// Why redacted lines could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of our pipe has gone; a quiet end.
    #[error("the reader of the output has gone")]
    Closed,
    /// The output cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The output is not a regular file.
    #[error("{path} is not a regular file; choose another path for this sink")]
    NotAFile {
        /// The file.
        path: String,
    },
    /// The output is a symbolic link.
    #[error("{path} is a symbolic link, which is never followed; name the file itself")]
    Link {
        /// The link.
        path: String,
    },
    /// The output took no more.
    #[error("cannot write {name}: {source}")]
    Write {
        /// The file or stream.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}
