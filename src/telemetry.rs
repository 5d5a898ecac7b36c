//! What the program counts about itself, and the guard rails of the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::redact::{Redacted, RuleId};

/// Counters that every thread adds to, once a chunk.
#[derive(Default)]
pub struct Counters {
    /// Lines read, withheld ones included.
    pub lines: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// Redactions by rule number.
    redactions: Vec<AtomicU64>,
    /// Lines withheld by reason.
    withheld: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    /// Counters for this many rules, all zero.
    pub fn new(rules: usize) -> Self {
        Self { redactions: (0..rules).map(|_| AtomicU64::new(0)).collect(), ..Self::default() }
    }

    /// Counts a chunk: `read` bytes came in, `out` goes out.
    pub fn add(&self, read: usize, out: &Redacted) {
        self.lines.fetch_add(out.line_count() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        self.bytes_out.fetch_add(out.bytes().len() as u64, Ordering::Relaxed);
        for finding in out.findings() {
            if let Some(counter) = self.redactions.get(usize::from(finding.rule.0)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        for (_, reason) in out.withheld() {
            *self.withheld.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
        }
    }

    /// Redactions by rule, the zeros left out.
    pub fn redactions(&self) -> impl Iterator<Item = (RuleId, u64)> {
        let all = self.redactions.iter().map(|n| n.load(Ordering::Relaxed));
        (0..).map(RuleId).zip(all).filter(|(_, n)| *n > 0)
    }

    /// Lines withheld by reason.
    pub fn withheld_by_reason(&self) -> Vec<(&'static str, u64)> {
        let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        withheld.iter().map(|(reason, n)| (*reason, *n)).collect()
    }
}

/// Keeps what the process has in memory out of panic messages and core dumps.
///
/// A panic message can quote the data it stumbled on, so only the place is written.
pub fn guard_process() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!("internal error at {place}; the lines it concerns are withheld");
    }));
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!("core dumps stay enabled: {error}");
    }
}
