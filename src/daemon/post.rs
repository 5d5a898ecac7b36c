//! The senders, with the threads that they run on.

use std::sync::{Arc, Weak};
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
    /// None where another process sends.
    sending: Option<(Runtime, Arc<Delivery>)>,
}

impl Post {
    /// No senders: what is to be sent waits for another process.
    pub(super) fn elsewhere() -> Self {
        Self { sending: None }
    }

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
        Ok(Self { sending: Some((runtime, delivery)) })
    }

    /// What says that the outbox has new rows.
    pub(super) fn waker(&self) -> impl Fn() + Send + 'static {
        let delivery = self.sending.as_ref().map(|(_, delivery)| Arc::clone(delivery));
        move || {
            if let Some(delivery) = &delivery {
                delivery.wake();
            }
        }
    }

    /// What the receivers have done; nothing when the senders are gone.
    pub(super) fn counts(&self) -> impl Fn() -> Vec<Counts> + Send + Sync + 'static {
        let delivery = self.sending.as_ref().map(|(_, delivery)| Arc::downgrade(delivery));
        move || delivery.as_ref().and_then(Weak::upgrade).map(|delivery| delivery.counts()).unwrap_or_default()
    }

    /// Says that the outbox has new rows.
    pub(super) fn wake(&self) {
        self.waker()();
    }

    /// Sends what may go at once, for `patience` at most. The wakers must be gone.
    pub(super) fn stop(self, patience: Duration) {
        let Some((runtime, delivery)) = self.sending else { return };
        if let Some(delivery) = Arc::into_inner(delivery) {
            runtime.block_on(delivery.stop(patience));
        }
        runtime.shutdown_timeout(Duration::from_millis(100));
    }
}
