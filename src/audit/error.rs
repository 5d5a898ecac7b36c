//! What goes wrong with files and keys.

use std::io;
use std::path::Path;

/// Why the audit log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or directory cannot be used.
    #[error("audit log: cannot use {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The key is not usable.
    #[error("audit log: the key in {path} cannot be used: {problem}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

impl AuditError {
    /// What the system said about `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.display().to_string(), source }
    }
}
