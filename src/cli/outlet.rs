//! Where redacted chunks leave, and what happens when nobody takes them.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sinks::{SinkError, Stream};

/// What happens when the output is slower than the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenSlow {
    /// The writer of the logs waits
    #[default]
    Block,
    /// The oldest lines that wait for the output are dropped, and counted
    DropOldest,
}

/// How much may wait for a slow output, in bytes.
const WAITING: usize = 16 << 20;

/// How often it is told how much was dropped.
const SPAN: Duration = Duration::from_secs(10);

/// An output with what waits for it.
pub enum Outlet<O: AsFd> {
    /// Written at once.
    Direct(Stream<O>),
    /// Written by a thread of its own.
    Queued(Queued),
}

/// Chunks that wait for a thread to write them.
pub struct Queued {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<(Vec<u8>, u64)>,
    bytes: usize,
    /// Lines dropped and not told of.
    dropped: u64,
    told: Option<Instant>,
    /// No more will come.
    ended: bool,
    failed: Option<SinkError>,
}

impl<O: AsFd + Send + 'static> Outlet<O> {
    /// An outlet into `out`, called `name` in messages.
    pub fn new(out: O, name: &'static str, when: WhenSlow) -> Self {
        let mut stream = Stream::roomy(out, name);
        if when == WhenSlow::Block {
            return Self::Direct(stream);
        }
        let queue = Arc::new(Queue::default());
        let shared = Arc::clone(&queue);
        let work = move || {
            while let Some(chunk) = shared.next() {
                if let Err(error) = stream.relay(&chunk) {
                    shared.lock().failed = Some(error);
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("outlet".to_owned()).spawn(work) {
            Ok(thread) => Self::Queued(Queued { queue, thread: Some(thread) }),
            Err(error) => {
                let failed = SinkError::Config(format!("cannot start a thread: {error}"));
                queue.lock().failed = Some(failed);
                Self::Queued(Queued { queue, thread: None })
            }
        }
    }

    /// Writes redacted `bytes` of `lines` whole lines, or lets them wait.
    ///
    /// # Errors
    /// When nothing can be written any more.
    pub fn write(&mut self, bytes: &[u8], lines: u64) -> Result<(), SinkError> {
        match self {
            Self::Direct(stream) => stream.relay(bytes),
            Self::Queued(queued) => queued.queue.push(bytes, lines),
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), SinkError> {
        let Self::Queued(Queued { queue, thread }) = self else { return Ok(()) };
        queue.lock().ended = true;
        queue.changed.notify_all();
        if let Some(thread) = thread.take() {
            let _it_says_how_it_went = thread.join();
        }
        let mut state = queue.lock();
        state.tell();
        state.failed.take().map_or(Ok(()), Err)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8], lines: u64) -> Result<(), SinkError> {
        let mut state = self.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        while state.bytes + bytes.len() > WAITING {
            let Some((old, lines)) = state.chunks.pop_front() else { break };
            state.bytes -= old.len();
            state.dropped += lines;
        }
        state.bytes += bytes.len();
        state.chunks.push_back((bytes.to_vec(), lines));
        let now = Instant::now();
        let first = *state.told.get_or_insert(now);
        if state.dropped > 0 && now.duration_since(first) >= SPAN {
            state.tell();
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The oldest chunk, waiting for it; `None` at the end.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if let Some((chunk, _)) = state.chunks.pop_front() {
                state.bytes -= chunk.len();
                return Some(chunk);
            }
            if state.ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn tell(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        self.told = Some(Instant::now());
        if dropped > 0 {
            tracing::warn!("the output is too slow: {dropped} lines were dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_are_counted() {
        let queue = Queue::default();
        let chunk = vec![b'x'; WAITING / 4];
        for n in 0..6u8 {
            let mut chunk = chunk.clone();
            chunk[0] = n;
            queue.push(&chunk, 10).unwrap();
        }
        let counts = || {
            let state = queue.lock();
            (state.dropped, state.bytes, state.chunks.len())
        };
        assert_eq!(counts(), (20, WAITING, 4));
        assert_eq!(queue.next().unwrap()[0], 2);
        // one that is larger than everything still goes
        queue.push(&vec![b'y'; WAITING + 1], 1).unwrap();
        assert_eq!(counts(), (50, WAITING + 1, 1));
        queue.lock().ended = true;
        assert!(queue.next().is_some() && queue.next().is_none());
        queue.lock().failed = Some(SinkError::Closed);
        assert!(matches!(queue.push(b"x", 1), Err(SinkError::Closed)));
    }
}
