//! One receiver's task: take what may go, send it, file what came of it, wait.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::chart::Chart;
use super::clock::Clock;
use super::failing::Failing;
use super::health::Health;
use super::outcome::{Cause, Failure, Outcome};
use super::pace::{Pace, ParcelKind};
use super::retry::Schedule;
use super::scrub::Scrub;
use super::sender::Sender;
use super::summary::{Reason, summary};
use crate::alert::Alert;
use crate::store::{Commit, Lane, Leased, OutboxRow, Settle, Store, StoreError};
use crate::units::Timestamp;

/// A message is the sender's for this long; longer than any attempt takes.
const LEASE: Duration = Duration::from_secs(900);

/// How long to wait after the store could not be read or written.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// How often a receiver that forgets is reminded. Alertmanager forgets after five minutes.
const REMINDER: Duration = Duration::from_secs(60);

/// How long to sleep at most; a wake ends it. Also how soon the word of an operator in another process is heard.
const IDLE: Duration = Duration::from_secs(30);

/// What a receiver has done since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dead: AtomicU64,
    /// Attempts that failed, by cause.
    pub(super) causes: [AtomicU64; Cause::ALL.len()],
}

/// One receiver's task.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) sender: Arc<Sender>,
    pub(super) scrub: Arc<Scrub>,
    pub(super) schedule: Schedule,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) counters: Arc<Counters>,
    pub(super) failing: Failing,
    /// For receivers that people read.
    pub(super) pace: Option<Pace>,
    pub(super) host: String,
    /// Wakes the other receivers when this one has something to tell them.
    pub(super) others: Vec<Arc<Notify>>,
}

/// What is to be sent in one go.
struct Parcel {
    seqs: Vec<i64>,
    /// The message, or the one that stands for all.
    message: Leased,
    kind: ParcelKind,
    /// For a message that stands for many.
    chart: Option<Chart>,
}

impl Worker {
    /// Runs until told to stop, and then until nothing more may go.
    pub(super) async fn run(mut self) {
        let mut health = Health::default();
        let mut reminder = self.clock.now();
        loop {
            let now = self.clock.now();
            if now < health.gate && self.pressed().await {
                health.gate = now;
            }
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
            let mut until = self.next(now).await.max(health.gate).min(now.plus(IDLE));
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

    /// When there may be something to send.
    async fn next(&self, now: Timestamp) -> Timestamp {
        let mut next = now.plus(IDLE);
        if let Some(lanes) = self.lanes() {
            match self.with_store(|store, name| store.next_due(name, lanes)).await {
                Ok(due) => next = due.unwrap_or(next).min(next),
                Err(_) => next = now.plus(STORE_TROUBLE),
            }
        }
        self.pace.as_ref().map_or(next, |p| next.min(p.next()))
    }

    /// Whether somebody wants a try now, although the receiver was down a moment ago.
    async fn pressed(&self) -> bool {
        self.with_store(|store, name| store.pressed(name)).await.unwrap_or(false)
    }

    /// The lanes whose messages go one by one.
    fn lanes(&self) -> Option<RangeInclusive<Lane>> {
        self.pace.as_ref().map_or(Some(Lane::Digest..=Lane::Urgent), Pace::lanes)
    }

    /// Sends one parcel, if one may go; says whether there may be more.
    async fn step(&mut self, health: &mut Health) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some(parcel) = self.pick(now).await? else { return Ok(false) };
        let outcome = self.sender.send(&parcel.message.row, parcel.chart.as_ref(), &self.scrub, now).await;
        let now = self.clock.now();
        let id = parcel.message.row.alert.id.as_str();
        match &outcome {
            Outcome::Sent(answer) => tracing::debug!(receiver = self.name, alert = id, "sent: {answer}"),
            Outcome::Partly { flaw, .. } => {
                let (cause, problem) = (flaw.cause.word(), flaw.error.as_str());
                tracing::warn!(receiver = self.name, cause, alert = id, "sent, but not as it should be: {problem}");
            }
            _ => {}
        }
        let (failure, flaw) = (outcome.failure().cloned(), outcome.flaw().map(|flaw| flaw.cause));
        let settle = health.judge(&self.schedule, &parcel.message, outcome, random(), now);
        self.count(&settle, flaw, parcel.seqs.len().max(1) as u64);
        if let Some(pace) = &mut self.pace {
            pace.settled(parcel.kind, &settle, now);
        }
        self.settle(parcel.seqs, settle.clone(), now).await;
        self.tell(&settle, failure, health, now).await;
        Ok(true)
    }

    /// Takes what is to go next: a storm's summary, the digest, or one message.
    async fn pick(&mut self, now: Timestamp) -> Result<Option<Parcel>, StoreError> {
        let until = now.plus(LEASE);
        let ending = *self.stop.borrow();
        if let Some(pace) = &self.pace {
            if let Some((lane, at)) = pace.storm_due(now, ending) {
                let many = self.with_store(move |s, name| s.lease_lane(name, lane, at, now, until)).await?;
                if let Some(parcel) = self.together(many, Reason::Storm, ParcelKind::Storm(lane), at) {
                    return Ok(Some(parcel));
                }
                self.pace.iter_mut().for_each(|p| p.storm_over(lane));
            } else if now >= pace.digest_due {
                let at = pace.last_digest(now);
                let quiet = pace.tells_of_quiet(now);
                let many = self.with_store(move |s, name| s.lease_lane(name, Lane::Digest, at, now, until)).await?;
                let parcel = self.together(many, Reason::Digest, ParcelKind::Digest, at);
                if let Some(mut parcel) = parcel.or_else(|| quiet.then(|| self.quiet(at))) {
                    // the head leaves the machine, so that nobody on it can cut off the end unseen
                    let head = self.with_store(|store, _| store.audit_head()).await?;
                    parcel.message.row.alert.evidence.audit_head = head.map(|head| head.to_string());
                    return Ok(Some(parcel));
                }
                self.pace.iter_mut().for_each(|p| p.digest_done(now));
            }
        }
        let Some(lanes) = self.lanes() else { return Ok(None) };
        if let Some(pace) = &mut self.pace {
            let (store, name, lanes) = (Arc::clone(&self.store), self.name.clone(), lanes.clone());
            let peek = tokio::task::spawn_blocking(move || store.peek(&name, lanes, now)).await;
            let Some((seq, lane, created)) = peek.map_err(|_| StoreError::Stopping)?? else { return Ok(None) };
            if !pace.admit(seq, lane, created, now) {
                tracing::warn!(receiver = self.name, "a storm of alerts: the rest goes out together");
                return Box::pin(self.pick(now)).await;
            }
        }
        let leased = self.with_store(move |s, name| s.lease(name, lanes, now, until, 1)).await?;
        let one = |message: Leased| Parcel { seqs: vec![message.seq], message, kind: ParcelKind::One, chart: None };
        Ok(leased.into_iter().next().map(one))
    }

    /// A digest of nothing.
    fn quiet(&self, at: Timestamp) -> Parcel {
        let (alert, chart) = summary(Reason::Digest, &self.name, &[], &self.host, at);
        let row = OutboxRow { receiver: self.name.clone(), alert };
        let message = Leased { seq: 0, row, created: at, attempts: 0 };
        Parcel { seqs: Vec::new(), message, kind: ParcelKind::Digest, chart: Some(chart) }
    }

    /// Many messages as one; `None` when there are none.
    fn together(&self, many: Vec<Leased>, reason: Reason, kind: ParcelKind, at: Timestamp) -> Option<Parcel> {
        let (created, attempts) = many.first().map(|m| (m.created, m.attempts))?;
        let seqs: Vec<i64> = many.iter().map(|m| m.seq).collect();
        let alerts: Vec<Alert> = many.into_iter().map(|m| m.row.alert).collect();
        let (alert, chart) = summary(reason, &self.name, &alerts, &self.host, at);
        let row = OutboxRow { receiver: self.name.clone(), alert };
        Some(Parcel { message: Leased { seq: seqs[0], row, created, attempts }, seqs, kind, chart: Some(chart) })
    }

    fn count(&self, settle: &Settle, cause: Option<Cause>, messages: u64) {
        let counter = match settle {
            Settle::Sent | Settle::SentBut { .. } => &self.counters.sent,
            Settle::Retry { .. } | Settle::Release { .. } => &self.counters.failed,
            Settle::Dead { .. } => &self.counters.dead,
        };
        counter.fetch_add(messages, Ordering::Relaxed);
        if let Some(cause) = cause {
            self.counters.causes[cause as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Files the outcome, however long the store needs: a message that was sent must not be sent again.
    async fn settle(&mut self, seqs: Vec<i64>, settle: Settle, now: Timestamp) {
        loop {
            let (seqs, settle) = (seqs.clone(), settle.clone());
            match self.with_store(move |store, _| store.settle(&seqs, &settle, now)).await {
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
    async fn tell(&mut self, settle: &Settle, failure: Option<Failure>, health: &Health, now: Timestamp) {
        let lost = match settle {
            Settle::Dead { error } => {
                let (before, error) = (now.minus(self.schedule.give_up_after), error.clone());
                let down = health.is_down();
                let expired =
                    self.with_store(move |s, name| if down { s.expire(name, before, &error, now) } else { Ok(0) });
                1 + expired.await.unwrap_or(0)
            }
            _ => 0,
        };
        let news = match &failure {
            None => self.failing.recovered(&self.name, now),
            Some(failure) => self.failing.failed(&self.name, failure, lost, now),
        };
        if let Some(since) = self.failing.news() {
            match self.with_store(move |store, name| store.keep_failing(name, since.0)).await {
                Ok(()) => self.failing.kept(since),
                Err(e) => tracing::warn!(receiver = self.name, "outbox: cannot keep since when it fails: {e}"),
            }
        }
        if let Some(alert) = news {
            let rows = self.failing.rows(&self.name, &alert, now);
            let filed = self.with_store(move |store, _| {
                let alerts = std::slice::from_ref(&alert);
                store.commit(&Commit { alerts, outbox: &rows, now, ..Default::default() })
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
        match self.sender.remind(&open, &self.scrub, now).await {
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
