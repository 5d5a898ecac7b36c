//! Reading a descriptor to its end, piece by piece.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::lines::{Framer, Piece};

/// A descriptor and its framer. One `read` gives what is there; its whole lines are handed out before the next one,
/// so output is never held back while input pauses.
pub struct Reading<F> {
    fd: F,
    framer: Framer,
    ended: bool,
}

impl<F: AsFd> Reading<F> {
    /// Reads `fd` from where it stands.
    pub fn new(fd: F) -> Self {
        Self { fd, framer: Framer::new(), ended: false }
    }

    /// The next piece, waiting for it when need be; `None` at the end. `spare` is an old buffer to be reused.
    ///
    /// # Errors
    /// What the system says when the descriptor cannot be read.
    pub fn next(&mut self, mut spare: Vec<u8>) -> io::Result<Option<Piece>> {
        loop {
            match self.framer.take(spare) {
                Ok(piece) => return Ok(Some(piece)),
                Err(back) => spare = back,
            }
            if self.ended {
                return Ok(self.framer.finish(spare));
            }
            self.ended = self.read()? == 0;
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.fd, spare_capacity(self.framer.room())) {
                Ok(n) => return Ok(n),
                Err(Errno::INTR) => {}
                // somebody who shares the pipe has made it non-blocking
                Err(Errno::AGAIN) => wait_readable(&self.fd)?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn wait_readable(fd: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
