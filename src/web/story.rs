//! What each key did, hour by hour for two days and day by day for eight weeks, in small files beside the store.
//!
//! A file holds one hour (`h-NUMBER`) or one day (`d-NUMBER`, UTC) of all keys that were used in it, counted from 1970:
//! records of 24 bytes sorted by the key's hash, so that one key is found by halving and nothing is held in memory. A
//! day is folded from its hours when they are all there. Files are written whole under another name and renamed.
//!
//! Record, little endian: hash (u64, the first bytes of the SHA-256 of the key's name), uses (u64), errors (u32),
//! refused (u32).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::window::{Counts, KeyId};

/// Bytes of a record.
const RECORD: usize = 24;

/// Hours that are kept as such.
pub const HOURS: i64 = 48;

/// Days that are kept.
pub const DAYS: i64 = 56;

/// What happened to a key within an hour or a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Uses.
    pub uses: u64,
    /// Of these, with an error.
    pub errors: u32,
    /// Of these, refused.
    pub refused: u32,
}

impl Entry {
    /// Adds another time.
    pub fn add(&mut self, other: Self) {
        self.uses = self.uses.saturating_add(other.uses);
        self.errors = self.errors.saturating_add(other.errors);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

impl From<Counts> for Entry {
    fn from(c: Counts) -> Self {
        Self { uses: u64::from(c.uses), errors: c.errors, refused: c.refused }
    }
}

/// The files.
#[derive(Clone)]
pub struct Stories {
    dir: PathBuf,
    /// One writes at a time.
    writing: Arc<Mutex<()>>,
}

impl Stories {
    /// The files in the state directory `state`.
    pub fn new(state: &Path) -> Self {
        Self { dir: state.join("stories"), writing: Arc::default() }
    }

    /// Whether an hour was written.
    pub fn has(&self, hour: i64) -> bool {
        self.path('h', hour).exists() || self.path('d', hour.div_euclid(24)).exists()
    }

    /// Writes an hour, folds days that are over, and removes what is too old.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, hour: i64, keys: &[(KeyId, Counts)]) -> io::Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let entries = keys.iter().map(|(id, counts)| (hash(id.as_str()), Entry::from(*counts))).collect();
        self.put('h', hour, &entries)?;
        self.fold(hour)
    }

    /// One key: its hours and its days up to the present `hour`, oldest first; `None` where nothing was written.
    pub fn read(&self, key: &str, hour: i64) -> Story {
        let hash = hash(key);
        let get = |kind, at| find(&self.path(kind, at), hash);
        let hours = (hour - HOURS + 1..=hour).map(|at| (at, get('h', at))).collect();
        let today = hour.div_euclid(24);
        let day = |at: i64| {
            let folded = get('d', at);
            let open = || {
                let hours = (at * 24..at * 24 + 24).filter_map(|h| get('h', h));
                hours.fold(None, |sum: Option<Entry>, e| {
                    let mut sum = sum.unwrap_or_default();
                    sum.add(e);
                    Some(sum)
                })
            };
            (at, folded.or_else(|| if at + 3 >= today { open() } else { None }))
        };
        Story { hours, days: (today - DAYS + 1..=today).map(day).collect() }
    }

    fn path(&self, kind: char, at: i64) -> PathBuf {
        self.dir.join(format!("{kind}-{at}"))
    }

    /// Makes days of hours that are too old to stand alone, and removes days that are too old.
    fn fold(&self, hour: i64) -> io::Result<()> {
        let mut old: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let first_day = (hour - HOURS).div_euclid(24);
        for entry in fs::read_dir(&self.dir)?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((kind, at)) = name.split_once('-').and_then(|(k, n)| Some((k, n.parse::<i64>().ok()?))) else {
                continue;
            };
            match kind {
                "h" if at.div_euclid(24) < first_day => old.entry(at.div_euclid(24)).or_default().push(at),
                "d" if at <= hour.div_euclid(24) - DAYS => fs::remove_file(entry.path())?,
                _ => {}
            }
        }
        for (day, hours) in old {
            let mut sum = load(&self.path('d', day));
            for at in &hours {
                for (hash, entry) in load(&self.path('h', *at)) {
                    sum.entry(hash).or_default().add(entry);
                }
            }
            self.put('d', day, &sum)?;
            // between the two an hour could count twice; it is removed at once
            hours.iter().try_for_each(|at| fs::remove_file(self.path('h', *at)))?;
        }
        Ok(())
    }

    fn put(&self, kind: char, at: i64, entries: &BTreeMap<u64, Entry>) -> io::Result<()> {
        let path = self.path(kind, at);
        let new = self.dir.join("new");
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut out = BufWriter::new(file);
        for (hash, e) in entries {
            out.write_all(&hash.to_le_bytes())?;
            out.write_all(&e.uses.to_le_bytes())?;
            out.write_all(&e.errors.to_le_bytes())?;
            out.write_all(&e.refused.to_le_bytes())?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        fs::rename(new, path)
    }
}

/// What one key did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Hours from 1970.
    pub hours: Vec<(i64, Option<Entry>)>,
    /// Days from 1970, in UTC.
    pub days: Vec<(i64, Option<Entry>)>,
}

fn hash(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|n| digest[n]))
}

fn entry(record: &[u8; RECORD]) -> (u64, Entry) {
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| record[at + n]));
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|n| record[at + n]));
    (u64_at(0), Entry { uses: u64_at(8), errors: u32_at(16), refused: u32_at(20) })
}

/// All of a file; of a damaged one what can be read.
fn load(path: &Path) -> BTreeMap<u64, Entry> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.as_chunks::<RECORD>().0.iter().map(entry).collect()
}

/// The entry of `hash`: zeros when the file is there and the key is not in it, `None` without a file.
fn find(path: &Path, hash: u64) -> Option<Entry> {
    let file = File::open(path).ok()?;
    let (mut low, mut high) = (0, file.metadata().ok()?.len() / RECORD as u64);
    let mut record = [0; RECORD];
    while low < high {
        let middle = low + (high - low) / 2;
        file.read_exact_at(&mut record, middle * RECORD as u64).ok()?;
        let (at, found) = entry(&record);
        match at.cmp(&hash) {
            std::cmp::Ordering::Equal => return Some(found),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Some(Entry::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> KeyId {
        KeyId::parse(&format!("key-{n}")).unwrap()
    }

    fn counts(uses: u32) -> Counts {
        Counts { uses, errors: uses / 10, refused: 0 }
    }

    #[test]
    fn a_key_is_found_among_many_and_silence_is_told_from_not_knowing() {
        let dir = tempfile::tempdir().unwrap();
        let stories = Stories::new(dir.path());
        let keys: Vec<_> = (0..1000).map(|n| (id(n), counts(n as u32))).collect();
        stories.write(500_000, &keys).unwrap();
        assert!(stories.has(500_000) && !stories.has(499_999));
        for n in [0, 1, 499, 999] {
            let story = stories.read(id(n).as_str(), 500_000);
            assert_eq!(story.hours.len(), 48);
            let Some((500_000, Some(last))) = story.hours.last() else { panic!("{story:?}") };
            assert_eq!((last.uses, last.errors), (n as u64, n as u32 / 10));
            assert_eq!(story.hours[46].1, None);
        }
        let other = stories.read("nobody", 500_000);
        assert_eq!(other.hours[47].1, Some(Entry::default()));
    }

    #[test]
    fn hours_become_days_and_days_end() {
        let dir = tempfile::tempdir().unwrap();
        let stories = Stories::new(dir.path());
        let start = 20_000 * 24;
        let last = start + 24 * 60 - 1;
        for hour in (start..=last).filter(|h| h % 12 == 11) {
            stories.write(hour, &[(id(1), counts(10))]).unwrap();
        }
        let story = stories.read(id(1).as_str(), last);
        let told: Vec<_> = story.hours.iter().filter_map(|(at, e)| Some((last - at, e.as_ref()?.uses))).collect();
        assert_eq!(told, [(36, 10), (24, 10), (12, 10), (0, 10)]);
        assert_eq!(story.days.len(), 56);
        assert!(story.days.iter().all(|(_, e)| e.is_some_and(|e| e.uses == 20)), "{:?}", story.days);
        let files = fs::read_dir(dir.path().join("stories")).unwrap().count();
        assert!(files <= 56 + 6, "{files}");
    }

    #[test]
    fn a_damaged_file_is_no_story() {
        let dir = tempfile::tempdir().unwrap();
        let stories = Stories::new(dir.path());
        stories.write(500_000, &[(id(1), counts(3))]).unwrap();
        fs::write(dir.path().join("stories/h-500000"), b"short").unwrap();
        assert_eq!(stories.read(id(1).as_str(), 500_000).hours[47].1, Some(Entry::default()));
    }
}
