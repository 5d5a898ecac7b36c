//! One receiver's task: take what may go, send it, file what came of it, wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::failing::Failing;
use super::outcome::Outcome;
use super::retry::{Next, Schedule};
use super::sender::Sender;
use crate::store::{Leased, Settle, Store, StoreError};
use crate::units::Timestamp;

/// A message is the sender's for this long; longer than any attempt takes.
const LEASE: Duration = Duration::from_secs(900);

/// So many different messages failing in a row mean that the receiver is at fault.
const BREAKER: u32 = 5;

/// How long to wait after the store could not be read or written.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// How often a receiver that forgets is reminded. Alertmanager forgets after five minutes.
const REMINDER: Duration = Duration::from_secs(60);

/// How long to sleep when nothing waits; a wake ends it.
const IDLE: Duration = Duration::from_secs(3_600);

/// What a receiver has done since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dead: AtomicU64,
}

/// One receiver's task.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) sender: Sender,
    pub(super) schedule: Schedule,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) counters: Arc<Counters>,
    pub(super) failing: Failing,
    /// Wakes the other receivers when this one has something to tell them.
    pub(super) others: Vec<Arc<Notify>>,
}

/// How a receiver is doing.
#[derive(Default)]
struct Health {
    /// Nothing is tried before this.
    gate: Timestamp,
    /// Attempts in a row that found the receiver down.
    down: u32,
    /// Messages in a row that failed by themselves.
    failed: u32,
}

impl Worker {
    /// Runs until told to stop, and then until nothing more may go.
    pub(super) async fn run(mut self) {
        let mut health = Health::default();
        let mut reminder = self.clock.now();
        loop {
            let now = self.clock.now();
            let step = if now < health.gate { Ok(false) } else { self.step(&mut health).await };
            match step {
                Ok(true) => continue,
                Ok(false) => {}
                Err(e) => {
                    tracing::warn!(receiver = self.name, "outbox: {e}");
                    health.gate = now.plus(STORE_TROUBLE);
                }
            }
            if *self.stop.borrow() {
                return;
            }
            if self.sender.forgets() && now >= reminder {
                self.remind(now).await;
                reminder = now.plus(REMINDER);
            }
            let due =
                self.with_store(|store, name| store.next_due(name)).await.unwrap_or(Some(now.plus(STORE_TROUBLE)));
            let mut until = due.map_or(now.plus(IDLE), |due| due.max(health.gate));
            if self.sender.forgets() {
                until = until.min(reminder);
            }
            tokio::select! {
                _changed_or_gone = self.stop.changed() => {}
                () = self.wake.notified() => {}
                () = self.clock.until(until) => {}
            }
        }
    }

    /// Sends one message, if one may go; says whether there was one.
    async fn step(&mut self, health: &mut Health) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let leased = self.with_store(move |store, name| store.lease(name, now, now.plus(LEASE), 1)).await?;
        let Some(leased) = leased.into_iter().next() else { return Ok(false) };
        let outcome = self.sender.send(&leased.row, now).await;
        let now = self.clock.now();
        let settle = self.judge(&leased, outcome, health, now);
        self.count(&settle);
        self.settle(leased.seq, settle.clone(), now).await;
        self.tell(&settle, health, now).await;
        Ok(true)
    }

    /// What the outcome means for the message, and for the receiver.
    fn judge(&self, leased: &Leased, outcome: Outcome, health: &mut Health, now: Timestamp) -> Settle {
        let random = random();
        let late = self.schedule.expired(leased.created, now);
        match outcome {
            Outcome::Sent(answer) => {
                tracing::debug!(receiver = self.name, alert = leased.row.alert.id, "sent: {answer}");
                *health = Health::default();
                Settle::Sent
            }
            Outcome::Refused { error } => {
                health.failed = 0;
                Settle::Dead { error }
            }
            Outcome::Down { error, asked } => {
                health.down = health.down.saturating_add(1);
                health.gate = now.plus(self.schedule.wait(health.down, random, asked));
                if late { Settle::Dead { error } } else { Settle::Release { error } }
            }
            Outcome::Failed { error, asked } => {
                health.failed = health.failed.saturating_add(1);
                if let Some(beyond) = health.failed.checked_sub(BREAKER) {
                    health.gate = now.plus(self.schedule.wait(beyond + 1, random, asked));
                }
                match self.schedule.next(leased.created, leased.attempts + 1, random, asked, now) {
                    Next::At(due) => Settle::Retry { due, error },
                    Next::GiveUp => Settle::Dead { error },
                }
            }
        }
    }

    fn count(&self, settle: &Settle) {
        let counter = match settle {
            Settle::Sent => &self.counters.sent,
            Settle::Retry { .. } | Settle::Release { .. } => &self.counters.failed,
            Settle::Dead { .. } => &self.counters.dead,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Files the outcome, however long the store needs: a message that was sent must not be sent again.
    async fn settle(&mut self, seq: i64, settle: Settle, now: Timestamp) {
        loop {
            let copy = settle.clone();
            match self.with_store(move |store, _| store.settle(seq, &copy, now)).await {
                Ok(()) => return,
                Err(e) => tracing::warn!(receiver = self.name, "outbox: cannot file what became of a message: {e}"),
            }
            if *self.stop.borrow() {
                return;
            }
            let again = self.clock.now().plus(STORE_TROUBLE);
            tokio::select! {
                _changed_or_gone = self.stop.changed() => {}
                () = self.clock.until(again) => {}
            }
        }
    }

    /// Lets the log and the other receivers know when this one stops working, and when it works again.
    async fn tell(&mut self, settle: &Settle, health: &Health, now: Timestamp) {
        let error = match settle {
            Settle::Sent => None,
            Settle::Retry { error, .. } | Settle::Release { error } | Settle::Dead { error } => Some(error.clone()),
        };
        let lost = match settle {
            Settle::Dead { error } => {
                let (before, error) = (now.minus(self.schedule.give_up_after), error.clone());
                let down = health.down > 0;
                let expired =
                    self.with_store(move |s, name| if down { s.expire(name, before, &error, now) } else { Ok(0) });
                1 + expired.await.unwrap_or(0)
            }
            _ => 0,
        };
        let news = match &error {
            None => self.failing.recovered(&self.name, now),
            Some(error) => self.failing.failed(&self.name, error, lost, now),
        };
        if let Some(alert) = news {
            let rows = self.failing.rows(&self.name, &alert);
            let filed = self.with_store(move |store, _| {
                let alerts = std::slice::from_ref(&alert);
                store.commit(&crate::store::Commit { alerts, outbox: &rows, now, ..Default::default() })
            });
            if let Err(e) = filed.await {
                tracing::warn!(receiver = self.name, "outbox: cannot tell the other receivers: {e}");
            }
            self.others.iter().for_each(|o| o.notify_one());
        }
    }

    async fn remind(&mut self, now: Timestamp) {
        let open = match self.with_store(|store, name| store.open_alerts(name)).await {
            Ok(open) if !open.is_empty() => open,
            Ok(_) => return,
            Err(e) => return tracing::warn!(receiver = self.name, "outbox: {e}"),
        };
        match self.sender.remind(&open, now).await {
            None | Some(Outcome::Sent(_)) => {}
            Some(other) => tracing::debug!(receiver = self.name, "reminder: {other:?}"),
        }
    }

    /// Runs a short piece of store work where it may block.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (store, name) = (Arc::clone(&self.store), self.name.clone());
        match tokio::task::spawn_blocking(move || work(&store, &name)).await {
            Ok(result) => result,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(_) => Err(StoreError::Stopping),
        }
    }
}

/// A random share in 0..1; without the system's randomness, the middle.
fn random() -> f64 {
    let mut bytes = [0u8; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
