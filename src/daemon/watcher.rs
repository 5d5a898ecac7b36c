//! The monitor with what stands around it: stored key state, routes, this machine's name.

use std::sync::Arc;

use crate::alert::{Alert, Kind, Monitor, Notice, Watch, WatchError};
use crate::config::{Config, GeoipError};
use crate::delivery::{Router, Teller};
use crate::net::host_name;
use crate::redact::Redactor;
use crate::store::{OutboxRow, Store, StoreError};
use crate::units::Timestamp;
use crate::web::HttpConfig;
use crate::window::Tally;

/// Counts what keys do, and says what follows.
pub(super) struct Watcher {
    monitor: Monitor,
    teller: Teller,
    /// Where the page is, for the links to it.
    http: Option<HttpConfig>,
    /// How many rows changed in the last look.
    changed: usize,
}

/// What a look gave; everything of it belongs into one commit.
#[derive(Default)]
pub(super) struct Seen {
    /// Changed key states.
    pub key_state: Vec<(String, Vec<u8>)>,
    /// Alerts that began, changed or ended.
    pub alerts: Vec<Alert>,
    /// Messages to send because of them.
    pub outbox: Vec<OutboxRow>,
}

/// Looks that change at most this many keys happen with every commit, others once a second.
const FEW: usize = 512;

/// Most keys that may wait to be looked at while a commit takes its time: about 50 MB, when somebody mints keys.
const CROWD: usize = 1 << 16;

impl Watcher {
    /// A monitor as configured, with what it knew when the store was written.
    pub(super) fn new(
        config: &Config,
        sources: &[String],
        redactor: &Redactor,
        store: &Arc<Store>,
        router: Router,
    ) -> Result<Self, WatcherError> {
        let mut monitor = Monitor::new(watch(config, sources)?, redactor)?;
        let unread = monitor.restore(store.key_state()?);
        if unread > 0 {
            tracing::warn!("the stored state of {unread} keys cannot be read; they are learned anew");
        }
        Ok(Self { monitor, teller: Teller::new(router, store)?, http: config.http.clone(), changed: 0 })
    }

    /// Takes over what a chunk says.
    pub(super) fn absorb(&mut self, tally: Tally) {
        if !tally.is_empty() {
            self.monitor.absorb(tally);
        }
    }

    /// Whether so many keys wait to be looked at that nothing more is to be taken over before.
    pub(super) fn crowded(&self) -> bool {
        self.monitor.waiting() >= CROWD
    }

    /// Says that a sink or the state (`what`) has not been writable for `seconds`, because of `why`.
    pub(super) fn output_failing(&mut self, what: &str, why: &str, seconds: f64, now: Timestamp) {
        let notice = Notice {
            kind: Kind::OutputFailing,
            subject: what.to_owned(),
            source: None,
            observed: Some(seconds),
            threshold: None,
            unit: "s",
            summary: format!("{what} cannot be written"),
            why: format!(
                "{why}; for {seconds:.0} s so far. Inputs wait until it can; nothing is lost but what `when_slow` allows"
            ),
        };
        self.monitor.notice(notice, now);
    }

    /// Says that `source` has lost `lines` lines in this spell because the output is too slow.
    pub(super) fn lines_dropped(&mut self, source: &str, lines: u64, now: Timestamp) {
        let notice = Notice {
            kind: Kind::OutputFailing,
            subject: format!("source `{source}`"),
            source: None,
            observed: Some(lines as f64),
            threshold: None,
            unit: "lines",
            summary: format!("lines of source `{source}` are dropped: the output is too slow"),
            why: format!(
                "{lines} lines so far, the oldest first, as `when_slow = \"drop-oldest\"` says; they were redacted and \
                 are watched, and no sink has them"
            ),
        };
        self.monitor.notice(notice, now);
    }

    /// Says that the audit log does not hold, or cannot be written.
    pub(super) fn audit_broken(&mut self, why: String, now: Timestamp) {
        let notice = Notice {
            kind: Kind::AuditBroken,
            subject: "audit".to_owned(),
            source: None,
            observed: None,
            threshold: None,
            unit: "records",
            summary: "the audit log does not hold".to_owned(),
            why,
        };
        self.monitor.notice(notice, now);
    }

    /// Whether a look costs so little that it may happen with every commit.
    pub(super) fn light(&self) -> bool {
        self.changed <= FEW
    }

    /// The monitor.
    pub(super) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Looks at what was absorbed, and at the clock. With many keys that takes a while; `between` is called in the
    /// middle of it.
    pub(super) fn look(&mut self, now: Timestamp, mut between: impl FnMut(&Monitor)) -> Seen {
        let mut alerts = self.monitor.tick_with(now, &mut between);
        for alert in &mut alerts {
            alert.links.page = self.http.as_ref().and_then(|http| http.page_of(&alert.id));
        }
        let key_state = self.monitor.dirty_with(&mut between);
        self.changed = key_state.len();
        for alert in &alerts {
            let key = alert.key.as_ref().map(|k| format!(" [{}:{}]", k.kind, k.tag)).unwrap_or_default();
            tracing::info!("alert {} {}{key}, id {}", alert.kind, word(alert), alert.id);
        }
        let outbox = self.teller.messages(&alerts, now);
        Seen { key_state, alerts, outbox }
    }
}

/// What the monitor of `config` watches.
pub(super) fn watch(config: &Config, sources: &[String]) -> Result<Watch, WatcherError> {
    Ok(Watch {
        geo: config.geoip.read()?,
        detect: config.detect.clone(),
        calendars: config.calendars.clone(),
        keys: config.keys.clone(),
        sources: sources.to_vec(),
        host: host(),
    })
}

fn word(alert: &Alert) -> &'static str {
    match alert.status {
        crate::alert::Status::Firing => "firing",
        crate::alert::Status::Resolved => "resolved",
    }
}

/// Why watching cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WatcherError {
    /// Detectors, calendars or keys as configured make no sense.
    #[error(transparent)]
    Config(#[from] WatchError),
    /// Databases of where addresses are.
    #[error(transparent)]
    Geoip(#[from] GeoipError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This machine's name.
pub(super) fn host() -> String {
    host_name().unwrap_or_else(|| "localhost".to_owned())
}
