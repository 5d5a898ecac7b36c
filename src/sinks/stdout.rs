//! A descriptor that is handed to us: standard output or standard error.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::error::SinkError;
use crate::redact::Redacted;

/// Writes redacted chunks to a descriptor, one `write` a chunk, nothing held back.
pub struct Stream<F> {
    fd: F,
    name: &'static str,
}

impl<F: AsFd> Stream<F> {
    /// A sink on `fd`, called `name` in messages.
    pub fn new(fd: F, name: &'static str) -> Self {
        Self { fd, name }
    }

    /// Writes a chunk.
    ///
    /// # Errors
    /// [`SinkError::Closed`] when the reader has gone, [`SinkError::Write`] for anything else.
    pub fn write(&mut self, chunk: &Redacted) -> Result<(), SinkError> {
        self.relay(chunk.bytes())
    }

    /// Writes the bytes of a chunk that was redacted elsewhere: by a worker of ours, or a while ago.
    ///
    /// # Errors
    /// As [`Stream::write`].
    pub fn relay(&mut self, redacted: &[u8]) -> Result<(), SinkError> {
        self.relay_some(redacted).1
    }

    /// The same, saying how many bytes were written also when that failed.
    pub(super) fn relay_some(&mut self, redacted: &[u8]) -> (usize, Result<(), SinkError>) {
        match write_all(&self.fd, redacted) {
            Ok(()) => (redacted.len(), Ok(())),
            Err((written, source)) if source.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {
                (written, Err(SinkError::Closed))
            }
            Err((written, source)) => (written, Err(SinkError::Write { name: self.name.to_owned(), source })),
        }
    }
}

/// Writes all of `bytes`; on an error says how many were written before it.
pub(super) fn write_all(fd: &impl AsFd, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(fd, &bytes[done..]) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            // somebody who shares the pipe has made it non-blocking
            Err(Errno::AGAIN) => {
                if let Err(error) = poll(&mut [PollFd::new(fd, PollFlags::OUT)], None)
                    && error != Errno::INTR
                {
                    return Err((done, error.into()));
                }
            }
            Err(error) => return Err((done, error.into())),
        }
    }
    Ok(())
}
