//! Watching beside the filter: detectors and receivers of a configuration on a stream that somebody else writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::clock::now;
use super::post::Post;
use super::service::{StartError, redactor};
use super::watcher::Watcher;
use crate::config::Config;
use crate::delivery::Router;
use crate::event::{Reader, Roles, SourceReading};
use crate::line::SourceId;
use crate::redact::{PseudonymKey, Redactor};
use crate::store::{Commit, Store, StoreError, lost_pseudonyms, pseudonym_key};
use crate::window::Tally;

/// How often what came in is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long messages may take when the stream has ended.
const LAST_MESSAGES: Duration = Duration::from_secs(10);

/// Tallies that may wait before the stream has to.
const QUEUE: usize = 64;

/// A monitor on a thread of its own, with its receivers.
pub struct Observer {
    redactor: Redactor,
    roles: Roles,
    tallies: Option<SyncSender<Tally>>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
    post: Option<Post>,
}

impl Observer {
    /// Starts watching. `state` keeps what is learned; without it everything is forgotten at the end. `inputs` are the
    /// names of the streams.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: &Config, state: Option<&Path>, inputs: &[String]) -> Result<Self, StartError> {
        if let Some(notice) = state.and_then(lost_pseudonyms) {
            tracing::warn!("{notice}");
        }
        let (store, key) = match state {
            Some(dir) => (Store::open(dir, now())?, pseudonym_key(dir, now())?),
            None => (Store::in_memory()?, PseudonymKey::random().map_err(|e| StartError::Thread(e.into()))?),
        };
        if let Some(notice) = store.notice() {
            tracing::warn!("{notice}");
        }
        let store = Arc::new(store);
        let redactor = redactor(config, key)?;
        let roles = config.roles()?;
        let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
        let watcher = Watcher::new(config, inputs, &redactor, &store, router.clone())?;
        let post = Post::start(config, &store, router, &redactor)?;
        let wake = post.waker();
        let (tallies, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || observe(&queue, watcher, &store, &wake))?;
        Ok(Self { redactor, roles, tallies: Some(tallies), thread: Some(thread), post: Some(post) })
    }

    /// The redactor, with the installation's rules and pseudonyms.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What reads the lines of input number `input` as events.
    ///
    /// # Errors
    /// When the configuration's settings for events cannot be used.
    pub fn reader(&self, input: usize) -> Result<Reader, StartError> {
        let source = SourceId(u16::try_from(input).unwrap_or(u16::MAX));
        let reading = SourceReading { source, ..SourceReading::default() };
        Ok(Reader::new(&self.roles, reading)?)
    }

    /// Hands on what a chunk said, waiting while the monitor is behind.
    pub fn observe(&self, tally: Tally) {
        if let Some(tallies) = self.tallies.as_ref().filter(|_| !tally.is_empty()) {
            // a monitor that has given up says so at the end; the stream goes on
            let _given_up = tallies.send(tally);
        }
    }

    /// Looks at what came last, and gives messages some time to leave.
    ///
    /// # Errors
    /// When what was seen could not be kept.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.tallies = None;
        let result = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(Ok(()));
        if let Some(post) = self.post.take() {
            post.stop(LAST_MESSAGES);
        }
        result
    }
}

fn observe(queue: &Receiver<Tally>, mut watcher: Watcher, store: &Store, wake: &dyn Fn()) -> Result<(), StoreError> {
    let mut looked = Instant::now();
    let mut open = true;
    while open {
        match queue.recv_timeout(LOOK) {
            Ok(tally) => watcher.absorb(tally),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
        if open && looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        let now = now();
        let seen = watcher.look(now, |_| ());
        let commit =
            Commit { key_state: &seen.key_state, alerts: &seen.alerts, outbox: &seen.outbox, now, ..Commit::default() };
        if !(seen.key_state.is_empty() && seen.alerts.is_empty() && seen.outbox.is_empty()) {
            store.commit(&commit)?;
        }
        if !seen.outbox.is_empty() {
            wake();
        }
        if !seen.alerts.is_empty() {
            store.flush_audit()?;
        }
    }
    Ok(())
}
