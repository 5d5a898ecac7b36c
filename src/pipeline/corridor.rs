//! The threads between sources and sinks: batches in, redacted chunks out, the order of each stream kept.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::chunk::Chunk;
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::redact::Redacted;
use crate::units::Timestamp;
use crate::window::Tally;

/// How many batches may wait before each worker, and how many redacted ones behind all of them.
const QUEUE: usize = 4;

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
    entered: Arc<AtomicU64>,
}

impl Entrance {
    /// Hands a batch in, waiting while the corridor is full; `false` when there is nobody left to take it. All batches
    /// of one stream go through one worker.
    pub fn send(&self, batch: Batch) -> bool {
        let lane = (u64::from(batch.ack.source.0) + batch.ack.stream) % self.workers.len() as u64;
        self.entered.fetch_add(1, Ordering::Relaxed);
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

/// Starts `workers` threads (at least one). `chunk` makes the hot path of a stream of the given source.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(
    workers: usize,
    chunk: impl Fn(SourceId) -> Chunk + Send + Sync + 'static,
    pools: &Pools,
) -> io::Result<(Entrance, Receiver<Done>)> {
    let (out, done) = sync_channel(QUEUE);
    let chunk: Arc<Maker> = Arc::new(chunk);
    let mut entrances = Vec::new();
    for n in 0..workers.max(1) {
        let (entrance, batches) = sync_channel(QUEUE);
        let (out, pools, chunk) = (out.clone(), pools.clone(), Arc::clone(&chunk));
        let name = format!("redact-{n}");
        std::thread::Builder::new().name(name).spawn(move || work(&batches, &out, &pools, &*chunk))?;
        entrances.push(entrance);
    }
    Ok((Entrance { workers: entrances.into(), entered: Arc::default() }, done))
}

type Maker = dyn Fn(SourceId) -> Chunk + Send + Sync;

fn work(batches: &Receiver<Batch>, out: &SyncSender<Done>, pools: &Pools, make: &Maker) {
    let mut streams: HashMap<(SourceId, u64), Chunk> = HashMap::new();
    for batch in batches {
        let Batch { ack, arrived, mut bytes, withheld, last } = batch;
        let key = (ack.source, ack.stream);
        let mut redacted = pools.redacted.take();
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
        if out.send(Done { ack, arrived, read, redacted, tally, last }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    #[test]
    fn each_stream_keeps_its_order() {
        let redactor = Redactor::new(PseudonymKey::random().unwrap());
        let pools = Pools::new(3);
        let (entrance, done) = start(3, move |_| Chunk::new(&redactor, false), &pools).unwrap();
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
        for chunk in done {
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
