//! What each stream of the sources that can be read again is, for the one who writes checkpoints.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::line::{Ack, SourceId};
use crate::store::Checkpoint;

/// The identities of all streams, shared between the sources and the committer.
///
/// A source writes what a stream's file is; the committer adds how far the stream is safely written.
#[derive(Clone, Default)]
pub struct Positions {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    known: BTreeMap<(SourceId, u64), Known>,
    changed: BTreeSet<(SourceId, u64)>,
    forgotten: BTreeSet<(SourceId, u64)>,
}

struct Known {
    /// What to call a place, for streams that are found again by a name and not by an offset.
    names: VecDeque<(u64, String)>,
    /// Identity, and offset and anchor as last confirmed.
    at: Checkpoint,
    /// Where the stream ends, once that is known.
    end: Option<u64>,
}

impl Positions {
    /// A stream as it was read from the store.
    pub fn restore(&self, source: SourceId, stream: u64, at: Checkpoint) {
        self.lock().known.insert((source, stream), Known { names: VecDeque::new(), at, end: None });
    }

    /// Says what the file of a stream is; offset, anchor and `finished` of `identity` count only for a new stream.
    pub(super) fn identify(&self, source: SourceId, stream: u64, identity: &Checkpoint) {
        let mut shared = self.lock();
        shared.changed.insert((source, stream));
        match shared.known.get_mut(&(source, stream)) {
            Some(known) => {
                let old = std::mem::replace(&mut known.at, identity.clone());
                known.at.offset = old.offset;
                known.at.anchor_hash = old.anchor_hash;
                known.at.finished = false;
                known.end = None;
            }
            None => {
                shared
                    .known
                    .insert((source, stream), Known { names: VecDeque::new(), at: identity.clone(), end: None });
            }
        }
    }

    /// Says that a stream ends at `end`.
    pub(super) fn finish(&self, source: SourceId, stream: u64, end: u64) {
        let mut shared = self.lock();
        if let Some(known) = shared.known.get_mut(&(source, stream)) {
            known.end = Some(end);
            shared.changed.insert((source, stream));
        }
    }

    /// Says what the place `offset` of a stream is called; once it is confirmed, the checkpoint holds the name as its path.
    pub(super) fn name(&self, source: SourceId, stream: u64, offset: u64, name: String) {
        let mut shared = self.lock();
        if let Some(known) = shared.known.get_mut(&(source, stream)) {
            known.names.push_back((offset, name));
        }
    }

    /// Says that a stream will never be met again.
    pub(super) fn forget(&self, source: SourceId, stream: u64) {
        let mut shared = self.lock();
        if shared.known.remove(&(source, stream)).is_some() {
            shared.changed.remove(&(source, stream));
            shared.forgotten.insert((source, stream));
        }
    }

    /// Everything of `ack` is written: the next [`Positions::changed`] holds it.
    pub fn confirm(&self, ack: Ack) {
        let mut shared = self.lock();
        if let Some(known) = shared.known.get_mut(&(ack.source, ack.stream)) {
            known.at.offset = ack.offset;
            known.at.anchor_hash = ack.anchor;
            while known.names.front().is_some_and(|(at, _)| *at <= ack.offset) {
                known.at.path = known.names.pop_front().map(|(_, name)| name).unwrap_or_default();
            }
            shared.changed.insert((ack.source, ack.stream));
        }
    }

    /// The checkpoints that changed since the last call, and the streams to forget.
    pub fn changed(&self) -> Changed {
        let mut shared = self.lock();
        let keys = std::mem::take(&mut shared.changed);
        let forgotten = std::mem::take(&mut shared.forgotten).into_iter().collect();
        let mut checkpoints = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(known) = shared.known.get_mut(&key) {
                known.at.finished = known.end == Some(known.at.offset);
                checkpoints.push((key, known.at.clone()));
            }
        }
        Changed { checkpoints, forgotten }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a commit has to write about positions.
#[derive(Default)]
pub struct Changed {
    /// New positions.
    pub checkpoints: Vec<((SourceId, u64), Checkpoint)>,
    /// Streams that will never be read again.
    pub forgotten: Vec<(SourceId, u64)>,
}
