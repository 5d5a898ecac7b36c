//! The thread that makes things durable: outputs first, then one transaction in the store.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::alert::Alert;
use crate::line::Ack;
use crate::store::{Checkpoint, Commit, OutboxRow, OutputMark, Store, StoreError, StreamKey};
use crate::units::Timestamp;

/// How long until a commit that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Everything of one moment that is to become true together.
#[derive(Default)]
pub(super) struct Moment {
    pub syncs: Vec<Arc<File>>,
    pub outputs: Vec<(String, OutputMark)>,
    pub checkpoints: Vec<(StreamKey, Checkpoint)>,
    pub forget: Vec<StreamKey>,
    pub key_state: Vec<(String, Vec<u8>)>,
    pub alerts: Vec<Alert>,
    pub outbox: Vec<OutboxRow>,
    /// What senders wait for.
    pub answers: Vec<Ack>,
    pub now: Timestamp,
}

impl Moment {
    /// Whether there is anything to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
            && self.checkpoints.is_empty()
            && self.forget.is_empty()
            && self.key_state.is_empty()
            && self.alerts.is_empty()
            && self.outbox.is_empty()
            && self.answers.is_empty()
    }

    /// Makes it durable.
    fn commit(&self, store: &Store) -> Result<(), CommitError> {
        for file in &self.syncs {
            file.sync_data().map_err(CommitError::Sync)?;
        }
        let commit = Commit {
            checkpoints: &self.checkpoints,
            forget: &self.forget,
            outputs: &self.outputs,
            key_state: &self.key_state,
            alerts: &self.alerts,
            outbox: &self.outbox,
            now: self.now,
        };
        store.commit(&commit).map_err(CommitError::Store)
    }
}

/// Why a moment could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// What is lost from the page cache cannot be synced again: only a restart from the last commit is safe.
    #[error("an output could not be made durable: {0}; it is written anew from the last commit")]
    Sync(io::Error),
    /// The transaction.
    #[error(transparent)]
    Store(StoreError),
}

/// How long nothing could be committed, and why.
type Outage = (Duration, String);

/// The committer's thread; takes one moment at a time.
pub(super) struct Committer {
    moments: Option<SyncSender<Moment>>,
    busy: Arc<AtomicBool>,
    outage: Arc<Mutex<Option<Outage>>>,
    thread: Option<JoinHandle<Result<(), CommitError>>>,
}

impl Committer {
    /// Starts the thread. `committed` is called after each commit with what it made durable.
    pub(super) fn start(
        store: Arc<Store>,
        hurry: Arc<AtomicBool>,
        committed: impl Fn(&Moment) + Send + 'static,
    ) -> io::Result<Self> {
        let (moments, queue) = sync_channel::<Moment>(1);
        let busy = Arc::new(AtomicBool::new(false));
        let shared = Shared { hurry, busy: Arc::clone(&busy), outage: Arc::default() };
        let outage = Arc::clone(&shared.outage);
        let thread = std::thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || work(&queue, &store, &shared, &committed))?;
        Ok(Self { moments: Some(moments), busy, outage, thread: Some(thread) })
    }

    /// Whether the last moment is still being made durable.
    pub(super) fn busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Whether the thread has given up.
    pub(super) fn failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What had kept it from committing for a while, now that it is over.
    pub(super) fn take_outage(&self) -> Option<Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands a moment over.
    pub(super) fn commit(&self, moment: Moment) {
        self.busy.store(true, Ordering::Release);
        if let Some(moments) = &self.moments {
            // a thread that has given up is noticed by `failed`
            let _given_up = moments.send(moment);
        }
    }

    /// Waits until everything handed over is durable.
    pub(super) fn finish(&mut self) -> Result<(), CommitError> {
        self.moments = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(CommitError::Sync(io::Error::other("the committing thread has died"))),
            None => Ok(()),
        }
    }
}

/// What both sides see.
struct Shared {
    hurry: Arc<AtomicBool>,
    busy: Arc<AtomicBool>,
    outage: Arc<Mutex<Option<Outage>>>,
}

fn work(
    queue: &Receiver<Moment>,
    store: &Store,
    shared: &Shared,
    committed: &dyn Fn(&Moment),
) -> Result<(), CommitError> {
    for moment in queue {
        let mut failing: Option<(Instant, String)> = None;
        loop {
            match moment.commit(store) {
                Ok(()) => break,
                // nothing has changed then, and the same commit may be tried again
                Err(CommitError::Store(error)) if !shared.hurry.load(Ordering::Relaxed) && may_pass(&error) => {
                    if failing.is_none() {
                        tracing::error!("cannot commit: {error}; trying again");
                        failing = Some((Instant::now(), error.to_string()));
                    }
                    std::thread::sleep(AGAIN);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((since, why)) = failing {
            let took = since.elapsed();
            tracing::warn!("committing works again after {} s; nothing was lost", took.as_secs());
            *shared.outage.lock().unwrap_or_else(PoisonError::into_inner) = Some((took, why));
        }
        committed(&moment);
        shared.busy.store(false, Ordering::Release);
    }
    Ok(())
}

/// Whether the reason may go away by itself.
fn may_pass(error: &StoreError) -> bool {
    !matches!(error, StoreError::Damaged(_) | StoreError::Encode(_))
}
