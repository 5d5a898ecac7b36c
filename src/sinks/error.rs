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
    /// Somebody else writes the output.
    #[error(
        "{path} is already written by another logwarden, or by another sink of this one; stop that one or choose \
         another `path` for this sink"
    )]
    Taken {
        /// The file.
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
    /// A file could not be rotated.
    #[error("cannot rotate {path}: {source}")]
    Rotate {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A server does not take what is sent.
    #[error("cannot send to {name}: {why}")]
    Send {
        /// The server.
        name: String,
        /// What it said, or why it could not be asked.
        why: String,
    },
    /// What was given before has not been taken yet; not a fault, only early.
    #[error("{0} is still being sent to")]
    Busy(String),
    /// A sink's section makes no sense.
    #[error("{0}")]
    Config(String),
}
