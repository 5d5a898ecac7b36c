//! What outlives a reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::retained::{Held, Retained};
use crate::alert;
use crate::line::SourceId;
use crate::net::Sockets;
use crate::redact::{Redactor, RuleId};
use crate::sources::{Meter, StdinReader};
use crate::telemetry::{Counters, Reloads};

/// What outlives a reload: what was read of standard input, the sockets that clients know, and what was counted.
#[derive(Clone, Default)]
pub struct Lasting {
    /// Standard input.
    pub stdin: StdinReader,
    /// Listening sockets.
    pub sockets: Sockets,
    /// How the last reading of the configuration went.
    pub reloads: Reloads,
    /// Which part of the service this process is.
    pub part: Part,
    kept: Arc<Mutex<Kept>>,
}

/// Which part of the service a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// What reads logs and has no network: what is to be sent waits for a notifier.
    Core,
}

/// Counters of a daemon, for the next one.
#[derive(Default)]
struct Kept {
    /// Ids by rule number.
    rules: Vec<String>,
    all: Option<Arc<Counters>>,
    by_source: BTreeMap<String, Arc<Counters>>,
    meters: BTreeMap<String, Arc<Meter>>,
    monitor: alert::Counters,
    /// What could not be made durable and cannot be sent again, with the names of its sources.
    left: Vec<(String, Held)>,
}

impl Lasting {
    /// Nothing yet, in a process that is this part.
    pub fn of(part: Part) -> Self {
        Self { part, ..Self::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counters that go on where those of the last daemon ended: of everything, and of each of `sources`.
    pub(super) fn counters(&self, sources: &[String], redactor: &Redactor) -> (Arc<Counters>, Vec<Arc<Counters>>) {
        let mut kept = self.kept();
        let rules: Vec<String> = redactor.rules().iter().map(|rule| rule.id.clone()).collect();
        let places: BTreeMap<&str, u16> = rules.iter().map(String::as_str).zip(0..).collect();
        let now_called = |old: RuleId| {
            let id = kept.rules.get(usize::from(old.0))?;
            places.get(id.as_str()).copied().map(RuleId)
        };
        let go_on = |new: Counters, old: Option<&Arc<Counters>>| {
            old.into_iter().for_each(|old| new.go_on(old, now_called));
            Arc::new(new)
        };
        let all = go_on(Counters::new(rules.len()), kept.all.as_ref());
        let one = |name: &String| go_on(Counters::new(rules.len()).with_fields(), kept.by_source.get(name));
        let by_source: Vec<Arc<Counters>> = sources.iter().map(one).collect();
        kept.by_source = sources.iter().cloned().zip(by_source.iter().cloned()).collect();
        (kept.all, kept.rules) = (Some(Arc::clone(&all)), rules);
        (all, by_source)
    }

    /// The meter of a source.
    pub(super) fn meter(&self, source: &str) -> Arc<Meter> {
        Arc::clone(self.kept().meters.entry(source.to_owned()).or_default())
    }

    /// Leaves what could not be made durable for the next daemon; `sources` are the names of sources by number.
    pub(super) fn leave(&self, sources: &[String], retained: Retained) {
        let (chunks, lost) = retained.rest();
        if lost > 0 {
            tracing::error!("{lost} lines that cannot be sent again were lost with the output: too much was waiting");
        }
        let name = |chunk: &Held| sources.get(usize::from(chunk.source.0)).cloned().unwrap_or_default();
        self.kept().left.extend(chunks.into_iter().map(|chunk| (name(&chunk), chunk)));
    }

    /// What a daemon before has left, with the number that its source has in `sources` now.
    pub(super) fn take_left(&self, sources: &[String]) -> Vec<Held> {
        let mut all = Vec::new();
        for (name, chunk) in std::mem::take(&mut self.kept().left) {
            match (0..).map(SourceId).zip(sources).find(|(_, s)| **s == name) {
                Some((source, _)) => all.push(Held { source, ..chunk }),
                None => tracing::error!("{} lines of source {name} are lost: it is gone", chunk.redacted.line_count()),
            }
        }
        all
    }

    /// What monitors before have counted.
    pub(super) fn monitor(&self) -> alert::Counters {
        self.kept().monitor
    }

    /// Keeps what a monitor and those before it have counted.
    pub(super) fn keep_monitor(&self, counters: alert::Counters) {
        self.kept().monitor = counters;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::redact::{PseudonymKey, Redacted};

    #[test]
    fn counters_go_on_also_where_rules_have_other_numbers() {
        let key = || PseudonymKey::new(0, b"k");
        let pack = "pack = \"mine\"\n[[rule]]\nid = \"aaa\"\ntype = \"AAA\"\ndescription = \"A\"\nprefixes = [\"aaa_\"]\npattern = 'aaa_[a-z]{20}'\n";
        let packs = [("mine.toml".to_owned(), pack.to_owned())];
        let with = Redactor::configured(key(), &packs, &crate::redact::RedactConfig::default()).unwrap();
        let without = Redactor::new(key());
        let lasting = Lasting::default();
        let names = ["app".to_owned()];
        let mut out = Redacted::default();
        let line = b"aaa_abcdefghijklmnopqrst and password=hunter2hunter2\n";
        let by_id = |redactor: &Redactor, counters: &Counters| -> BTreeMap<String, u64> {
            counters.redactions().map(|(rule, n)| (redactor.rule(rule).id.clone(), n)).collect()
        };
        with.worker().redact(line, &mut out);
        let (all, by_source) = lasting.counters(&names, &with);
        all.add(line.len(), 1, &out);
        by_source[0].add(line.len(), 1, &out);
        let first = by_id(&with, &all);
        assert!(first.len() == 2 && first["aaa"] == 1, "{first:?}");
        let (all, by_source) = lasting.counters(&names, &without);
        assert_eq!((all.lines.load(Ordering::Relaxed), by_id(&without, &all).len()), (1, 1));
        assert_eq!(by_source[0].by_field().len(), 1);
        without.worker().redact(line, &mut out);
        all.add(line.len(), 1, &out);
        let (all, _) = lasting.counters(&names, &with);
        assert_eq!(all.lines.load(Ordering::Relaxed), 2);
        assert!(by_id(&with, &all).values().all(|n| *n == 2) && by_id(&with, &all).len() == 1);
        let (a, b) = (lasting.meter("app"), lasting.meter("app"));
        assert!(Arc::ptr_eq(&a, &b));
    }
}
