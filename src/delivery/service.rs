//! All receivers together: start, wake, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::clock::Clock;
use super::config::ReceiverConfig;
use super::failing::{Failing, KIND, fingerprint_of};
use super::outcome::Cause;
use super::pace::Pace;
use super::retry::Schedule;
use super::route::Router;
use super::scrub::Scrub;
use super::sender::Sender;
use super::worker::{Counters, Worker};
use crate::alert::{Alert, Status};
use crate::redact::Redactor;
use crate::store::{Commit, Store, StoreError};

/// Why delivery could not start.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// A receiver's configuration cannot work.
    #[error("receivers.{name}: {problem}")]
    Receiver {
        /// Its name.
        name: String,
        /// What is wrong; holds no secret.
        problem: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What would keep each receiver from being started, as (name, problem): reads secrets and certificates, connects to
/// nothing.
pub fn check(receivers: &BTreeMap<String, ReceiverConfig>) -> Vec<(String, String)> {
    let one = |(name, config): (&String, &ReceiverConfig)| {
        let problem = Sender::new(config).err().into_iter();
        let warnings = config.secrets().into_iter().filter_map(|(_, s)| s.warning());
        problem.chain(warnings).map(|p| (name.clone(), p)).collect::<Vec<_>>()
    };
    receivers.iter().flat_map(one).collect()
}

/// What delivery works with.
pub struct Setup<'a> {
    /// The receivers, by name.
    pub receivers: &'a BTreeMap<String, ReceiverConfig>,
    /// The routes, for alerts about receivers themselves.
    pub router: Router,
    /// Where the outbox is.
    pub store: Arc<Store>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// This machine's name, for alerts about receivers.
    pub host: String,
    /// What redacts once more on the way out.
    pub redactor: Redactor,
}

/// What one receiver has done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The receiver's name.
    pub receiver: String,
    /// Messages it took.
    pub sent: u64,
    /// Attempts that failed and will be made again.
    pub failed: u64,
    /// Messages given up.
    pub dead: u64,
    /// Attempts that failed, by cause (such as `timeout` or `certificate`); those without any left out.
    pub causes: Vec<(&'static str, u64)>,
}

/// What a receiver's worker is made of, so that another takes its place when it breaks.
struct Station {
    name: String,
    sender: Arc<Sender>,
    scrub: Arc<Scrub>,
    config: ReceiverConfig,
    host: String,
    router: Router,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    stop: watch::Receiver<bool>,
    counters: Arc<Counters>,
    others: Vec<Arc<Notify>>,
}

/// How long until a worker that broke is replaced.
const BROKEN: Duration = Duration::from_secs(5);

impl Station {
    /// Keeps a worker at work until it ends by itself.
    async fn run(self) {
        loop {
            let mut set = JoinSet::new();
            set.spawn(self.worker().run());
            match set.join_next().await {
                Some(Err(e)) if e.is_panic() => {
                    tracing::error!(
                        receiver = self.name,
                        "the sender broke, which is a mistake of ours; it starts anew"
                    );
                    tokio::time::sleep(BROKEN).await;
                }
                _ => return,
            }
        }
    }

    fn worker(&self) -> Worker {
        let unread = |e: &StoreError| tracing::warn!(receiver = self.name, "outbox: {e}");
        let told = self.store.firing(&fingerprint_of(&self.name)).inspect_err(unread).unwrap_or_default();
        let kept = self.store.failing_since(&self.name).inspect_err(unread).unwrap_or_default();
        Worker {
            name: self.name.clone(),
            sender: Arc::clone(&self.sender),
            scrub: Arc::clone(&self.scrub),
            schedule: Schedule::new(self.config.give_up_after()),
            pace: self.config.allowance().map(|a| Pace::new(&a, self.clock.now())),
            host: self.host.clone(),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            wake: Arc::clone(&self.wake),
            stop: self.stop.clone(),
            counters: Arc::clone(&self.counters),
            failing: Failing::new(self.router.clone(), self.host.clone(), told, kept),
            others: self.others.clone(),
        }
    }
}

/// Gives up what waits for receivers that are no longer there, and ends the alerts about them.
fn forget_strangers(setup: &Setup<'_>) -> Result<(), StoreError> {
    let (known, now): (Vec<&str>, _) = (setup.receivers.keys().map(String::as_str).collect(), setup.clock.now());
    for (name, messages) in setup.store.give_up_strangers(&known, now)? {
        tracing::warn!(receiver = name, messages, "given up: the configuration names no receiver of this name");
    }
    let about: Vec<String> = known.iter().map(|name| fingerprint_of(name)).collect();
    for alert in setup.store.firing_of(KIND)?.into_iter().filter(|a| !about.contains(&a.fingerprint)) {
        let summary = "A receiver that did not take alerts is no longer configured".to_owned();
        let over = Alert { status: Status::Resolved, ends_at: Some(now), updated_at: now, summary, ..alert };
        let rows = setup.router.rows(&over, now);
        let alerts = std::slice::from_ref(&over);
        setup.store.commit(&Commit { alerts, outbox: &rows, now, ..Commit::default() })?;
    }
    Ok(())
}

/// The running senders, a task for each receiver.
pub struct Delivery {
    tasks: Vec<JoinHandle<()>>,
    wakes: Vec<Arc<Notify>>,
    counters: Vec<(String, Arc<Counters>)>,
    stop: watch::Sender<bool>,
}

impl Delivery {
    /// Reads secrets and certificates of every receiver and starts a task for each on `runtime`.
    ///
    /// # Errors
    /// The first receiver whose configuration cannot work; nothing runs then.
    pub fn start(setup: Setup<'_>, runtime: &Handle) -> Result<Self, DeliveryError> {
        let mut senders: Vec<(String, Sender, &ReceiverConfig)> = Vec::new();
        for (name, config) in setup.receivers {
            for warning in config.secrets().iter().filter_map(|(_, s)| s.warning()) {
                tracing::warn!(receiver = name.as_str(), "{warning}");
            }
            if let Some(idle) = setup.router.idle(name) {
                tracing::warn!(receiver = name.as_str(), "{idle}");
            }
            let problem = |problem| DeliveryError::Receiver { name: name.clone(), problem };
            let sender = Sender::new(config).map_err(problem)?;
            if let Some(problem) = sender.careless() {
                tracing::warn!(receiver = name.as_str(), "the built-in text is used where {problem}");
            }
            senders.push((name.clone(), sender, config));
        }
        forget_strangers(&setup)?;
        let scrub = Arc::new(Scrub::new(&setup.redactor));
        let (stop, stopped) = watch::channel(false);
        let wakes: Vec<Arc<Notify>> = senders.iter().map(|_| Arc::new(Notify::new())).collect();
        let mut delivery = Self { tasks: Vec::new(), wakes: wakes.clone(), counters: Vec::new(), stop };
        for (i, (name, sender, config)) in senders.into_iter().enumerate() {
            let counters = Arc::new(Counters::default());
            delivery.counters.push((name.clone(), Arc::clone(&counters)));
            let station = Station {
                name,
                sender: Arc::new(sender),
                scrub: Arc::clone(&scrub),
                config: config.clone(),
                host: setup.host.clone(),
                router: setup.router.clone(),
                store: Arc::clone(&setup.store),
                clock: Arc::clone(&setup.clock),
                wake: Arc::clone(&wakes[i]),
                stop: stopped.clone(),
                counters,
                others: wakes.iter().enumerate().filter(|(o, _)| *o != i).map(|(_, w)| Arc::clone(w)).collect(),
            };
            delivery.tasks.push(runtime.spawn(station.run()));
        }
        Ok(delivery)
    }

    /// Says that the outbox has new rows.
    pub fn wake(&self) {
        self.wakes.iter().for_each(|w| w.notify_one());
    }

    /// What each receiver has done since the start.
    pub fn counts(&self) -> Vec<Counts> {
        let get = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let one = |(name, c): &(String, Arc<Counters>)| Counts {
            receiver: name.clone(),
            sent: get(&c.sent),
            failed: get(&c.failed),
            dead: get(&c.dead),
            causes: Cause::ALL
                .iter()
                .map(|k| (k.word(), get(&c.causes[*k as usize])))
                .filter(|(_, n)| *n > 0)
                .collect(),
        };
        self.counters.iter().map(one).collect()
    }

    /// Sends what may go at once, for `patience` at most, and ends. What remains waits in the outbox.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + patience;
        for mut task in self.tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
