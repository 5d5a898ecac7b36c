//! What the thread that owns the monitor lays out on the [`Board`]: numbers each second, keys while somebody looks, the
//! hours that keys have finished.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::alert::{Alert, Counters, Monitor};
use crate::event::Reader;
use crate::line::SourceId;
use crate::redact::Redacted;
use crate::units::Timestamp;
use crate::web::{Board, Detail, KeyList, KeyRow, Mapping, Stories, Used};
use crate::window::{BUCKET_S, Counts, KeyId, KeyState, Profile, Slot, bucket};
use crate::window::{RING, hour_of_week};

/// How often numbers are laid out.
const EVERY: Duration = Duration::from_secs(1);

/// How often lines of one source are explained while somebody looks.
const EXPLAINED: Duration = Duration::from_secs(2);

/// Lines of a chunk that are explained.
const FIRST_LINES: usize = 8;

/// So many rows of the list are made before anybody is answered.
const ROWS: usize = 4096;

/// An hour is written when late lines cannot reach it any more.
const LATE: Duration = Duration::from_secs(15 * 60);

/// See the module.
pub(super) struct Layout {
    board: Arc<Board>,
    laid: Option<Instant>,
    readers: Vec<Option<(Reader, Option<Instant>)>>,
    stories: Scribe,
    /// The hour that was written last, counted from 1970.
    written: Option<i64>,
    /// What monitors before this one have counted.
    before: Counters,
}

impl Layout {
    /// Lays out on `board`; `readers` explain the lines of each source; `before` was counted before a reload.
    pub(super) fn new(board: Arc<Board>, stories: Stories, readers: Vec<Option<Reader>>, before: Counters) -> Self {
        let readers = readers.into_iter().map(|r| r.map(|r| (r, None))).collect();
        Self { board, laid: None, readers, stories: Scribe::start(stories), written: None, before }
    }

    /// The board.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Counts alerts that were told.
    pub(super) fn told(&self, alerts: &[Alert]) {
        if !alerts.is_empty() {
            self.board.set_numbers(|n| n.alert_changes += alerts.len() as u64);
        }
    }

    /// Lays out what is due.
    pub(super) fn lay(&mut self, monitor: &Monitor, now: Timestamp) {
        self.board.beat(now);
        self.answer(monitor);
        if self.board.wants_keys(now) {
            self.board.set_keys(self.list(monitor, now));
        }
        if self.laid.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.laid = Some(Instant::now());
        self.board.set_numbers(|n| {
            n.monitor = monitor.counters().after(self.before);
            n.newest = monitor.newest();
        });
        self.write_hour(monitor);
    }

    /// Answers who asks about keys.
    pub(super) fn answer(&self, monitor: &Monitor) {
        self.board.answer(|key| detail(monitor, key));
    }

    /// Explains how lines of a source are read, now and then.
    pub(super) fn explain(&mut self, source: SourceId, lines: &Redacted, now: Timestamp) {
        let n = usize::from(source.0);
        let Some(Some((reader, last))) = self.readers.get_mut(n) else { return };
        // the first lines of all, and later ones only for who looks
        if last.is_some_and(|at| at.elapsed() < EXPLAINED || !self.board.somebody_looks(now)) {
            return;
        }
        *last = Some(Instant::now());
        for line in lines.lines().take(FIRST_LINES) {
            let mapping = Mapping::from(reader.explain(line, now));
            if !mapping.fields.is_empty() {
                self.board.set_mapping(n, mapping);
            }
        }
    }

    /// All keys. Who asks about one of them meanwhile is answered.
    fn list(&self, monitor: &Monitor, now: Timestamp) -> KeyList {
        let mut names = Names::default();
        let head = bucket(monitor.newest().unwrap_or(now));
        let open = open_by_key(monitor);
        let mut keys = Vec::with_capacity(monitor.keys().len());
        for (n, (_, slot)) in monitor.keys().places().enumerate() {
            if n % ROWS == ROWS - 1 {
                self.answer(monitor);
            }
            keys.push(row(monitor, slot, head, &mut names, &open));
        }
        KeyList { at: now, newest: monitor.newest(), keys, ..KeyList::default() }
    }

    /// Hands the last hour that is over to the scribe, once.
    fn write_hour(&mut self, monitor: &Monitor) {
        let Some(newest) = monitor.newest() else { return };
        let hour = newest.minus(LATE).secs().div_euclid(3600) - 1;
        if self.written.is_some_and(|written| written >= hour) {
            return;
        }
        self.written = Some(hour);
        if self.stories.files.has(hour) {
            return;
        }
        let of = |slot: &Slot| {
            let mut hours = slot.state.newest_hours().into_iter();
            let counts = hours.find(|(at, counts)| *at == hour && counts.uses > 0)?.1;
            Some((slot.id, counts))
        };
        let keys = monitor.keys().places().filter_map(|(_, slot)| of(slot)).collect();
        if !self.stories.write(hour, keys) {
            self.written = None;
        }
    }
}

/// An hour since the epoch, and what each key did in it.
type Hour = (i64, Vec<(KeyId, Counts)>);

/// Writes hours, so that nobody waits for the disk.
struct Scribe {
    files: Stories,
    hours: Option<SyncSender<Hour>>,
    thread: Option<JoinHandle<()>>,
}

impl Scribe {
    fn start(files: Stories) -> Self {
        let (hours, queue) = sync_channel::<(i64, Vec<(KeyId, Counts)>)>(1);
        let stories = files.clone();
        let thread = std::thread::Builder::new().name("stories".to_owned()).spawn(move || {
            for (hour, keys) in queue {
                if let Err(error) = stories.write(hour, &keys) {
                    tracing::warn!("what keys did in an hour could not be written: {error}");
                }
            }
        });
        Self { files, hours: Some(hours), thread: thread.ok() }
    }

    /// Whether it was taken.
    fn write(&self, hour: i64, keys: Vec<(KeyId, Counts)>) -> bool {
        let Some(hours) = &self.hours else { return true };
        !matches!(hours.try_send((hour, keys)), Err(TrySendError::Full(_)))
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.hours = None;
        if let Some(thread) = self.thread.take() {
            let _it_has_said_so = thread.join();
        }
    }
}

/// Names that many keys share, once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// Kinds of alerts that are firing, one bit each.
fn open_by_key(monitor: &Monitor) -> HashMap<KeyId, u64> {
    let mut open: HashMap<KeyId, u64> = HashMap::new();
    for (key, kind) in monitor.firing() {
        *open.entry(key).or_default() |= 1 << kind as u32;
    }
    open
}

fn row(monitor: &Monitor, slot: &Slot, head: i64, names: &mut Names, open: &HashMap<KeyId, u64>) -> KeyRow {
    let (state, policy) = (&slot.state, monitor.policy(slot));
    let mut uses = [0; RING];
    let mut hour = Counts::default();
    // most keys are quiet
    if state.head() > head - RING as i64 {
        for (n, (_, counts)) in state.last_hour(head).enumerate() {
            uses[n] = counts.uses;
            hour.add(counts);
        }
    }
    KeyRow {
        id: slot.id,
        kind: names.get(&state.kind),
        label: policy.label.as_deref().map(|l| names.get(l)),
        group: policy.group.as_deref().map(|g| names.get(g)),
        first_seen: state.first_seen,
        last_seen: state.last_seen,
        total: state.total,
        uses,
        hour,
        networks: state.networks().len() as u32,
        active_hours: state.active_hours(),
        leaked_at: state.leak().map(|(at, _)| at),
        open: open.get(&slot.id).copied().unwrap_or(0),
    }
}

fn detail(monitor: &Monitor, key: &str) -> Option<Detail> {
    let id = KeyId::parse(key)?;
    let slot = monitor.keys().at(monitor.keys().place(&id)?);
    let state = &slot.state;
    let newest = monitor.newest().unwrap_or(state.last_seen);
    let head_hour = (bucket(newest) * BUCKET_S).div_euclid(3600);
    let used = state.habits().iter().map(|h| Used {
        what: format!("{:?}", h.aspect).to_lowercase(),
        name: monitor.words().get(h.word).map(str::to_owned),
        uses: h.uses,
        last: Timestamp::from_secs(i64::from(h.hour) * 3600),
    });
    let seen_from = state.networks().iter().rev();
    Some(Detail {
        row: row(monitor, slot, bucket(newest), &mut Names::default(), &open_by_key(monitor)),
        leaked_in: state.leak().map(|(_, place)| place.to_owned()),
        networks: seen_from.map(|k| (k.network.to_string(), Timestamp::from_secs(i64::from(k.hour) * 3600))).collect(),
        used: used.collect(),
        usual_shares: state.usual_shares(),
        typical: state.profile().map(|profile| typical(monitor, profile, head_hour)),
        head_hour,
        newest_hours: state.newest_hours(),
        since_retired: state.since_retired(),
        sensitive: monitor.policy(slot).sensitive,
        longest_gap_s: KeyState::longest_gap_s(state),
    })
}

/// What is usual in each of the 24 hours up to `head`.
fn typical(monitor: &Monitor, profile: &Profile, head: i64) -> Vec<f64> {
    (head - 23..=head).map(|hour| profile.typical(hour_of_week(hour, monitor.zone()))).collect()
}
