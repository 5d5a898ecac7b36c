//! History through the live code: events of several files, put in order of time, minute by minute.
//!
//! The caller reads the file that [`Replay::next`] names, redacts a chunk, and hands its events to [`Replay::add`].
//! Within a minute order does not matter, because tallies merge in any order; so files are merged by whole minutes, each
//! of which goes to the monitor once every file has moved past it. A line whose clock is far ahead of its file does not
//! move the file on, unless many others agree with it.

use std::collections::{BTreeMap, HashSet};

use super::monitor::Monitor;
use super::object::{Alert, AlertKey, Status, Urgency};
use super::watch::Counters;
use crate::event::Event;
use crate::redact::RedactedLine;
use crate::units::Timestamp;
use crate::window::{KeyId, Tally};

/// Minutes that a line may be behind its file.
const LATE: i64 = 10;

/// Minutes that a file may move on at once.
const LEAP: i64 = 60;

/// Lines in a row that must be further ahead before a file moves on by more.
const WITNESSES: u32 = 16;

/// How far one file has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Newest minute that is believed.
    at: Option<i64>,
    /// Lines in a row that were further ahead, and the earliest minute among them.
    ahead: (u32, i64),
    ended: bool,
}

impl Progress {
    fn see(&mut self, minute: i64) {
        let Some(at) = self.at else {
            self.at = Some(minute);
            return;
        };
        if minute <= at + LEAP {
            self.at = Some(at.max(minute));
            self.ahead.0 = 0;
            return;
        }
        let (n, earliest) = self.ahead;
        self.ahead = (n + 1, if n == 0 { minute } else { earliest.min(minute) });
        if self.ahead.0 >= WITNESSES {
            self.at = Some(self.ahead.1);
            self.ahead.0 = 0;
        }
    }
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every episode once, in order of its beginning; one that goes on at the end of history has no end.
    pub alerts: Vec<Alert>,
    /// What the monitor counted.
    pub counters: Counters,
    /// Days on which a key was used, summed over keys.
    pub key_days: u64,
    /// First and last minute of history.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Requests per key and hour, hours counted from 1970; only when asked for.
    pub charts: BTreeMap<KeyId, BTreeMap<i64, u32>>,
    /// Every key as alerts show it; only when charts were asked for.
    pub names: BTreeMap<KeyId, AlertKey>,
}

impl Report {
    /// Alerts of an urgency per 1000 key-days; the rate of false alarms when nothing was wrong.
    pub fn per_1000_key_days(&self, urgency: Urgency) -> f64 {
        let n = self.alerts.iter().filter(|a| a.urgency == urgency).count();
        n as f64 * 1000.0 / self.key_days.max(1) as f64
    }
}

/// See the module.
pub struct Replay {
    monitor: Monitor,
    files: Vec<Progress>,
    waiting: BTreeMap<i64, Tally>,
    /// Episodes by id, as last heard of.
    open: BTreeMap<String, Alert>,
    ended: Vec<Alert>,
    /// Keys used on the day at hand.
    today: (i64, HashSet<KeyId>),
    key_days: u64,
    span: Option<(i64, i64)>,
    charts: Option<BTreeMap<KeyId, BTreeMap<i64, u32>>>,
}

/// Keys of which the volume is kept for charts.
const MAX_CHARTS: usize = 2000;

impl Replay {
    /// Replays `files` files through `monitor`.
    pub fn new(monitor: Monitor, files: usize) -> Self {
        Self {
            monitor,
            files: vec![Progress::default(); files],
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            ended: Vec::new(),
            today: (0, HashSet::new()),
            key_days: 0,
            span: None,
            charts: None,
        }
    }

    /// Keeps the volume of each key per hour, for charts.
    pub fn with_charts(self) -> Self {
        Self { charts: Some(BTreeMap::new()), ..self }
    }

    /// The file to read from next: the one that is furthest back; `None` when all have ended.
    pub fn next(&self) -> Option<usize> {
        let open = self.files.iter().enumerate().filter(|(_, f)| !f.ended);
        open.min_by_key(|(_, f)| f.at).map(|(i, _)| i)
    }

    /// Takes one event of a file.
    pub fn add(&mut self, file: usize, event: &Event<'_>, line: RedactedLine<'_>) {
        let minute = event.time.secs().div_euclid(60);
        if let Some(progress) = self.files.get_mut(file) {
            progress.see(minute);
        }
        self.waiting.entry(minute).or_default().add(event, line);
    }

    /// Says that a file has ended.
    pub fn end(&mut self, file: usize) {
        if let Some(progress) = self.files.get_mut(file) {
            progress.ended = true;
        }
    }

    /// Lets the monitor see every minute that all files have passed, and gives the episodes that ended.
    pub fn advance(&mut self) -> Vec<Alert> {
        let open: Vec<Option<i64>> = self.files.iter().filter(|f| !f.ended).map(|f| f.at).collect();
        let until = match open.iter().min() {
            Some(Some(at)) => *at - LATE,
            Some(None) => return Vec::new(),
            None => self.last().map_or(i64::MIN, |m| m + 1),
        };
        let later = self.waiting.split_off(&until);
        let now = std::mem::replace(&mut self.waiting, later);
        for (minute, tally) in now {
            self.minute(minute, tally);
        }
        std::mem::take(&mut self.ended)
    }

    /// The newest minute that any file has come to.
    fn last(&self) -> Option<i64> {
        self.files.iter().filter_map(|f| f.at).max()
    }

    fn minute(&mut self, minute: i64, tally: Tally) {
        let day = minute.div_euclid(1440);
        if day != self.today.0 {
            self.key_days += self.today.1.len() as u64;
            self.today = (day, HashSet::new());
        }
        self.today.1.extend(tally.keys.keys());
        if let Some(charts) = &mut self.charts {
            for (id, delta) in &tally.keys {
                if charts.len() < MAX_CHARTS || charts.contains_key(id) {
                    let uses: u32 = delta.slices.iter().map(|s| s.counts.uses).sum();
                    *charts.entry(*id).or_default().entry(minute.div_euclid(60)).or_default() += uses;
                }
            }
        }
        let (first, last) = self.span.unwrap_or((minute, minute));
        self.span = Some((first.min(minute), last.max(minute)));
        self.monitor.absorb(tally);
        let alerts = self.monitor.tick(Timestamp::from_secs((minute + 1) * 60));
        self.hear(alerts);
    }

    fn hear(&mut self, alerts: Vec<Alert>) {
        for alert in alerts {
            if alert.status == Status::Resolved {
                self.open.remove(&alert.id);
                self.ended.push(alert);
            } else {
                self.open.insert(alert.id.clone(), alert);
            }
        }
    }

    /// The end of history, for somebody who only wants to learn from it: what is known about keys now, as rows to be
    /// stored. Nothing is firing.
    pub fn learned(mut self) -> Vec<(String, Vec<u8>)> {
        self.files.iter_mut().for_each(|f| f.ended = true);
        self.advance();
        self.monitor.episodes.clear();
        self.monitor.changed.clear();
        self.monitor.dirty()
    }

    /// The end of history. Alerts that [`Replay::advance`] has not given yet are in the report.
    pub fn finish(mut self) -> Report {
        self.files.iter_mut().for_each(|f| f.ended = true);
        let mut alerts = self.advance();
        // Lines whose clock was far ahead and that nothing caught up with.
        let mut counters = self.monitor.counters();
        counters.ahead += self.waiting.values().map(|t| t.events).sum::<u64>();
        alerts.extend(std::mem::take(&mut self.open).into_values());
        alerts.sort_by(|a, b| (a.starts_at, &a.id).cmp(&(b.starts_at, &b.id)));
        let at = |m: i64| Timestamp::from_secs(m * 60);
        let charts = self.charts.take().unwrap_or_default();
        let keys = self.monitor.keys();
        let names = charts.keys().filter_map(|id| Some((*id, self.monitor.describe(id, keys.get(id)?)))).collect();
        Report {
            charts,
            names,
            alerts,
            counters,
            key_days: self.key_days + self.today.1.len() as u64,
            span: self.span.map(|(first, last)| (at(first), at(last + 1))),
        }
    }
}
