//! A descriptor whose reader may take its time: a thread of its own writes, so that whoever hands chunks over never
//! waits for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::SinkError;
use super::stdout::Stream;
use crate::redact::Redacted;

/// How many chunks may wait for the thread.
const QUEUE: usize = 4;

/// How much is written at once: what a pipe holds.
const PIECE: usize = 64 << 10;

/// A reader that takes nothing for this long does not read any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long until a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// A descriptor with a thread that writes to it.
pub struct Patient {
    name: &'static str,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// Used buffers.
    spare: Vec<Vec<u8>>,
    /// Since when the thread writes what it writes now.
    since: Option<Instant>,
    /// Why that failed last.
    failing: Option<(io::ErrorKind, String)>,
    closed: bool,
    /// No more will come.
    ended: bool,
}

impl Patient {
    /// A sink on `fd`, called `name` in messages.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn open(fd: impl AsFd + Send + 'static, name: &'static str) -> Result<Self, SinkError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let work = move || write(&theirs, Stream::new(fd, name));
        let thread = std::thread::Builder::new().name("sink-stdout".to_owned()).spawn(work);
        thread.map_err(|error| SinkError::Config(format!("cannot start a thread: {error}")))?;
        Ok(Self { name, shared })
    }

    /// Takes a chunk over. After an error it was not, and may be given again.
    ///
    /// # Errors
    /// [`SinkError::Busy`] while enough waits already, [`SinkError::Closed`] when the reader has gone,
    /// [`SinkError::Write`] when it does not read, or for anything else.
    pub fn write(&mut self, chunk: &Redacted) -> Result<(), SinkError> {
        let mut state = self.shared.lock();
        if state.waiting.len() >= QUEUE {
            return Err(self.trouble(&state).err().unwrap_or(SinkError::Busy(self.name.to_owned())));
        }
        self.gone(&state)?;
        let mut buffer = state.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(chunk.bytes());
        state.waiting.push_back(buffer);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Whether everything was written.
    ///
    /// # Errors
    /// As [`Patient::write`].
    pub fn delivered(&mut self) -> Result<bool, SinkError> {
        let state = self.shared.lock();
        self.trouble(&state)?;
        Ok(state.waiting.is_empty() && state.since.is_none())
    }

    fn gone(&self, state: &State) -> Result<(), SinkError> {
        if state.closed { Err(SinkError::Closed) } else { Ok(()) }
    }

    fn trouble(&self, state: &State) -> Result<(), SinkError> {
        self.gone(state)?;
        let failed = |source| Err(SinkError::Write { name: self.name.to_owned(), source });
        if let Some((kind, why)) = &state.failing {
            return failed(io::Error::new(*kind, why.clone()));
        }
        if state.since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            return failed(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
        }
        Ok(())
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest chunk, waiting for it; `None` at the end.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(chunk) = state.waiting.pop_front() {
                state.since = Some(Instant::now());
                return Some(chunk);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread: writes one chunk after the other, each to its end.
fn write<F: AsFd>(shared: &Shared, mut stream: Stream<F>) {
    while let Some(chunk) = shared.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(PIECE)];
            let (written, result) = stream.relay_some(piece);
            rest = &rest[written..];
            let mut state = shared.lock();
            match result {
                Ok(()) => (state.since, state.failing) = (Some(Instant::now()), None),
                Err(SinkError::Closed) => state.closed = true,
                Err(SinkError::Write { source, .. }) => state.failing = Some((source.kind(), source.to_string())),
                Err(error) => state.failing = Some((io::ErrorKind::Other, error.to_string())),
            }
            if state.closed || state.ended {
                return;
            }
            let failing = state.failing.is_some();
            drop(state);
            if failing {
                std::thread::sleep(AGAIN);
            }
        }
        let mut state = shared.lock();
        state.since = None;
        state.spare.push(chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    fn chunk(text: &str) -> Redacted {
        let mut out = Redacted::default();
        Redactor::new(PseudonymKey::new(0, b"k")).worker().redact(text.as_bytes(), &mut out);
        out
    }

    #[test]
    fn a_reader_that_rests_holds_nobody_up_and_gets_everything() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut sink = Patient::open(writer, "a pipe").unwrap();
        let text = "a line of some words\n".repeat(10_000);
        let mut taken = 0;
        let busy = loop {
            match sink.write(&chunk(&text)) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(busy, SinkError::Busy(_)), "{busy}");
        // one is being written besides those that wait, unless its thread has not come to it yet
        assert!((QUEUE..=QUEUE + 1).contains(&taken), "{taken}");
        assert!(!sink.delivered().unwrap());
        let mut got = vec![0; taken * text.len()];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(got, text.repeat(taken).as_bytes());
        while !sink.delivered().unwrap() {
            std::thread::yield_now();
        }
        sink.write(&chunk("last\n")).unwrap();
        let mut got = [0; 5];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"last\n");
        drop(reader);
        sink.write(&chunk("into nothing\n")).unwrap();
        while sink.delivered().is_ok() {
            std::thread::yield_now();
        }
        assert!(matches!(sink.write(&chunk("x\n")), Err(SinkError::Closed)));
    }
}
