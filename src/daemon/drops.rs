//! What was dropped because the output is slow: counted, told in the log, and kept for an alert.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pipeline::Clean;
use crate::sources::Meter;
use crate::telemetry::{Counters, lines_and_broken};

/// How often it is told how much was dropped.
const SPAN: Duration = Duration::from_secs(10);

/// Drops that lie this far apart have nothing to do with each other.
const QUIET: Duration = Duration::from_secs(60);

/// Drops of all sources.
pub(super) struct Drops {
    /// Whether any source may drop lines.
    any: bool,
    counters: Arc<Counters>,
    /// The same by source number, where somebody may ask.
    by_source: Vec<Arc<Counters>>,
    /// By source number.
    sources: Vec<Source>,
}

struct Source {
    name: String,
    meter: Arc<Meter>,
    spell: Mutex<Spell>,
}

/// Drops that belong together.
#[derive(Default)]
struct Spell {
    lines: u64,
    last: Option<Instant>,
    /// Not in the log yet.
    untold: u64,
    told: Option<Instant>,
    /// Not in an alert yet.
    news: bool,
}

impl Drops {
    /// Nothing yet, of the sources with these names and meters; `any` of which may drop lines.
    pub(super) fn new(
        counters: &Arc<Counters>,
        by_source: &[Arc<Counters>],
        meters: &[(String, Arc<Meter>)],
        any: bool,
    ) -> Arc<Self> {
        let source = |(name, meter): &(String, Arc<Meter>)| Source {
            name: name.clone(),
            meter: Arc::clone(meter),
            spell: Mutex::default(),
        };
        let sources = meters.iter().map(source).collect();
        Arc::new(Self { any, counters: Arc::clone(counters), by_source: by_source.to_vec(), sources })
    }

    /// Whether any source may drop lines.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// Counts a chunk that was dropped at `now`.
    pub(super) fn dropped(&self, clean: &Clean, now: Instant) {
        let n = usize::from(clean.ack.source.0);
        let (mine, (lines, broken)) = (self.by_source.get(n), lines_and_broken(&clean.redacted));
        for counters in [Some(&self.counters), mine].into_iter().flatten() {
            counters.add_unwritten(clean.read, lines, &clean.redacted);
            counters.read_as(clean.events, broken);
        }
        let Some(source) = self.sources.get(n) else { return };
        source.meter.dropped_lines.fetch_add(lines, Ordering::Relaxed);
        let mut spell = source.spell();
        if spell.last.is_none_or(|last| now.duration_since(last) >= QUIET) {
            spell.lines = 0;
        }
        spell.lines += lines;
        spell.untold += lines;
        (spell.last, spell.news) = (Some(now), true);
        source.tell(&mut spell, now, SPAN);
    }

    /// Tells in the log what is not told yet: when the last time is [`SPAN`] ago, or at once when `all` is to be told.
    pub(super) fn tell(&self, now: Instant, all: bool) {
        let span = if all { Duration::ZERO } else { SPAN };
        self.sources.iter().for_each(|source| source.tell(&mut source.spell(), now, span));
    }

    /// Sources that dropped lines since this was asked last, with how many it were since it began.
    pub(super) fn news(&self) -> Vec<(&str, u64)> {
        let mut all = Vec::new();
        for source in &self.sources {
            let mut spell = source.spell();
            if std::mem::take(&mut spell.news) {
                all.push((source.name.as_str(), spell.lines));
            }
        }
        all
    }
}

impl Source {
    fn spell(&self) -> MutexGuard<'_, Spell> {
        self.spell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, spell: &mut Spell, now: Instant, span: Duration) {
        if spell.untold > 0 && spell.told.is_none_or(|told| now.duration_since(told) >= span) {
            let lines = std::mem::take(&mut spell.untold);
            spell.told = Some(now);
            tracing::warn!("source {}: the output is too slow: {lines} lines were dropped", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Ack, SourceId};
    use crate::redact::{PseudonymKey, Redacted, Redactor};
    use crate::units::Timestamp;

    #[test]
    fn drops_are_counted_and_a_quiet_minute_ends_a_spell() {
        let counters = Arc::new(Counters::new(2_000));
        let meters = [("app".to_owned(), Arc::default()), ("tcp".to_owned(), Arc::<Meter>::default())];
        let drops = Drops::new(&counters, &[], &meters, true);
        let mut redacted = Redacted::default();
        let text = b"one\npassword=hunter2hunter2\n";
        Redactor::new(PseudonymKey::new(0, b"k")).worker().redact(text, &mut redacted);
        let ack = Ack { source: SourceId(1), ..Ack::default() };
        let clean = Clean { ack, arrived: Timestamp(0), read: text.len(), redacted, events: 1 };
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        drops.dropped(&clean, at(0));
        drops.dropped(&clean, at(1));
        assert_eq!((drops.news(), drops.news()), (vec![("tcp", 4)], vec![]));
        drops.dropped(&clean, at(60));
        assert_eq!(drops.news(), [("tcp", 6)]);
        drops.dropped(&clean, at(120));
        assert_eq!(drops.news(), [("tcp", 2)]);
        assert_eq!(meters[1].1.dropped_lines.load(Ordering::Relaxed), 8);
        let get = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        assert_eq!((get(&counters.lines), get(&counters.bytes), get(&counters.bytes_out)), (8, 4 * 28, 0));
        assert_eq!(counters.redactions().map(|(_, n)| n).sum::<u64>(), 4);
        // the first is told at once, those of the next ten seconds together
        drops.tell(at(125), false);
        assert_eq!(drops.sources[1].spell().untold, 0);
    }
}
