//! The other half of a split service: it sends what a process without a network has decided, and sees no log.

use std::sync::Arc;
use std::time::Duration;

use super::post::Post;
use super::service::{StartError, redactor};
use crate::config::Config;
use crate::delivery::Router;
use crate::redact::PseudonymKey;
use crate::store::{Store, StoreError};

/// Running senders on a state that another process writes.
pub struct Notifier {
    post: Post,
    store: Arc<Store>,
    seen: i64,
}

impl Notifier {
    /// Starts a sender for each receiver of `config`.
    ///
    /// # Errors
    /// [`StoreError::Absent`] in it while the other half has not been started yet.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let dir = config.state.resolve().ok_or(StartError::NoState)?;
        let store = Arc::new(Store::open_for_sending(&dir)?);
        // it looks over what goes out; the pseudonyms' secret is none of its business
        let key = PseudonymKey::random().map_err(|e| StartError::Thread(e.into()))?;
        let redactor = redactor(config, key)?;
        let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
        let post = Post::start(config, &store, router, &redactor)?;
        Ok(Self { post, store, seen: 0 })
    }

    /// Wakes the senders when the other half has written something; `false` when it has begun another state, and this
    /// must be started anew.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn look(&mut self) -> Result<bool, StoreError> {
        let seen = self.store.version()?;
        if seen != self.seen {
            self.seen = seen;
            self.post.wake();
        }
        Ok(self.store.is_current())
    }

    /// Sends what may go at once, for `patience` at most, and ends.
    pub fn stop(self, patience: Duration) {
        self.post.stop(patience);
    }
}
