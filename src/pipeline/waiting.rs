//! Where redacted chunks wait to be written, and who waits when that takes long: those that send them, or nobody.

use std::collections::VecDeque;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::corridor::{Clean, Done, QUEUE};
use crate::window::Tally;

/// What chunks that nobody waits for may hold in memory together, in bytes.
const MOST: usize = 16 << 20;

/// What a chunk and each of its keys take besides the text.
const OVERHEAD: usize = 1 << 10;

/// What comes out of the corridor.
pub enum Arrived {
    /// The oldest chunks that wait, as they were counted together.
    Done(Box<Done>),
    /// What was dropped since this was asked last.
    Missed(Box<Missed>),
}

/// Chunks that were dropped because nothing could be written for long.
#[derive(Default)]
pub struct Missed {
    /// How many chunks.
    pub chunks: u64,
    /// What their lines say about keys: they are watched all the same.
    pub tally: Tally,
}

/// Is told of each chunk that is dropped.
pub type OnDrop = dyn Fn(&Clean) + Send + Sync;

/// The end of the corridor: whoever writes takes chunks from here.
pub struct Waiting {
    shared: Arc<Shared>,
}

/// The workers' side.
pub(super) struct Outbound {
    shared: Arc<Shared>,
}

/// Nobody takes chunks any more.
pub(super) struct Gone;

struct Shared {
    line: Mutex<Line>,
    arrived: Condvar,
    room: Condvar,
    on_drop: Box<OnDrop>,
}

#[derive(Default)]
struct Line {
    /// Chunks by number; whoever brings one waits while there are too many.
    patient: VecDeque<(u64, Done)>,
    /// The same where the oldest are dropped instead.
    live: VecDeque<(u64, Done)>,
    live_bytes: usize,
    missed: Missed,
    next: u64,
    senders: usize,
    gone: bool,
}

/// A place to wait, with its first sender.
pub(super) fn waiting(on_drop: Box<OnDrop>) -> (Outbound, Waiting) {
    let line = Mutex::new(Line { senders: 1, ..Line::default() });
    let shared = Arc::new(Shared { line, arrived: Condvar::new(), room: Condvar::new(), on_drop });
    (Outbound { shared: Arc::clone(&shared) }, Waiting { shared })
}

impl Outbound {
    /// Hands a chunk over, waiting while there are too many.
    pub(super) fn send(&self, done: Done) -> Result<(), Gone> {
        let mut line = self.shared.lock();
        while line.patient.len() >= QUEUE && !line.gone {
            line = self.shared.room.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        let number = line.number()?;
        line.patient.push_back((number, done));
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Hands a chunk over at once; when too much waits already, the oldest of those handed over this way are dropped.
    pub(super) fn send_live(&self, done: Done) -> Result<(), Gone> {
        let mut line = self.shared.lock();
        let number = line.number()?;
        line.live_bytes += weight(&done);
        line.live.push_back((number, done));
        let mut dropped = Vec::new();
        while line.live_bytes > MOST && line.live.len() > 1 {
            let Some((_, mut old)) = line.live.pop_front() else { break };
            line.live_bytes -= weight(&old);
            line.missed.chunks += old.chunks.len() as u64;
            let tally = std::mem::take(&mut old.tally);
            line.missed.tally.merge(tally);
            dropped.push(old);
        }
        drop(line);
        self.shared.arrived.notify_one();
        dropped.iter().flat_map(|done| &done.chunks).for_each(|clean| (self.shared.on_drop)(clean));
        Ok(())
    }
}

impl Waiting {
    /// The oldest chunk, or what was dropped, waiting for it at most this long.
    ///
    /// # Errors
    /// When nothing came in time, or nothing will ever come.
    pub fn recv_timeout(&self, patience: Duration) -> Result<Arrived, RecvTimeoutError> {
        let until = Instant::now() + patience;
        let mut line = self.shared.lock();
        loop {
            if let Some(arrived) = line.take() {
                self.shared.room.notify_one();
                return Ok(arrived);
            }
            if line.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            (line, _) = self.shared.arrived.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was dropped since this was asked last, when anything was.
    pub fn missed(&self) -> Option<Missed> {
        self.shared.lock().missed.take()
    }

    /// Everything that comes, to the end.
    pub fn rest(&self) -> impl Iterator<Item = Arrived> + '_ {
        const LONG: Duration = Duration::from_secs(3600);
        std::iter::from_fn(|| {
            loop {
                match self.recv_timeout(LONG) {
                    Ok(arrived) => return Some(arrived),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        })
    }
}

impl Missed {
    fn take(&mut self) -> Option<Self> {
        (self.chunks > 0).then(|| std::mem::take(self))
    }
}

impl Line {
    fn number(&mut self) -> Result<u64, Gone> {
        if self.gone {
            return Err(Gone);
        }
        self.next += 1;
        Ok(self.next)
    }

    /// What was dropped came before everything that is still there.
    fn take(&mut self) -> Option<Arrived> {
        if let Some(missed) = self.missed.take() {
            return Some(Arrived::Missed(Box::new(missed)));
        }
        let number = |queue: &VecDeque<(u64, Done)>| queue.front().map_or(u64::MAX, |(number, _)| *number);
        if number(&self.patient) < number(&self.live) {
            return self.patient.pop_front().map(|(_, done)| Arrived::Done(Box::new(done)));
        }
        let (_, done) = self.live.pop_front()?;
        self.live_bytes -= weight(&done);
        Some(Arrived::Done(Box::new(done)))
    }
}

/// About what chunks hold in memory.
fn weight(done: &Done) -> usize {
    let text = |chunks: &[Clean]| chunks.iter().map(|clean| clean.redacted.bytes().len()).sum::<usize>();
    text(&done.chunks) + OVERHEAD * (1 + done.tally.keys.len())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Outbound {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
        self.shared.arrived.notify_one();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.lock().gone = true;
        self.shared.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::line::{Ack, SourceId};
    use crate::redact::{PseudonymKey, Redacted, Redactor};
    use crate::units::Timestamp;

    const PATIENT: SourceId = SourceId(0);
    const LIVE: SourceId = SourceId(1);

    fn chunk(source: SourceId, offset: u64, size: usize) -> Done {
        let mut redacted = Redacted::default();
        let text = format!("{}\n", "a ".repeat(size / 2));
        Redactor::new(PseudonymKey::new(0, b"k")).worker().redact(text.as_bytes(), &mut redacted);
        let ack = Ack { source, offset, ..Ack::default() };
        let tally = Tally { events: 1, ..Tally::default() };
        Done { chunks: vec![Clean { ack, arrived: Timestamp(0), read: size, redacted, events: 1 }], tally }
    }

    fn offset(arrived: Option<Arrived>) -> Option<(u16, u64)> {
        match arrived? {
            Arrived::Done(done) => Some((done.chunks[0].ack.source.0, done.chunks[0].ack.offset)),
            Arrived::Missed(missed) => panic!("{} chunks were missed", missed.chunks),
        }
    }

    #[test]
    fn the_oldest_live_chunks_go_and_all_others_keep_their_order() {
        let lines = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lines);
        let (out, waiting) = waiting(Box::new(move |clean: &Clean| {
            assert_eq!(clean.ack.source, LIVE);
            count.fetch_add(clean.redacted.line_count() as u64, Ordering::Relaxed);
        }));
        assert!(out.send(chunk(PATIENT, 1, 10)).is_ok());
        for n in 0..20 {
            assert!(out.send_live(chunk(LIVE, n, 1 << 20)).is_ok());
        }
        assert!(out.send(chunk(PATIENT, 2, 10)).is_ok());
        assert!(out.send_live(chunk(LIVE, 20, 10)).is_ok());
        drop(out);
        let Some(Arrived::Missed(missed)) = waiting.rest().next() else { panic!("nothing was missed") };
        assert_eq!((missed.chunks, missed.tally.events, lines.load(Ordering::Relaxed)), (5, 5, 5));
        assert!(waiting.missed().is_none());
        let rest: Vec<_> = waiting.rest().map(|arrived| offset(Some(arrived))).collect();
        let live = (5..20).map(|n| Some((1, n)));
        let want: Vec<_> = [Some((0, 1))].into_iter().chain(live).chain([Some((0, 2)), Some((1, 20))]).collect();
        assert_eq!(rest, want);
        assert_eq!(waiting.shared.lock().live_bytes, 0);
    }

    #[test]
    fn one_chunk_that_is_larger_than_everything_still_goes() {
        let (out, waiting) = waiting(Box::new(|_| {}));
        assert!(out.send_live(chunk(LIVE, 1, 10)).is_ok());
        assert!(out.send_live(chunk(LIVE, 2, MOST + 2)).is_ok());
        drop(out);
        let Some(Arrived::Missed(missed)) = waiting.rest().next() else { panic!("nothing was missed") };
        assert_eq!(missed.chunks, 1);
        assert_eq!(offset(waiting.rest().next()), Some((1, 2)));
        assert!(waiting.rest().next().is_none());
    }

    #[test]
    fn who_waits_is_let_go_when_there_is_room_or_nobody_left() {
        let (out, waiting) = waiting(Box::new(|_| {}));
        for n in 0..QUEUE as u64 {
            assert!(out.send(chunk(PATIENT, n, 10)).is_ok());
        }
        let sender = std::thread::spawn(move || {
            let first = out.send(chunk(PATIENT, 90, 10)).is_ok();
            // from here on nobody takes anything
            let rest = (91..).take_while(|n| out.send(chunk(PATIENT, *n, 10)).is_ok()).count();
            (first, rest, out.send_live(chunk(LIVE, 0, 10)).is_ok())
        });
        assert_eq!(offset(waiting.rest().next()), Some((0, 0)));
        while !waiting.shared.lock().patient.iter().any(|(_, done)| done.chunks[0].ack.offset == 90) {
            std::thread::yield_now();
        }
        drop(waiting);
        assert_eq!(sender.join().unwrap(), (true, 0, false));
    }
}
