//! The threads between sources and sinks: batches in, redacted chunks out, the order of each stream kept.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::chunk::Chunk;
use super::waiting::{OnDrop, Outbound, Waiting, waiting};
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::redact::Redacted;
use crate::units::Timestamp;
use crate::window::Tally;

/// How many batches may wait before each worker, and how many redacted ones behind all of them.
pub(super) const QUEUE: usize = 4;

/// A redacted chunk on its way to the sinks.
pub struct Done {
    /// What is done once this is written.
    pub ack: Ack,
    /// When its bytes arrived.
    pub arrived: Timestamp,
    /// How many bytes were read.
    pub read: usize,
    /// What is to be written.
    pub redacted: Redacted,
    /// What its lines say about keys.
    pub tally: Tally,
    /// Nothing follows on this stream.
    pub last: bool,
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
        let most = 2 * QUEUE * (workers + 1);
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
    let spawn = |name: String, work: fn(&Receiver<Batch>, &Outbound, &Pools, &Maker)| {
        let (entrance, batches) = sync_channel(QUEUE);
        let (out, pools, chunk) = (out.clone(), pools.clone(), Arc::clone(&chunk));
        std::thread::Builder::new().name(name).spawn(move || work(&batches, &out, &pools, &*chunk))?;
        Ok::<_, io::Error>(entrance)
    };
    let workers = (0..workers.max(1)).map(|n| spawn(format!("redact-{n}"), work)).collect::<io::Result<Vec<_>>>()?;
    let any = live.sources.contains(&true);
    let live_worker = any.then(|| spawn("redact-live".to_owned(), work_live)).transpose()?;
    let (workers, never_wait) = (workers.into(), live.sources.into());
    Ok((Entrance { workers, live: live_worker, never_wait, entered: Arc::default() }, done))
}

type Maker = dyn Fn(SourceId) -> Chunk + Send + Sync;

fn work(batches: &Receiver<Batch>, out: &Outbound, pools: &Pools, make: &Maker) {
    each(batches, pools, make, || pools.redacted.take(), |done| out.send(done).is_ok());
}

/// Chunks that may have to wait in large numbers are as small as their lines: their buffers do not go round.
fn work_live(batches: &Receiver<Batch>, out: &Outbound, pools: &Pools, make: &Maker) {
    each(batches, pools, make, Redacted::default, |done| out.send_live(done).is_ok());
}

fn each(
    batches: &Receiver<Batch>,
    pools: &Pools,
    make: &Maker,
    buffer: impl Fn() -> Redacted,
    send: impl Fn(Done) -> bool,
) {
    let mut streams: HashMap<(SourceId, u64), Chunk> = HashMap::new();
    for batch in batches {
        let Batch { ack, arrived, mut bytes, withheld, last } = batch;
        let key = (ack.source, ack.stream);
        let mut redacted = buffer();
        let chunk = streams.entry(key).or_insert_with(|| make(ack.source));
        chunk.redact(&bytes, withheld, &mut redacted);
        let mut tally = Tally::default();
        chunk.tally(&redacted, arrived, &mut tally);
        if last {
            streams.remove(&key);
        }
        let read = bytes.len();
        bytes.clear();
        pools.raw.give(bytes);
        if !send(Done { ack, arrived, read, redacted, tally, last }) {
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
            let Arrived::Done(chunk) = chunk else { panic!("something was dropped") };
            let last: &mut Option<u64> = &mut seen[chunk.ack.stream as usize];
            assert!(last.is_none_or(|last| last < chunk.ack.offset));
            *last = Some(chunk.ack.offset);
            let want = format!("stream {} line {}\n", chunk.ack.stream, chunk.ack.offset);
            assert_eq!(chunk.redacted.bytes(), want.as_bytes());
            count += 1;
        }
        feeder.join().unwrap();
        assert_eq!(count, 500);
    }
}
