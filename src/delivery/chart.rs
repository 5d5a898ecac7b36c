//! What many alerts look like together: how many of each kind, and when they began.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clean;
use crate::alert::{Alert, Status};
use crate::units::Timestamp;

/// Spans of a day that are told apart.
const HOURS: usize = 24;

/// One hour, in seconds.
const HOUR: u64 = 3_600;

/// Counts behind a message that stands for many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chart {
    /// The most frequent kind first.
    pub kinds: Vec<KindCount>,
    /// How many began in each of the last 24 hours, the oldest first; empty when they all began within two hours.
    pub hours: Vec<u64>,
}

/// How many alerts of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KindCount {
    /// The kind.
    pub kind: String,
    /// All of it.
    pub all: u64,
    /// Those that are over.
    pub over: u64,
}

impl KindCount {
    /// `12 volume_spike (2 resolved)`.
    pub(super) fn words(&self) -> String {
        let over = if self.over > 0 { format!(" ({} resolved)", self.over) } else { String::new() };
        format!("{} {}{over}", self.all, self.kind)
    }
}

impl Chart {
    /// Counts `alerts` up to `at`.
    pub(super) fn new(alerts: &[Alert], at: Timestamp) -> Self {
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut hours = vec![0; HOURS];
        for alert in alerts {
            let (all, over) = kinds.entry(&alert.kind).or_default();
            *all += 1;
            *over += u64::from(alert.status == Status::Resolved);
            let ago = at.since(alert.starts_at).as_secs() / HOUR;
            if let Some(hour) = usize::try_from(ago).ok().and_then(|ago| (HOURS - 1).checked_sub(ago)) {
                hours[hour] += 1;
            }
        }
        let count = |(kind, (all, over)): (&str, _)| KindCount { kind: clean::line(kind, 60), all, over };
        let mut kinds: Vec<KindCount> = kinds.into_iter().map(count).collect();
        kinds.sort_by_key(|k| std::cmp::Reverse(k.all));
        let old = |alert: &Alert| at.since(alert.starts_at) >= Duration::from_secs(2 * HOUR);
        if !alerts.iter().any(old) {
            hours.clear();
        }
        Self { kinds, hours }
    }
}

/// A line of block characters, one a value; the highest stands for the most. What is not zero can be told from zero.
pub(super) fn sparkline(values: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let block = |v: &u64| match *v {
        0 => BLOCKS[0],
        v => BLOCKS[1 + ((v - 1) as f64 / (most - 1).max(1) as f64 * 6.0).round() as usize],
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::alert;

    #[test]
    fn hours_are_counted_from_the_end_and_kinds_by_how_many() {
        let at = alert().starts_at.plus(Duration::from_secs(5 * HOUR + 10));
        let mut many = vec![alert(); 3];
        many[0].kind = "new_ip".to_owned();
        many[0].starts_at = at;
        many[1].status = Status::Resolved;
        let chart = Chart::new(&many, at);
        assert_eq!(
            chart.kinds.iter().map(KindCount::words).collect::<Vec<_>>(),
            ["2 volume_spike (1 resolved)", "1 new_ip"]
        );
        assert_eq!((chart.hours[23], chart.hours[18], chart.hours.iter().sum::<u64>()), (1, 2, 3));
        assert!(Chart::new(&[alert()], alert().starts_at).hours.is_empty(), "a storm has no hours");
    }

    #[test]
    fn sparklines_have_a_place_for_every_value() {
        assert_eq!(sparkline(&[0, 1, 2, 50, 100]), "▁▂▂▅█");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
        assert_eq!(sparkline(&[1, 1]), "▂▂");
        assert_eq!(sparkline(&[u64::MAX, 1]).chars().count(), 2);
    }
}
