//! A hint that something has happened. Never relied on: whoever waits looks once a second anyway.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A file may have grown.
    Data,
    /// A file may have come, gone or been renamed; also when the time was up.
    Names,
}

/// Watches directories for changes.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    data: Receiver<()>,
    names: Receiver<()>,
    wake: SyncSender<()>,
}

impl Watch {
    /// A watch on nothing yet. Where the system offers none, waiting simply takes its full time.
    pub fn new() -> Self {
        let (wake, data) = sync_channel(1);
        let (names_seen, names) = sync_channel(1);
        let on_data = wake.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let kind = match event {
                Ok(event) => event.kind,
                // lost events: look at everything
                Err(_) => EventKind::Any,
            };
            if matches!(kind, EventKind::Access(_)) {
                return;
            }
            if !matches!(kind, EventKind::Modify(ModifyKind::Data(_))) {
                let _already_told = names_seen.try_send(());
            }
            let _already_told = on_data.try_send(());
        });
        if let Err(error) = &watcher {
            tracing::info!("no change notification ({error}); files are looked at once a second");
        }
        Self { watcher: watcher.ok(), watched: BTreeSet::new(), data, names, wake }
    }

    /// Watches exactly these directories from now on.
    pub fn set(&mut self, dirs: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&dirs) {
            let _gone_anyway = watcher.unwatch(gone);
        }
        // one that cannot be watched is tried again next time
        self.watched = dirs
            .into_iter()
            .filter(|dir| self.watched.contains(dir) || watcher.watch(dir, RecursiveMode::NonRecursive).is_ok())
            .collect();
    }

    /// Something with which another thread can end a wait.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let wake = self.wake.clone();
        move || match wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// Waits for a change, at most `limit`.
    pub fn wait(&self, limit: Duration) -> Hint {
        let woken = self.data.recv_timeout(limit);
        let names = self.names.try_recv().is_ok();
        match woken {
            Ok(()) if !names => Hint::Data,
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Hint::Names,
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}
