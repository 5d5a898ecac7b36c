//! Where received lines enter: one stream for each client, in the order in which they came.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, mpsc, oneshot};

use super::receipts::Receipts;
use crate::line::{Ack, Batch, SourceId};
use crate::sources::shapes::Part;
use crate::units::Timestamp;

/// Clients whose stream is remembered while they are not connected; what redaction knows about a stream goes with it.
const REMEMBERED: usize = 1024;

/// The way from one source into the service. Cloned handles lead to the same place.
#[derive(Clone)]
pub struct Inlet {
    shared: Arc<Shared>,
}

struct Shared {
    source: SourceId,
    batches: mpsc::Sender<Batch>,
    receipts: Receipts,
    clock: fn() -> Timestamp,
    next: AtomicU64,
    clients: std::sync::Mutex<HashMap<IpAddr, Client>>,
}

struct Client {
    stream: Arc<Stream>,
    seen: Timestamp,
}

/// The lines of one client, one batch after the other.
pub(super) struct Stream {
    number: u64,
    /// How far it has come; held while a batch is handed in, so that batches keep the order of their offsets.
    sent: Mutex<u64>,
}

/// Nobody takes lines any more.
#[derive(Debug)]
pub(super) struct Closed;

impl Inlet {
    /// Batches of `source` go to `batches`; `clock` stamps their arrival.
    pub fn new(source: SourceId, batches: mpsc::Sender<Batch>, receipts: Receipts, clock: fn() -> Timestamp) -> Self {
        let (next, clients) = (AtomicU64::new(0), std::sync::Mutex::default());
        Self { shared: Arc::new(Shared { source, batches, receipts, clock, next, clients }) }
    }

    /// A stream that nobody else writes to.
    pub(super) fn stream(&self) -> Arc<Stream> {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Stream { number, sent: Mutex::new(0) })
    }

    /// The stream of the client at `address`; all its connections share it.
    pub(super) async fn stream_of(&self, address: IpAddr) -> Arc<Stream> {
        let now = (self.shared.clock)();
        let (stream, forgotten) = {
            let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let forgotten = if clients.len() >= REMEMBERED && !clients.contains_key(&address) {
                let idle = clients.iter().filter(|(_, c)| Arc::strong_count(&c.stream) == 1);
                let oldest = idle.min_by_key(|(_, c)| c.seen).map(|(address, _)| *address);
                oldest.and_then(|address| clients.remove(&address))
            } else {
                None
            };
            let client = clients.entry(address).or_insert_with(|| Client { stream: self.stream(), seen: now });
            client.seen = now;
            (Arc::clone(&client.stream), forgotten)
        };
        if let Some(client) = forgotten {
            self.end(&client.stream).await;
        }
        stream
    }

    /// Hands `parts` in, in order, waiting while the service is behind. What comes back is told when they are committed.
    pub(super) async fn send(&self, stream: &Stream, parts: Vec<Part>) -> Result<oneshot::Receiver<()>, Closed> {
        let mut sent = stream.sent.lock().await;
        let end = *sent + parts.iter().map(|part| part.bytes.len().max(1) as u64).sum::<u64>();
        let told = self.shared.receipts.wait(self.shared.source, stream.number, end);
        for part in parts {
            *sent += part.bytes.len().max(1) as u64;
            self.put(stream.number, *sent, part, false).await?;
        }
        Ok(told)
    }

    /// Nothing more will come on `stream`.
    pub(super) async fn end(&self, stream: &Stream) {
        let sent = stream.sent.lock().await;
        // at the end of the service there is nobody to tell
        let _ended_anyway = self.put(stream.number, *sent, Part::default(), true).await;
    }

    async fn put(&self, stream: u64, offset: u64, part: Part, last: bool) -> Result<(), Closed> {
        let ack = Ack { source: self.shared.source, stream, offset, anchor: [0; 16] };
        let Part { bytes, withheld } = part;
        let batch = Batch { ack, arrived: (self.shared.clock)(), bytes, withheld, last };
        self.shared.batches.send(batch).await.map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Part {
        Part { bytes: text.as_bytes().to_vec(), withheld: None }
    }

    #[tokio::test]
    async fn a_client_keeps_its_stream_and_its_order() {
        let (batches, mut queue) = mpsc::channel(100);
        let receipts = Receipts::default();
        let inlet = Inlet::new(SourceId(3), batches, receipts.clone(), || Timestamp(5));
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let stream = inlet.stream_of(a).await;
        let mut told = inlet.send(&stream, vec![part("one\n"), part("two\n")]).await.unwrap();
        assert_eq!(inlet.stream_of(a).await.number, stream.number);
        assert_ne!(inlet.stream_of(b).await.number, stream.number);
        let first = queue.recv().await.unwrap();
        let second = queue.recv().await.unwrap();
        assert_eq!((first.ack.offset, second.ack.offset), (4, 8));
        receipts.settle(&first.ack);
        assert!(told.try_recv().is_err());
        receipts.settle(&second.ack);
        assert_eq!(told.try_recv(), Ok(()));
    }

    #[tokio::test]
    async fn clients_that_are_gone_are_forgotten_and_their_streams_ended() {
        let (batches, mut queue) = mpsc::channel(100);
        let inlet = Inlet::new(SourceId(0), batches, Receipts::default(), || Timestamp(5));
        for n in 0..REMEMBERED as u32 + 10 {
            inlet.stream_of(IpAddr::from(n.to_be_bytes())).await;
        }
        assert_eq!(inlet.shared.clients.lock().unwrap().len(), REMEMBERED);
        for _ in 0..10 {
            assert!(queue.try_recv().unwrap().last);
        }
        assert!(queue.try_recv().is_err());
    }
}
