//! Who waits until what they sent is committed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::line::{Ack, SourceId};

/// Waiting senders, by stream and place in it. Shared between the receivers and the committer.
#[derive(Clone, Default)]
pub struct Receipts {
    waiting: Arc<Mutex<Waiting>>,
}

type Waiting = HashMap<(SourceId, u64), BTreeMap<u64, oneshot::Sender<()>>>;

impl Receipts {
    /// What is told when everything of `stream` before `offset` is committed.
    pub(super) fn wait(&self, source: SourceId, stream: u64, offset: u64) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.lock().entry((source, stream)).or_default().insert(offset, tell);
        told
    }

    /// Everything that `ack` speaks of is committed.
    pub fn settle(&self, ack: &Ack) {
        let mut waiting = self.lock();
        let Some(stream) = waiting.get_mut(&(ack.source, ack.stream)) else { return };
        let later = stream.split_off(&(ack.offset + 1));
        for tell in std::mem::replace(stream, later).into_values() {
            // one that has given up waiting needs no word
            let _gone = tell.send(());
        }
        if stream.is_empty() {
            waiting.remove(&(ack.source, ack.stream));
        }
    }

    /// Nothing more will be committed: whoever waits is told so.
    pub fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_told_and_nothing_else() {
        let receipts = Receipts::default();
        let source = SourceId(1);
        let mut told: Vec<_> = [10, 20, 30].map(|at| receipts.wait(source, 7, at)).into();
        let mut other = receipts.wait(source, 8, 5);
        receipts.settle(&Ack { source, stream: 7, offset: 20, ..Ack::default() });
        let state: Vec<_> = told.iter_mut().map(oneshot::Receiver::try_recv).collect();
        assert_eq!(state, [Ok(()), Ok(()), Err(oneshot::error::TryRecvError::Empty)]);
        receipts.settle(&Ack { source, stream: 7, offset: 30, ..Ack::default() });
        assert_eq!(told[2].try_recv(), Ok(()));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        receipts.close();
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(receipts.lock().is_empty());
    }
}
