//! Alerts, stores and a running delivery for the tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logwarden::alert::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
use logwarden::delivery::{Clock, Counts, Delivery, DeliveryError, ReceiverConfig, Router, Setup, SystemClock};
use logwarden::redact::{PseudonymKey, Redactor};
use logwarden::store::{Commit, Store};
use logwarden::units::Timestamp;
use tokio::runtime::Handle;

use super::clock::SimClock;

pub const START: Timestamp = Timestamp::from_secs(1_777_636_800);

/// Alert number `n` about key `key`; alerts of one key have one fingerprint.
pub fn alert(n: u64, key: u64) -> Alert {
    Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: format!("01KQFD7V{n:018}"),
        status: Status::Firing,
        kind: "volume_spike".to_owned(),
        severity: Severity::Warning,
        urgency: Urgency::Ticket,
        key: Some(AlertKey { kind: "OPENAI_API_KEY".to_owned(), tag: format!("{key:014}"), label: None, group: None }),
        source: None,
        fingerprint: format!("{key:032x}"),
        starts_at: START,
        ends_at: None,
        updated_at: START,
        summary: format!("Alert number {n}"),
        why: "A test wants it.".to_owned(),
        evidence: Evidence { unit: "requests".to_owned(), ..Evidence::default() },
        likely_causes: Vec::new(),
        runbook: vec![RunbookStep { step: "Revoke the key".to_owned(), link: None }],
        count: 1,
        host: "web-1".to_owned(),
        links: Links::default(),
    }
}

pub fn receiver(text: &str) -> ReceiverConfig {
    toml::from_str(text).unwrap()
}

pub fn redactor() -> Redactor {
    Redactor::new(PseudonymKey::new(0, b"delivery"))
}

/// A store, receivers, and the tasks that send.
pub struct Rig {
    pub store: Arc<Store>,
    pub clock: Arc<SimClock>,
    pub router: Router,
    receivers: BTreeMap<String, ReceiverConfig>,
    delivery: Option<Delivery>,
}

impl Rig {
    pub fn new(dir: &Path, receivers: &[(&str, String)]) -> Self {
        let mut rig = Self::stopped(dir, receivers);
        rig.start().unwrap();
        rig
    }

    pub fn stopped(dir: &Path, receivers: &[(&str, String)]) -> Self {
        let store = Arc::new(Store::open(dir, START).unwrap());
        let receivers: BTreeMap<_, _> = receivers.iter().map(|(n, t)| ((*n).to_owned(), receiver(t))).collect();
        let router = Router::new(&[], receivers.keys().map(String::as_str));
        Self { store, clock: SimClock::new(START), router, receivers, delivery: None }
    }

    /// Starts by the machine's own clock.
    pub fn in_real_time(self) -> Self {
        self.by(Arc::new(SystemClock))
    }

    /// Starts by another clock.
    pub fn by(mut self, clock: Arc<dyn Clock>) -> Self {
        let setup = self.setup(clock);
        let delivery = Delivery::start(setup, &Handle::current()).unwrap();
        self.delivery = Some(delivery);
        self
    }

    fn setup(&self, clock: Arc<dyn Clock>) -> Setup<'_> {
        let (router, store) = (self.router.clone(), Arc::clone(&self.store));
        Setup { receivers: &self.receivers, router, store, clock, host: "web-1".to_owned(), redactor: redactor() }
    }

    pub fn start(&mut self) -> Result<(), DeliveryError> {
        let setup = self.setup(Arc::clone(&self.clock) as Arc<dyn Clock>);
        let delivery = Delivery::start(setup, &Handle::current())?;
        self.delivery = Some(delivery);
        Ok(())
    }

    /// Commits alerts and their messages to every receiver.
    pub fn raise(&self, alerts: &[Alert]) {
        let outbox: Vec<_> = alerts.iter().flat_map(|a| self.router.rows(a, self.clock.now())).collect();
        self.store.commit(&Commit { alerts, outbox: &outbox, now: self.clock.now(), ..Commit::default() }).unwrap();
        if let Some(delivery) = &self.delivery {
            delivery.wake();
        }
    }

    /// What `receiver` has done.
    pub fn counts(&self, receiver: &str) -> Counts {
        let counts = self.delivery.as_ref().unwrap().counts();
        counts.into_iter().find(|c| c.receiver == receiver).unwrap()
    }

    /// Lets time pass.
    pub async fn pass(&self, span: Duration) {
        self.clock.pass(span, self.receivers.len()).await;
    }

    /// Lets time pass until nothing waits, and says how long that took; panics after `limit`.
    pub async fn drain(&self, limit: Duration) -> Duration {
        let (start, end) = (self.clock.now(), self.clock.now().plus(limit));
        loop {
            self.clock.quiet(self.receivers.len()).await;
            if self.store.queues().unwrap().iter().all(|q| q.pending == 0) {
                return self.clock.now().since(start);
            }
            assert!(self.clock.step(self.receivers.len(), end).await, "not drained: {:?}", self.store.queues());
        }
    }

    pub async fn stop(mut self) -> Arc<Store> {
        if let Some(delivery) = self.delivery.take() {
            delivery.stop(Duration::from_secs(5)).await;
        }
        Arc::clone(&self.store)
    }
}

pub const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub const fn mins(m: u64) -> Duration {
    Duration::from_secs(60 * m)
}
