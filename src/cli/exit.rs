//! The exit codes of the command line, in one place, and how a failure is told.

use std::fmt;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::sinks::SinkError;
use crate::store::StoreError;

/// What the process says to its caller when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All went well.
    pub const OK: Self = Self(0);
    /// Something was found or refused (`scan`, `rules test`, `alerts test`, ...).
    pub const FOUND: Self = Self(1);
    /// The command line makes no sense.
    pub const USAGE: Self = Self(2);
    /// A failure of our own.
    pub const INTERNAL: Self = Self(70);
    /// A file, pipe or socket failed.
    pub const IO: Self = Self(74);
    /// The configuration is wrong.
    pub const CONFIG: Self = Self(78);
    /// The command of `exec` cannot be executed.
    pub const NOT_EXECUTABLE: Self = Self(126);
    /// The command of `exec` does not exist.
    pub const NOT_FOUND: Self = Self(127);
    /// Interrupted by the user.
    pub const INTERRUPTED: Self = Self(130);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// An error that knows its exit code and, when there is one, the way out.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// A failure with this exit code and message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error: its own when it is a [`Failure`], I/O when one is at the bottom, else our own failure.
pub fn code(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit;
        }
        if cause.is::<ConfigError>() {
            return Exit::CONFIG;
        }
        let unsent = matches!(cause.downcast_ref(), Some(SinkError::Send { .. }));
        if unsent || cause.is::<std::io::Error>() || cause.is::<StoreError>() {
            return Exit::IO;
        }
    }
    Exit::INTERNAL
}

/// Whether the reader of our output has gone, as `| head` does: no failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_code_comes_from_the_deepest_error_that_knows_one() {
        let usage = anyhow::Error::new(Failure::new(Exit::USAGE, "no such verb"));
        assert_eq!(code(&usage.context("while reading the command line")), Exit::USAGE);
        let io: anyhow::Result<()> = Err(std::io::Error::other("disk on fire")).context("cannot write");
        assert_eq!(code(&io.unwrap_err()), Exit::IO);
        assert_eq!(code(&anyhow::anyhow!("a bug")), Exit::INTERNAL);
    }
}
