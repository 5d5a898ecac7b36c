//! A descriptor that is handed to us: standard output or standard error.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

use super::error::SinkError;
use crate::redact::Redacted;

/// Writes redacted chunks to a descriptor, one `write` a chunk, nothing held back.
pub struct Stream<F> {
    fd: F,
    name: &'static str,
}

/// What a pipe behind us can hold, in bytes: several chunks, so that its reader empties it while we go on. It is the most
/// that a system allows everybody unless told otherwise (`/proc/sys/fs/pipe-max-size`).
const PIPE: usize = 1 << 20;

impl<F: AsFd> Stream<F> {
    /// A sink on `fd`, called `name` in messages.
    pub fn new(fd: F, name: &'static str) -> Self {
        Self { fd, name }
    }

    /// The same on a pipe that is made larger where that is allowed, so that nobody waits for the other. Not for those who
    /// count as delivered what is in the pipe.
    pub fn roomy(fd: F, name: &'static str) -> Self {
        if fcntl_getpipe_size(&fd).is_ok_and(|size| size < PIPE) {
            // a small one will do, and takes longer
            let _size = fcntl_setpipe_size(&fd, PIPE);
        }
        Self::new(fd, name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_holds_more_where_that_is_allowed() {
        let ((_reader, writer), (_other, probe)) = (rustix::pipe::pipe().unwrap(), rustix::pipe::pipe().unwrap());
        let usual = fcntl_getpipe_size(&writer).unwrap();
        let allowed = fcntl_setpipe_size(&probe, PIPE).is_ok();
        let stream = Stream::roomy(writer, "a pipe");
        let size = fcntl_getpipe_size(&stream.fd).unwrap();
        assert_eq!(size, if allowed { PIPE.max(usual) } else { usual });
        // one that is larger already stays so, and what is no pipe is left alone
        assert_eq!(fcntl_getpipe_size(&Stream::roomy(stream.fd, "again").fd).unwrap(), size);
        let file = tempfile::tempfile().unwrap();
        Stream::roomy(&file, "a file").relay(b"x").unwrap();
    }
}
