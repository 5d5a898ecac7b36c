//! The threads between sources and sinks: batches in, redacted chunks out, the order of each stream kept.
//!
//! Each worker is two threads: one redacts, the next reads what was redacted as events. A stream keeps to one worker, so
//! that a single file too is worked on by both.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::chunk::{Chunk, Teller};
use super::waiting::{OnDrop, Waiting, waiting};
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::redact::Redacted;
use crate::units::Timestamp;
use crate::window::Tally;

/// How many batches may wait before each worker, and how many redacted ones behind all of them.
pub(super) const QUEUE: usize = 4;

/// How many redacted chunks may wait to be read as events.
const HANDS: usize = 2;

/// Chunks that are counted together where the next ones wait already: what is counted together need not be added up.
const TOGETHER: usize = 8;

/// They do not wait for each other longer than this.
const SHORTLY: Duration = Duration::from_millis(10);

/// Redacted chunks on their way to the sinks: as many as were counted together. They are committed together, or not.
#[derive(Default)]
pub struct Done {
    /// The chunks, in order.
    pub chunks: Vec<Clean>,
    /// What their lines say about keys.
    pub tally: Tally,
}

/// One redacted chunk.
pub struct Clean {
    /// What is done once this is written.
    pub ack: Ack,
    /// When its bytes arrived.
    pub arrived: Timestamp,
    /// How many bytes were read.
    pub read: usize,
    /// What is to be written.
    pub redacted: Redacted,
    /// How many events its lines are.
    pub events: u64,
}

/// Where batches go in. The corridor ends when the last clone of this is dropped.
#[derive(Clone)]
pub struct Entrance {
    workers: Arc<[SyncSender<Batch>]>,
    /// The worker of streams that never wait.
    live: Option<SyncSender<Batch>>,
    /// By source number: whether its streams never wait.
    never_wait: Arc<[bool]>,
    entered: Arc<AtomicU64>,
}

impl Entrance {
    /// Hands a batch in, waiting while the corridor is full; `false` when there is nobody left to take it. All batches
    /// of one stream go through one worker.
    pub fn send(&self, batch: Batch) -> bool {
        self.entered.fetch_add(1, Ordering::Relaxed);
        if let Some(live) = &self.live
            && self.never_wait.get(usize::from(batch.ack.source.0)).copied().unwrap_or(false)
        {
            return live.send(batch).is_ok();
        }
        let lane = (u64::from(batch.ack.source.0) + batch.ack.stream) % self.workers.len() as u64;
        self.workers[lane as usize].send(batch).is_ok()
    }

    /// How many batches were handed in so far; each comes out once.
    pub fn entered(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.entered)
    }
}

/// Used buffers of both kinds.
#[derive(Clone)]
pub struct Pools {
    /// For what is read.
    pub raw: Pool<Vec<u8>>,
    /// For what is written.
    pub redacted: Pool<Redacted>,
}

impl Pools {
    /// Empty pools for this many workers.
    pub fn new(workers: usize) -> Self {
        let most = (2 * QUEUE + TOGETHER) * (workers + 1);
        Self { raw: Pool::new(most), redacted: Pool::new(most) }
    }
}

/// Sources whose senders never wait when the output is slow: the oldest of their redacted chunks are dropped instead.
pub struct Live {
    /// By source number: whether it is one.
    pub sources: Vec<bool>,
    /// Is told of each chunk that is dropped.
    pub on_drop: Box<OnDrop>,
}

/// Starts `workers` threads (at least one), and one more for `live` sources when there are any, so that a thread that
/// waits is in nobody's way. `chunk` makes the hot path of a stream of the given source.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(
    workers: usize,
    chunk: impl Fn(SourceId) -> Chunk + Send + Sync + 'static,
    pools: &Pools,
    live: Live,
) -> io::Result<(Entrance, Waiting)> {
    let (out, done) = waiting(live.on_drop);
    let chunk: Arc<Maker> = Arc::new(chunk);
    let spawn = |name: &str, never_wait: bool| {
        let (entrance, batches) = sync_channel(QUEUE);
        let (told, redacted) = sync_channel(HANDS);
        let (out, pools, chunk) = (out.clone(), pools.clone(), Arc::clone(&chunk));
        let redact = move || redact(&batches, &told, &pools, &*chunk, never_wait);
        std::thread::Builder::new().name(format!("redact-{name}")).spawn(redact)?;
        let tell =
            move || tell(&redacted, |done| if never_wait { out.send_live(done) } else { out.send(done) }.is_ok());
        std::thread::Builder::new().name(format!("events-{name}")).spawn(tell)?;
        Ok::<_, io::Error>(entrance)
    };
    let workers = (0..workers.max(1)).map(|n| spawn(&n.to_string(), false)).collect::<io::Result<Vec<_>>>()?;
    let any = live.sources.contains(&true);
    let live_worker = any.then(|| spawn("live", true)).transpose()?;
    let (workers, never_wait) = (workers.into(), live.sources.into());
    Ok((Entrance { workers, live: live_worker, never_wait, entered: Arc::default() }, done))
}

type Maker = dyn Fn(SourceId) -> Chunk + Send + Sync;

/// A redacted chunk whose lines were not read as events yet.
struct Handed {
    clean: Clean,
    /// What reads the lines of its stream, with the first chunk.
    teller: Option<Teller>,
    /// Nothing follows on its stream.
    last: bool,
    /// The next chunk is being redacted.
    more: bool,
}

/// `live`: chunks that may have to wait in large numbers are as small as their lines, so their buffers do not go round,
/// and each goes by itself.
fn redact(batches: &Receiver<Batch>, told: &SyncSender<Handed>, pools: &Pools, make: &Maker, live: bool) {
    let mut streams: HashMap<(SourceId, u64), Chunk> = HashMap::new();
    let mut next = None;
    while let Some(batch) = next.take().or_else(|| batches.recv().ok()) {
        let Batch { ack, arrived, mut bytes, withheld, last } = batch;
        let mut redacted = if live { Redacted::default() } else { pools.redacted.take() };
        let key = (ack.source, ack.stream);
        let mut teller = None;
        let chunk = streams.entry(key).or_insert_with(|| {
            let mut chunk = make(ack.source);
            teller = chunk.take_teller();
            chunk
        });
        chunk.redact(&bytes, withheld, &mut redacted);
        if last {
            streams.remove(&key);
        }
        let read = bytes.len();
        bytes.clear();
        pools.raw.give(bytes);
        if !live {
            next = batches.try_recv().ok();
        }
        let clean = Clean { ack, arrived, read, redacted, events: 0 };
        if told.send(Handed { clean, teller, last, more: next.is_some() }).is_err() {
            return;
        }
    }
}

/// Reads redacted chunks as events, stream by stream.
fn tell(chunks: &Receiver<Handed>, send: impl Fn(Done) -> bool) {
    let mut streams: HashMap<(SourceId, u64), Teller> = HashMap::new();
    let (mut done, mut since) = (Done::default(), Instant::now());
    for Handed { mut clean, teller, last, more } in chunks {
        let key = (clean.ack.source, clean.ack.stream);
        if done.chunks.is_empty() {
            since = Instant::now();
        }
        if let Some(teller) = teller {
            streams.insert(key, teller);
        }
        if let Some(teller) = streams.get_mut(&key) {
            let before = done.tally.events;
            teller.tally(&clean.redacted, clean.arrived, &mut done.tally);
            clean.events = done.tally.events - before;
        }
        if last {
            streams.remove(&key);
        }
        done.chunks.push(clean);
        let enough = !more || done.chunks.len() == TOGETHER || since.elapsed() >= SHORTLY;
        if enough && !send(std::mem::take(&mut done)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Arrived;
    use crate::redact::{PseudonymKey, Redactor};

    #[test]
    fn each_stream_keeps_its_order() {
        let redactor = Redactor::new(PseudonymKey::random().unwrap());
        let pools = Pools::new(3);
        let live = Live { sources: Vec::new(), on_drop: Box::new(|_| {}) };
        let (entrance, done) = start(3, move |_| Chunk::new(&redactor, false), &pools, live).unwrap();
        let feeder = std::thread::spawn(move || {
            for n in 0..500u64 {
                let ack = Ack { stream: n % 5, offset: n, ..Ack::default() };
                let bytes = format!("stream {} line {n}\n", n % 5).into_bytes();
                let batch = Batch { ack, arrived: Timestamp(0), bytes, withheld: None, last: n >= 495 };
                assert!(entrance.send(batch));
            }
        });
        let mut seen = [None; 5];
        let mut count = 0;
        for chunk in done.rest() {
            let Arrived::Done(done) = chunk else { panic!("something was dropped") };
            assert!((1..=TOGETHER).contains(&done.chunks.len()));
            for clean in done.chunks {
                let last: &mut Option<u64> = &mut seen[clean.ack.stream as usize];
                assert!(last.is_none_or(|last| last < clean.ack.offset));
                *last = Some(clean.ack.offset);
                let want = format!("stream {} line {}\n", clean.ack.stream, clean.ack.offset);
                assert_eq!(clean.redacted.bytes(), want.as_bytes());
                count += 1;
            }
        }
        feeder.join().unwrap();
        assert_eq!(count, 500);
    }
}
