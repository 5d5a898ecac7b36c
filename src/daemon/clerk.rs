//! The thread that keeps the records: what was noted goes into the audit log, what was counted is noted now and then, and
//! what has been kept long enough is removed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::clock::now;
use super::inputs::spawn;
use crate::audit::{AuditConfig, AuditKey};
use crate::redact::Redactor;
use crate::store::{RetentionConfig, Store, StoreError};
use crate::telemetry::Counters;
use crate::units::Timestamp;

/// How often notes are written to the log.
const EVERY: Duration = Duration::from_secs(1);

/// How often what is old is removed.
const MAINTAIN: Duration = Duration::from_secs(3_600);

/// How often the whole log is proved.
const VERIFY: Duration = Duration::from_secs(24 * 3_600);

/// Counts are noted no more often than this.
const SHORTEST: Duration = Duration::from_secs(60);

/// What the clerk works with; told the time, so that years can be tested in a moment.
pub(super) struct Clerk {
    store: Arc<Store>,
    keep: RetentionConfig,
    counts_every: Duration,
    counters: Arc<Counters>,
    /// Ids by rule number.
    rules: Vec<String>,
    before: Counted,
    counted: Timestamp,
    maintained: Timestamp,
    verified: Timestamp,
    /// What went wrong last, so that it is said once.
    failed: Option<String>,
    broken: Arc<Mutex<Option<String>>>,
}

/// What had been counted at some moment.
#[derive(Default)]
struct Counted {
    lines: u64,
    bytes: u64,
    redactions: BTreeMap<usize, u64>,
    withheld: BTreeMap<&'static str, u64>,
}

impl Counted {
    fn read(counters: &Counters) -> Self {
        Self {
            lines: counters.lines.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            redactions: counters.redactions().map(|(rule, n)| (usize::from(rule.0), n)).collect(),
            withheld: counters.withheld_by_reason().into_iter().collect(),
        }
    }
}

impl Clerk {
    pub(super) fn new(
        store: Arc<Store>,
        keep: RetentionConfig,
        audit: &AuditConfig,
        counters: Arc<Counters>,
        redactor: &Redactor,
        now: Timestamp,
    ) -> Self {
        let rules = redactor.rules().iter().map(|rule| rule.id.clone()).collect();
        let before = Counted::read(&counters);
        let counts_every = audit.counts_every.max(SHORTEST);
        // what is old may be old already at the start, and what is broken broken
        let long_ago = Timestamp(0);
        Self {
            store,
            keep,
            counts_every,
            counters,
            rules,
            before,
            counted: now,
            maintained: long_ago,
            verified: long_ago,
            failed: None,
            broken: Arc::default(),
        }
    }

    /// Where it is put what is wrong with the log.
    pub(super) fn broken(&self) -> Arc<Mutex<Option<String>>> {
        Arc::clone(&self.broken)
    }

    fn is_broken(&self, why: String) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Does what is due.
    pub(super) fn work(&mut self, now: Timestamp) {
        let done = self.due(now);
        match done {
            Ok(()) => self.failed = None,
            Err(error) => {
                let error = error.to_string();
                if self.failed.as_ref() != Some(&error) {
                    tracing::error!("records cannot be kept: {error}; trying again");
                    self.is_broken(format!("it cannot be written: {error}; what is to be recorded waits"));
                    self.failed = Some(error);
                }
            }
        }
    }

    fn due(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if now.since(self.counted) >= self.counts_every {
            self.count(now)?;
        }
        if now.since(self.maintained) >= MAINTAIN {
            self.maintained = now;
            self.store.maintain(&self.keep, now)?;
        }
        self.store.flush_audit()?;
        if now.since(self.verified) >= VERIFY {
            self.verified = now;
            self.verify()?;
        }
        Ok(())
    }

    /// Looks whether the log is as it was written, and has somebody told when it is not.
    fn verify(&self) -> Result<(), StoreError> {
        let Some(key) = AuditKey::find(self.store.dir())? else { return Ok(()) };
        let report = self.store.verify_audit(&key, &[])?;
        if let Some(first) = report.findings.first() {
            let more = report.findings.len() - 1;
            let more = if more > 0 { format!(", and {more} more places") } else { String::new() };
            let why = format!("record {} was {} ({}{more})", first.seq, first.damage, first.place);
            tracing::error!("the audit log is not as it was written: {why}");
            self.is_broken(why);
        }
        Ok(())
    }

    /// Notes what was counted since the last time.
    fn count(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let after = Counted::read(&self.counters);
        let lines = after.lines - self.before.lines.min(after.lines);
        if lines > 0 {
            let id = |rule: usize| self.rules.get(rule).map_or("unknown", String::as_str).to_owned();
            let more = |n: u64, before: Option<&u64>| n - before.copied().unwrap_or(0).min(n);
            let replaced =
                after.redactions.iter().map(|(rule, n)| (id(*rule), more(*n, self.before.redactions.get(rule))));
            let withheld =
                after.withheld.iter().map(|(why, n)| ((*why).to_owned(), more(*n, self.before.withheld.get(why))));
            let data = json!({
                "from": self.counted,
                "to": now,
                "lines": lines,
                "bytes": after.bytes - self.before.bytes.min(after.bytes),
                "redactions": some(replaced),
                "withheld": some(withheld),
            });
            self.store.audit("redactions", &data, now)?;
        }
        (self.before, self.counted) = (after, now);
        Ok(())
    }

    /// The last things, before the end.
    fn finish(&mut self, now: Timestamp) {
        let done = self.count(now).and_then(|()| self.store.flush_audit());
        if let Err(error) = done {
            tracing::error!("the last records could not be kept: {error}; what was noted is kept at the next start");
        }
    }
}

/// Those that are not zero.
fn some(counts: impl Iterator<Item = (String, u64)>) -> Value {
    counts.filter(|(_, n)| *n > 0).map(|(name, n)| (name, json!(n))).collect()
}

/// The clerk at work.
pub(super) struct Desk {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Desk {
    pub(super) fn open(mut clerk: Clerk) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = spawn("clerk", move || {
            clerk.work(now());
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                clerk.work(now());
            }
            clerk.finish(now());
        })?;
        Ok(Self { stop, thread })
    }

    /// Writes what was noted until now, and ends.
    pub(super) fn close(self) {
        drop(self.stop);
        let _it_has_said_so = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::records;
    use crate::redact::{PseudonymKey, Redacted};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn counts_are_noted_and_the_audit_log_is_kept_for_a_year() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = Timestamp::from_secs(1_777_636_800);
        let store = Arc::new(Store::open(dir.path(), at).unwrap());
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        let counters = Arc::new(Counters::new(redactor.rules().len()));
        let keep = RetentionConfig::default();
        let mut clerk =
            Clerk::new(Arc::clone(&store), keep, &AuditConfig::default(), Arc::clone(&counters), &redactor, at);
        let mut out = Redacted::default();
        redactor.worker().redact(b"{\"password\":\"hunter2hunter2\"}\nnothing\n", &mut out);
        for _ in 0..380 {
            counters.add(100, 2, &out);
            at = at.plus(HOUR * 24);
            clerk.work(at);
            // a quiet hour is not worth a record
            clerk.work(at.plus(HOUR));
        }
        let mut seen = Vec::new();
        records(dir.path(), |record, _| seen.push(record)).unwrap();
        let counts: Vec<_> = seen.iter().filter(|r| r.what == "redactions").collect();
        assert!((365..=367).contains(&counts.len()), "{}: a record a day, of the last year", counts.len());
        assert_eq!((&counts[0].data["lines"], &counts[0].data["bytes"]), (&json!(2), &json!(100)));
        assert_eq!(counts[0].data["redactions"].as_object().unwrap().values().collect::<Vec<_>>(), [&json!(1)]);
        assert!(seen.iter().any(|r| r.what == "retention.audit"));
        let key = AuditKey::find(dir.path()).unwrap().unwrap();
        assert!(store.verify_audit(&key, &[]).unwrap().is_whole());
        counters.add(50, 2, &out);
        clerk.finish(at.plus(Duration::from_secs(5)));
        let mut last = None;
        records(dir.path(), |record, _| last = Some(record)).unwrap();
        assert_eq!(last.unwrap().data["bytes"], json!(50), "the last part of an hour is not lost");
        assert_eq!(*clerk.broken().lock().unwrap(), None);
        let file = std::fs::read_dir(dir.path().join("audit")).unwrap().map(|e| e.unwrap().path());
        let file = file.filter(|p| p.extension().is_some()).max().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("\"lines\":2", "\"lines\":3", 1)).unwrap();
        clerk.work(at.plus(HOUR * 25));
        let why = clerk.broken().lock().unwrap().clone();
        assert!(why.as_deref().is_some_and(|why| why.contains("was edited (audit-")), "{why:?}");
    }
}
