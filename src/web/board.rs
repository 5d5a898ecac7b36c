//! What the thread that owns the monitor lays out for others to read. It never waits for a reader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{oneshot, watch};

use super::order::NameOrder;
use crate::alert::Counters;
use crate::event::Explanation;
use crate::units::Timestamp;
use crate::window::{Counts, KeyId, RING};

/// The list of keys is made anew this often while somebody looks.
const FRESH: Duration = Duration::from_secs(2);

/// Somebody looks until this long after the last request for keys.
const LOOKING: Duration = Duration::from_secs(30);

/// Questions about single keys that may wait.
const MOST_QUESTIONS: usize = 64;

/// Shapes of lines that are explained for each source.
const MOST_MAPPINGS: usize = 8;

/// What the monitor counts, and the alerts that it told.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The monitor's counters.
    pub monitor: Counters,
    /// The newest event time.
    pub newest: Option<Timestamp>,
    /// Grows with each alert that changes.
    pub alert_changes: u64,
}

/// A key in the list.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// The key.
    pub id: KeyId,
    /// The label's type.
    pub kind: Arc<str>,
    /// The operator's name for it.
    pub label: Option<Arc<str>>,
    /// The operator's group.
    pub group: Option<Arc<str>>,
    /// First event time.
    pub first_seen: Timestamp,
    /// Last event time.
    pub last_seen: Timestamp,
    /// All uses.
    pub total: u64,
    /// Uses in each 5 minutes of the last hour, oldest first.
    pub uses: [u32; RING],
    /// The last hour together.
    pub hour: Counts,
    /// Networks that are remembered.
    pub networks: u32,
    /// Hours in which it was used.
    pub active_hours: u32,
    /// When it was found in a log.
    pub leaked_at: Option<Timestamp>,
    /// Kinds of alerts that are open about it.
    pub open: u64,
}

/// All keys at one moment.
#[derive(Debug, Default)]
pub struct KeyList {
    /// When it was made.
    pub at: Timestamp,
    /// The event time up to which it counts.
    pub newest: Option<Timestamp>,
    /// The keys, in no order.
    pub keys: Vec<KeyRow>,
    /// The order of their names, once it was asked for.
    pub names: OnceLock<Arc<NameOrder>>,
}

/// Something that a key was used for.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// Which side of the use, such as `Endpoint`.
    pub what: String,
    /// Its name, when it is known.
    pub name: Option<String>,
    /// Uses, up to 65,535.
    pub uses: u16,
    /// Hour of its last use.
    pub last: Timestamp,
}

/// Everything that is known of one key.
#[derive(Clone, Debug)]
pub struct Detail {
    /// As in the list.
    pub row: KeyRow,
    /// Where leaks were seen.
    pub leaked_in: Option<String>,
    /// Networks with the hour of their last use, the one used last first.
    pub networks: Vec<(String, Timestamp)>,
    /// What it was used for.
    pub used: Vec<Used>,
    /// The usual share of errors and of refusals.
    pub usual_shares: (f64, f64),
    /// Uses in a typical hour, for the 24 hours up to the one at hand.
    pub typical: Option<Vec<f64>>,
    /// The hour at hand by event time, counted from 1970.
    pub head_hour: i64,
    /// Hours that may not be in the history yet: hour from 1970, counts.
    pub newest_hours: [(i64, Counts); 2],
    /// Uses after it was retired.
    pub since_retired: u32,
    /// Whether it is marked sensitive.
    pub sensitive: bool,
    /// The longest silence, in seconds.
    pub longest_gap_s: u32,
}

/// A field of a source's lines with its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The role, as configurations write it.
    pub role: String,
    /// JSON pointer of the field; empty for plain text.
    pub field: String,
    /// Why this field.
    pub why: String,
    /// The unit that a bare number is taken in.
    pub unit: Option<String>,
    /// A redacted value of it.
    pub example: String,
}

/// How lines of one shape are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// The recognised schema.
    pub schema: Option<String>,
    /// The roles.
    pub fields: Vec<Field>,
    /// What could be set.
    pub notes: Vec<String>,
    /// How the time is known.
    pub time: String,
}

impl From<Explanation> for Mapping {
    fn from(e: Explanation) -> Self {
        let word = |v: Option<serde_json::Value>| v.and_then(|v| v.as_str().map(str::to_owned));
        let fields = e.roles.into_iter().map(|r| Field {
            role: word(serde_json::to_value(r.role).ok()).unwrap_or_default(),
            unit: word(r.unit.and_then(|u| serde_json::to_value(u).ok())),
            field: r.field,
            why: if r.masked { format!("{}; the value is masked", r.why) } else { r.why },
            example: r.value,
        });
        Self { schema: e.schema, fields: fields.collect(), notes: e.notes, time: e.time }
    }
}

impl Mapping {
    fn shape(&self) -> impl PartialEq + use<'_> {
        (&self.schema, self.fields.iter().map(|f| (&f.role, &f.field)).collect::<Vec<_>>())
    }
}

type Question = (String, oneshot::Sender<Option<Detail>>);

/// See the module.
pub struct Board {
    beat: AtomicI64,
    looked: AtomicI64,
    /// When somebody asked about a key.
    asked: AtomicI64,
    trouble: Mutex<BTreeMap<String, Timestamp>>,
    numbers: Mutex<Numbers>,
    keys: watch::Sender<Option<Arc<KeyList>>>,
    /// The order of the names in the list of which it was asked last.
    names: Mutex<Option<Arc<NameOrder>>>,
    questions: Mutex<Vec<Question>>,
    mappings: Mutex<Vec<Vec<Mapping>>>,
}

impl Board {
    /// An empty board for this many sources.
    pub fn new(sources: usize, now: Timestamp) -> Self {
        Self {
            beat: AtomicI64::new(now.0),
            looked: AtomicI64::new(i64::MIN),
            asked: AtomicI64::new(i64::MIN),
            trouble: Mutex::default(),
            numbers: Mutex::default(),
            keys: watch::Sender::new(None),
            names: Mutex::default(),
            questions: Mutex::default(),
            mappings: Mutex::new(vec![Vec::new(); sources]),
        }
    }

    /// The thread that writes is alive at `now`.
    pub fn beat(&self, now: Timestamp) {
        self.beat.store(now.0, Ordering::Relaxed);
    }

    /// When it was alive last.
    pub fn last_beat(&self) -> Timestamp {
        Timestamp(self.beat.load(Ordering::Relaxed))
    }

    /// `what` cannot be written since `since`.
    pub fn failing(&self, what: &str, since: Timestamp) {
        lock(&self.trouble).entry(what.to_owned()).or_insert(since);
    }

    /// `what` can be written again.
    pub fn well(&self, what: &str) {
        lock(&self.trouble).remove(what);
    }

    /// What cannot be written, and since when.
    pub fn troubles(&self) -> Vec<(String, Timestamp)> {
        lock(&self.trouble).iter().map(|(what, since)| (what.clone(), *since)).collect()
    }

    /// Lays out numbers.
    pub fn set_numbers(&self, change: impl FnOnce(&mut Numbers)) {
        change(&mut lock(&self.numbers));
    }

    /// The numbers laid out last.
    pub fn numbers(&self) -> Numbers {
        lock(&self.numbers).clone()
    }

    /// Whether a new list of keys is wanted at `now`. Gives back the memory of a list that nobody looks at.
    pub fn wants_keys(&self, now: Timestamp) -> bool {
        let wanted = self.somebody_looks(now);
        let at = self.keys.borrow().as_ref().map(|list| list.at);
        if !wanted && at.is_some() {
            self.keys.send_replace(None);
            *lock(&self.names) = None;
        }
        wanted && at.is_none_or(|at| now.since(at) >= FRESH || now < at)
    }

    /// Whether somebody looks at keys or sources.
    pub fn somebody_looks(&self, now: Timestamp) -> bool {
        recent(&self.looked, now)
    }

    /// Whether somebody looks, or asks about keys: then answers should not wait for long.
    pub fn somebody_waits(&self, now: Timestamp) -> bool {
        self.somebody_looks(now) || recent(&self.asked, now)
    }

    /// Says that somebody looks.
    pub fn look(&self, now: Timestamp) {
        self.looked.store(now.0, Ordering::Relaxed);
    }

    /// Lays out the keys.
    pub fn set_keys(&self, list: KeyList) {
        self.keys.send_replace(Some(Arc::new(list)));
    }

    /// The keys, waiting at most `patience` for the first list.
    pub async fn keys(&self, now: Timestamp, patience: Duration) -> Option<Arc<KeyList>> {
        self.look(now);
        let mut keys = self.keys.subscribe();
        let ready = tokio::time::timeout(patience, keys.wait_for(Option::is_some)).await;
        ready.ok()?.ok()?.clone()
    }

    /// The order of the names in `list`. Takes a while for a first list; never call it where nothing may wait.
    pub fn names(&self, list: &KeyList) -> Arc<NameOrder> {
        let find = || {
            // who comes meanwhile wants the same
            let mut last = lock(&self.names);
            let order = NameOrder::of(&list.keys, last.as_ref());
            *last = Some(Arc::clone(&order));
            order
        };
        Arc::clone(list.names.get_or_init(find))
    }

    /// Asks about one key; `None` when it is not known, or nobody answers within `patience`.
    pub async fn ask(&self, key: &str, now: Timestamp, patience: Duration) -> Option<Detail> {
        self.asked.store(now.0, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        {
            let mut questions = lock(&self.questions);
            questions.retain(|(_, tell)| !tell.is_closed());
            if questions.len() >= MOST_QUESTIONS {
                return None;
            }
            questions.push((key.to_owned(), tell));
        }
        tokio::time::timeout(patience, told).await.ok()?.ok()?
    }

    /// Answers what was asked.
    pub fn answer(&self, mut detail: impl FnMut(&str) -> Option<Detail>) {
        for (key, tell) in std::mem::take(&mut *lock(&self.questions)) {
            // one that has given up waiting needs no answer
            let _gone = tell.send(detail(&key));
        }
    }

    /// Lays out how a line of a source is read. Shapes that are known give their place to the new example.
    pub fn set_mapping(&self, source: usize, mapping: Mapping) {
        if let Some(all) = lock(&self.mappings).get_mut(source) {
            all.retain(|known| known.shape() != mapping.shape());
            all.insert(0, mapping);
            all.truncate(MOST_MAPPINGS);
        }
    }

    /// How the lines of a source are read, the shape seen last first.
    pub fn mappings(&self, source: usize) -> Vec<Mapping> {
        lock(&self.mappings).get(source).cloned().unwrap_or_default()
    }
}

/// Whether a moment that was noted is not long ago.
fn recent(at: &AtomicI64, now: Timestamp) -> bool {
    let at = at.load(Ordering::Relaxed);
    at != i64::MIN && now.since(Timestamp(at)) <= LOOKING
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row of a key that is called so.
    pub(in crate::web) fn row_of(name: &str) -> KeyRow {
        KeyRow {
            id: KeyId::parse(name).unwrap(),
            kind: Arc::from("API_KEY"),
            label: None,
            group: None,
            first_seen: NOW,
            last_seen: NOW,
            total: 0,
            uses: [0; RING],
            hour: Counts::default(),
            networks: 0,
            active_hours: 0,
            leaked_at: None,
            open: 0,
        }
    }

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    #[tokio::test]
    async fn keys_are_laid_out_only_while_somebody_looks() {
        let board = Board::new(1, NOW);
        assert!(!board.wants_keys(NOW));
        assert!(board.keys(NOW, Duration::from_millis(1)).await.is_none());
        assert!(board.wants_keys(NOW));
        board.set_keys(KeyList { at: NOW, ..KeyList::default() });
        assert!(!board.wants_keys(NOW.plus(Duration::from_secs(1))));
        assert!(board.wants_keys(NOW.plus(FRESH)));
        assert!(board.keys(NOW, Duration::from_millis(1)).await.is_some());
        let later = NOW.plus(LOOKING + Duration::from_secs(1));
        assert!(!board.wants_keys(later));
        assert!(board.keys.borrow().is_none(), "the memory is given back");
    }

    #[tokio::test]
    async fn a_question_is_answered_once_or_given_up() {
        let board = Board::new(0, NOW);
        assert!(board.ask("k", NOW, Duration::from_millis(1)).await.is_none());
        assert!(board.somebody_waits(NOW) && !board.somebody_looks(NOW));
        let mut asked = 0;
        board.answer(|_| {
            asked += 1;
            None
        });
        assert_eq!(asked, 1);
        assert!(lock(&board.questions).is_empty());
    }

    #[test]
    fn one_shape_of_lines_is_shown_once() {
        let board = Board::new(1, NOW);
        let mapping = |field: &str, example: &str| Mapping {
            schema: None,
            fields: vec![Field {
                role: "key".into(),
                field: field.into(),
                why: String::new(),
                unit: None,
                example: example.into(),
            }],
            notes: Vec::new(),
            time: String::new(),
        };
        board.set_mapping(0, mapping("/a", "1"));
        board.set_mapping(0, mapping("/b", "1"));
        board.set_mapping(0, mapping("/a", "2"));
        let got = board.mappings(0);
        assert_eq!(got.len(), 2);
        assert_eq!((&*got[0].fields[0].field, &*got[0].fields[0].example), ("/a", "2"));
        board.set_mapping(7, mapping("/a", "1"));
        assert!(board.mappings(7).is_empty());
    }
}
