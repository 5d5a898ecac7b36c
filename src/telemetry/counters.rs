//! What the program counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::redact::{Redacted, RuleId, pointer_at};

/// Counters that every thread adds to, once a chunk.
#[derive(Default)]
pub struct Counters {
    /// Lines read, withheld ones included.
    pub lines: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// Lines that were read as events.
    pub events: AtomicU64,
    /// Lines that begin as a JSON object and do not end as one.
    pub invalid_json: AtomicU64,
    /// All latencies together, in microseconds.
    latency_sum: AtomicU64,
    /// Redactions by rule number.
    redactions: Vec<AtomicU64>,
    /// Redactions by JSON pointer, where somebody asked for them.
    fields: Option<Mutex<BTreeMap<String, u64>>>,
    /// Lines withheld by reason.
    withheld: Mutex<BTreeMap<&'static str, u64>>,
    /// From read to written, in microseconds, by line.
    latency: Option<Mutex<Histogram<u64>>>,
}

/// Most fields that are counted apart; the rest is counted together.
const FIELDS: usize = 1_000;

/// The longest latency that is told apart, in microseconds: one hour.
const LONGEST: u64 = 3_600_000_000;

impl Counters {
    /// Counters for this many rules, all zero.
    pub fn new(rules: usize) -> Self {
        Self {
            redactions: (0..rules).map(|_| AtomicU64::new(0)).collect(),
            // two digits: 1 % and about 20 KiB
            latency: Histogram::new_with_bounds(1, LONGEST, 2).ok().map(Mutex::new),
            ..Self::default()
        }
    }

    /// Counts redactions by field too, which takes a walk over each line that was changed.
    #[must_use]
    pub fn with_fields(mut self) -> Self {
        self.fields = Some(Mutex::default());
        self
    }

    /// Goes on from what `old` has counted; `now_called` says which number one of its rules has here, if any.
    pub fn go_on(&self, old: &Self, now_called: impl Fn(RuleId) -> Option<RuleId>) {
        let pairs = [
            (&self.lines, &old.lines),
            (&self.bytes, &old.bytes),
            (&self.bytes_out, &old.bytes_out),
            (&self.events, &old.events),
            (&self.invalid_json, &old.invalid_json),
            (&self.latency_sum, &old.latency_sum),
        ];
        for (mine, old) in pairs {
            mine.fetch_add(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        for (rule, n) in old.redactions() {
            let mine = now_called(rule).and_then(|rule| self.redactions.get(usize::from(rule.0)));
            if let Some(mine) = mine {
                mine.fetch_add(n, Ordering::Relaxed);
            }
        }
        if let Some(fields) = &self.fields {
            let mut fields = fields.lock().unwrap_or_else(PoisonError::into_inner);
            old.by_field().into_iter().for_each(|(field, n)| *fields.entry(field).or_default() += n);
        }
        old.withheld_by_reason().into_iter().for_each(|(reason, n)| self.add_withheld(reason, n));
        if let (Some(mine), Some(old)) = (&self.latency, &old.latency) {
            let old = old.lock().unwrap_or_else(PoisonError::into_inner);
            // both have the same bounds
            let _fits = mine.lock().unwrap_or_else(PoisonError::into_inner).add(&*old);
        }
    }

    /// Counts a chunk of `lines` lines: `read` bytes came in, `out` goes out.
    pub fn add(&self, read: usize, lines: u64, out: &Redacted) {
        self.bytes_out.fetch_add(out.bytes().len() as u64, Ordering::Relaxed);
        self.add_unwritten(read, lines, out);
    }

    /// The same for a chunk that does not go out.
    pub fn add_unwritten(&self, read: usize, lines: u64, out: &Redacted) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        for finding in out.findings() {
            if let Some(counter) = self.redactions.get(usize::from(finding.rule.0)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Some(fields) = &self.fields
            && !out.findings().is_empty()
        {
            count_fields(out, &mut fields.lock().unwrap_or_else(PoisonError::into_inner));
        }
        for (_, reason) in out.withheld() {
            *self.withheld.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
        }
    }

    /// Counts a chunk that another process of ours has redacted, by what that process says of it.
    pub fn add_counts(&self, read: usize, written: usize, lines: u64, redactions: &[(RuleId, u64)]) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        self.bytes_out.fetch_add(written as u64, Ordering::Relaxed);
        for (rule, n) in redactions {
            if let Some(counter) = self.redactions.get(usize::from(rule.0)) {
                counter.fetch_add(*n, Ordering::Relaxed);
            }
        }
    }

    /// Counts `n` lines that were withheld.
    pub fn add_withheld(&self, reason: &'static str, n: u64) {
        if n > 0 {
            *self.withheld.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += n;
        }
    }

    /// Counts `lines` lines that took this long from read to written.
    pub fn latency(&self, took: Duration, lines: u64) {
        if let Some(latency) = &self.latency {
            let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST).min(LONGEST);
            self.latency_sum.fetch_add(micros.saturating_mul(lines), Ordering::Relaxed);
            latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record_n(micros, lines);
        }
    }

    /// The latency that this share of lines (0 to 1) stays within.
    pub fn latency_within(&self, share: f64) -> Option<Duration> {
        let latency = self.latency.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        (!latency.is_empty()).then(|| Duration::from_micros(latency.value_at_quantile(share)))
    }

    /// How many lines took at most as long as each of `bounds` (ascending, in microseconds; to about 1 %), how many were
    /// measured, and the sum of their latencies.
    pub fn latency_buckets(&self, bounds: &[u64]) -> (Vec<u64>, u64, Duration) {
        let sum = Duration::from_micros(self.latency_sum.load(Ordering::Relaxed));
        let Some(latency) = &self.latency else { return (vec![0; bounds.len()], 0, sum) };
        let latency = latency.lock().unwrap_or_else(PoisonError::into_inner);
        let mut below = vec![0; bounds.len()];
        for step in latency.iter_recorded() {
            let first = bounds.partition_point(|b| *b < step.value_iterated_to());
            for n in below.iter_mut().skip(first) {
                *n += step.count_since_last_iteration();
            }
        }
        (below, latency.len(), sum)
    }

    /// Counts events, and lines of JSON that break off.
    pub fn read_as(&self, events: u64, broken: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
        if broken > 0 {
            self.invalid_json.fetch_add(broken, Ordering::Relaxed);
        }
    }

    /// Redactions by rule, the zeros left out.
    pub fn redactions(&self) -> impl Iterator<Item = (RuleId, u64)> {
        let all = self.redactions.iter().map(|n| n.load(Ordering::Relaxed));
        (0..).map(RuleId).zip(all).filter(|(_, n)| *n > 0)
    }

    /// Redactions by JSON pointer (array places as `*`), when they are counted.
    pub fn by_field(&self) -> BTreeMap<String, u64> {
        let fields = self.fields.as_ref().map(|f| f.lock().unwrap_or_else(PoisonError::into_inner).clone());
        fields.unwrap_or_default()
    }

    /// Lines withheld by reason.
    pub fn withheld_by_reason(&self) -> Vec<(&'static str, u64)> {
        let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        withheld.iter().map(|(reason, n)| (*reason, *n)).collect()
    }
}

/// How many lines there are, and how many of them are JSON that breaks off.
pub fn lines_and_broken(out: &Redacted) -> (u64, u64) {
    out.lines().fold((0, 0), |(all, broken), line| (all + 1, broken + u64::from(breaks_off(line.bytes()))))
}

fn breaks_off(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.first() == Some(&b'{') && line.last() != Some(&b'}')
}

fn count_fields(out: &Redacted, fields: &mut BTreeMap<String, u64>) {
    for line in out.lines() {
        for (start, ..) in line.findings() {
            let pointer = pointer_at(line.bytes(), start).unwrap_or_else(|| "(text)".to_owned());
            let steps = pointer.split('/').map(|s| {
                let place = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
                if place { "*" } else { s }
            });
            let field = steps.collect::<Vec<_>>().join("/");
            let known = fields.len() < FIELDS || fields.contains_key(&field);
            *fields.entry(if known { field } else { "(other)".to_owned() }).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    #[test]
    fn latencies_fall_into_their_buckets() {
        let counters = Counters::new(0);
        counters.latency(Duration::from_micros(90), 3);
        counters.latency(Duration::from_millis(2), 5);
        let (below, all, sum) = counters.latency_buckets(&[50, 100, 5_000]);
        assert_eq!((below, all, sum), (vec![0, 3, 8], 8, Duration::from_micros(10_270)));
    }

    #[test]
    fn json_that_breaks_off_is_counted() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        let mut out = Redacted::default();
        redactor.worker().redact(b"{\"a\":1}\n{\"a\":\nplain\n {\"b\":2} \r\n{\n", &mut out);
        let counters = Counters::new(0);
        counters.read_as(2, lines_and_broken(&out).1);
        assert_eq!((counters.events.into_inner(), counters.invalid_json.into_inner()), (2, 2));
    }

    #[test]
    fn fields_are_counted_where_asked() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        let mut out = Redacted::default();
        let lines =
            b"{\"a\":{\"password\":\"hunter2\"},\"m\":[\"x@example.com\",\"y@example.com\"]}\npassword=hunter2\n";
        redactor.worker().redact(lines, &mut out);
        let counters = Counters::new(redactor.rules().len()).with_fields();
        counters.add(lines.len(), out.line_count() as u64, &out);
        let got: Vec<_> = counters.by_field().into_iter().collect();
        assert_eq!(got, [("(text)".to_owned(), 1), ("/a/password".to_owned(), 1), ("/m/*".to_owned(), 2)]);
        let plain = Counters::new(redactor.rules().len());
        plain.add(lines.len(), 3, &out);
        assert!(plain.by_field().is_empty());
    }
}
