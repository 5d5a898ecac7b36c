//! All receivers together: start, wake, stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::config::ReceiverConfig;
use super::failing::{Failing, fingerprint_of};
use super::outcome::Cause;
use super::pace::Pace;
use super::retry::Schedule;
use super::route::Router;
use super::scrub::Scrub;
use super::sender::Sender;
use super::worker::{Counters, Worker};
use crate::alert::Alert;
use crate::redact::Redactor;
use crate::store::{Store, StoreError};

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
        let known: Vec<&str> = setup.receivers.keys().map(String::as_str).collect();
        for (name, messages) in setup.store.give_up_strangers(&known, setup.clock.now())? {
            tracing::warn!(receiver = name, messages, "given up: the configuration names no receiver of this name");
        }
        let mut senders: Vec<(String, Sender, &ReceiverConfig, Option<Alert>)> = Vec::new();
        for (name, config) in setup.receivers {
            for warning in config.secrets().iter().filter_map(|(_, s)| s.warning()) {
                tracing::warn!(receiver = name.as_str(), "{warning}");
            }
            if let Some(idle) = setup.router.idle(name) {
                tracing::warn!(receiver = name.as_str(), "{idle}");
            }
            let problem = |problem| DeliveryError::Receiver { name: name.clone(), problem };
            let told = setup.store.firing(&fingerprint_of(name))?;
            senders.push((name.clone(), Sender::new(config).map_err(problem)?, config, told));
        }
        for (name, sender, ..) in &senders {
            if let Some(problem) = sender.careless() {
                tracing::warn!(receiver = name.as_str(), "the built-in text is used where {problem}");
            }
        }
        let scrub = Arc::new(Scrub::new(&setup.redactor));
        let (stop, stopped) = watch::channel(false);
        let wakes: Vec<Arc<Notify>> = senders.iter().map(|_| Arc::new(Notify::new())).collect();
        let mut delivery = Self { tasks: Vec::new(), wakes: wakes.clone(), counters: Vec::new(), stop };
        for (i, (name, sender, config, told)) in senders.into_iter().enumerate() {
            let counters = Arc::new(Counters::default());
            delivery.counters.push((name.clone(), Arc::clone(&counters)));
            let others = wakes.iter().enumerate().filter(|(o, _)| *o != i).map(|(_, w)| Arc::clone(w)).collect();
            let worker = Worker {
                name,
                sender,
                scrub: Arc::clone(&scrub),
                schedule: Schedule::new(config.give_up_after()),
                pace: config.digest().map(|d| Pace::new(d, setup.clock.now())),
                host: setup.host.clone(),
                store: Arc::clone(&setup.store),
                clock: Arc::clone(&setup.clock),
                wake: Arc::clone(&wakes[i]),
                stop: stopped.clone(),
                counters,
                failing: Failing::new(setup.router.clone(), setup.host.clone(), told),
                others,
            };
            delivery.tasks.push(runtime.spawn(worker.run()));
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
