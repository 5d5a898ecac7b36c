//! Standard input as a source of the service.

use std::io::{self, Stdin};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::lines::Piece;
use super::read::Reading;
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::units::Timestamp;

/// How long a wait for input lasts before it is seen whether to stop.
const BEAT: Duration = Duration::from_millis(100);

/// Standard input with what was read of it and not handed out; shared, because it outlives a reload.
#[derive(Clone)]
pub struct StdinReader {
    reading: Arc<Mutex<Reading<Stdin>>>,
}

impl StdinReader {
    /// Standard input from where it stands.
    pub fn new() -> Self {
        Self { reading: Arc::new(Mutex::new(Reading::new(io::stdin()))) }
    }

    /// Reads to the end, or until `stop` is set and nothing more is waiting. `emit` takes a batch onwards, `false` when
    /// nobody takes batches any more.
    ///
    /// # Errors
    /// What the system says when standard input cannot be read.
    pub fn run(
        &self,
        source: SourceId,
        pool: &Pool<Vec<u8>>,
        stop: &AtomicBool,
        clock: fn() -> Timestamp,
        emit: &mut dyn FnMut(Batch) -> bool,
    ) -> io::Result<()> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = |piece: Piece, last| {
            let ack = Ack { source, stream: 0, offset: piece.end, anchor: piece.anchor };
            Batch { ack, arrived: clock(), bytes: piece.bytes, withheld: piece.withheld, last }
        };
        loop {
            while let Ok(piece) = reading.take(pool.take()) {
                if !emit(batch(piece, false)) {
                    return Ok(());
                }
            }
            while !readable(&io::stdin())? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            if !reading.fill()? {
                if let Some(piece) = reading.finish(pool.take()) {
                    emit(batch(piece, true));
                }
                return Ok(());
            }
        }
    }
}

impl Default for StdinReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether something can be read now or within a moment; also true at the end.
pub(super) fn readable(fd: &impl AsFd) -> io::Result<bool> {
    let beat = Timespec { tv_sec: 0, tv_nsec: i64::from(BEAT.subsec_nanos()) };
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&beat)) {
        Ok(n) => Ok(n > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
