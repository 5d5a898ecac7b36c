//! The senders, with the threads that they run on.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::service::StartError;
use super::watcher::host;
use crate::config::Config;
use crate::delivery::{Counts, Delivery, Router, Setup, SystemClock};
use crate::redact::Redactor;
use crate::store::Store;

/// Running delivery.
pub(super) struct Post {
    runtime: Runtime,
    delivery: Arc<Delivery>,
}

impl Post {
    /// Starts a sender for each receiver.
    pub(super) fn start(
        config: &Config,
        store: &Arc<Store>,
        router: Router,
        redactor: &Redactor,
    ) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("delivery").enable_all().build()?;
        let setup = Setup {
            receivers: &config.receivers,
            router,
            store: Arc::clone(store),
            clock: Arc::new(SystemClock),
            host: host(),
            redactor: redactor.clone(),
        };
        let delivery = Arc::new(Delivery::start(setup, runtime.handle())?);
        Ok(Self { runtime, delivery })
    }

    /// What says that the outbox has new rows.
    pub(super) fn waker(&self) -> impl Fn() + Send + 'static {
        let delivery = Arc::clone(&self.delivery);
        move || delivery.wake()
    }

    /// What the receivers have done; nothing when the senders are gone.
    pub(super) fn counts(&self) -> impl Fn() -> Vec<Counts> + Send + Sync + 'static {
        let delivery = Arc::downgrade(&self.delivery);
        move || delivery.upgrade().map(|delivery| delivery.counts()).unwrap_or_default()
    }

    /// Sends what may go at once, for `patience` at most. The wakers must be gone.
    pub(super) fn stop(self, patience: Duration) {
        if let Some(delivery) = Arc::into_inner(self.delivery) {
            self.runtime.block_on(delivery.stop(patience));
        }
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}
