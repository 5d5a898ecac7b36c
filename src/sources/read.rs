//! Reading a descriptor to its end, piece by piece.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
            match self.take(spare) {
                Ok(piece) => return Ok(Some(piece)),
                Err(back) => spare = back,
            }
            if !self.fill()? {
                return Ok(self.finish(spare));
            }
        }
    }

    /// The next piece, if it is there without waiting; `None` also at the end.
    ///
    /// # Errors
    /// What the system says when the descriptor cannot be read.
    pub fn next_ready(&mut self, mut spare: Vec<u8>) -> io::Result<Option<Piece>> {
        loop {
            match self.take(spare) {
                Ok(piece) => return Ok(Some(piece)),
                Err(back) => spare = back,
            }
            if self.ended || !is_readable(&self.fd)? || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The next piece of what was read already; gives `spare` back when there is none.
    pub fn take(&mut self, spare: Vec<u8>) -> Result<Piece, Vec<u8>> {
        self.framer.take(spare)
    }

    /// Reads once, waiting when need be; `false` at the end.
    ///
    /// # Errors
    /// What the system says when the descriptor cannot be read.
    pub fn fill(&mut self) -> io::Result<bool> {
        while !self.ended {
            match rustix::io::read(&self.fd, spare_capacity(self.framer.room())) {
                Ok(n) => {
                    self.ended = n == 0;
                    break;
                }
                Err(Errno::INTR) => {}
                // somebody who shares the pipe has made it non-blocking
                Err(Errno::AGAIN) => wait_readable(&self.fd)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(!self.ended)
    }

    /// What is left at the end: a line without its newline.
    pub fn finish(&mut self, spare: Vec<u8>) -> Option<Piece> {
        self.framer.finish(spare)
    }
}

fn is_readable(fd: &impl AsFd) -> io::Result<bool> {
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&AT_ONCE)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn wait_readable(fd: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
