//! Everything that is shown, in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::board::Board;
use super::story::Stories;
use crate::delivery::Counts;
use crate::redact::Redactor;
use crate::rules::Severity;
use crate::sources::Meter;
use crate::store::Store;
use crate::telemetry::{Counters, Reloads};
use crate::units::Timestamp;

/// A source, as it is shown.
pub struct SourceFace {
    /// Its name in the configuration.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// What it has seen and turned away.
    pub meter: Arc<Meter>,
}

/// A rule, as it is shown.
pub struct RuleFace {
    /// Its id.
    pub id: String,
    /// The label's type.
    pub kind: String,
    /// What it finds.
    pub description: String,
    /// How bad a find is.
    pub severity: Severity,
}

/// A receiver, as it is shown.
pub struct ReceiverFace {
    /// Its name in the configuration.
    pub name: String,
    /// Its type.
    pub kind: String,
}

/// What the window shows.
pub struct Face {
    /// This machine's name.
    pub host: String,
    /// When the service was started or reloaded.
    pub started: Timestamp,
    /// What tells the time.
    pub clock: fn() -> Timestamp,
    /// Everything counted together.
    pub counters: Arc<Counters>,
    /// The sources, by number.
    pub sources: Vec<SourceFace>,
    /// The rules, by number.
    pub rules: Vec<RuleFace>,
    /// The receivers.
    pub receivers: Vec<ReceiverFace>,
    /// What the receivers have done.
    pub sent: Box<dyn Fn() -> Vec<Counts> + Send + Sync>,
    /// A connection of our own to the state, so that nobody waits for us.
    pub store: Store,
    /// What the monitor says.
    pub board: Arc<Board>,
    /// What keys did.
    pub stories: Stories,
    /// What redacts the words of operators before they are kept.
    pub redactor: Redactor,
    /// How the last reading of the configuration went.
    pub reloads: Reloads,
}

/// Reads a counter.
pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Face {
    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Bytes that are there and were not read yet, of all sources.
    pub(super) fn lag(&self) -> u64 {
        self.sources.iter().map(|s| get(&s.meter.lag_bytes)).sum()
    }

    /// How many redactions there were.
    pub(super) fn redactions(&self) -> u64 {
        self.counters.redactions().map(|(_, n)| n).sum()
    }
}
