//! Writing: one batch after the other, each durable before it counts.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::error::AuditError;
use super::files::{DIRECTORY, Part, day, each_line, name, parts};
use super::key::AuditKey;
use super::record::{Entry, Head, Record, write};
use crate::units::Timestamp;

/// Held while somebody writes.
const LOCK: &str = "lock";

/// The log of one state directory, for whoever writes a batch now.
pub struct AuditLog {
    dir: PathBuf,
    key: AuditKey,
    /// Given back when the log is dropped.
    lock: File,
}

/// What a batch has become.
#[derive(Debug, Default)]
pub struct Appended {
    /// The last record, when there is any.
    pub head: Option<Head>,
    /// Row and number of each entry that is in the log now, also of those that were there already.
    pub written: Vec<(i64, u64)>,
    /// What is wrong with the end of the log, when something is: in words for the operator's log.
    pub damage: Option<String>,
    /// Whether there were records although the store knows of none.
    pub orphaned: bool,
}

/// Files that are to go, and what a record says of them.
#[derive(Debug)]
pub struct Expired {
    /// The last record in them.
    pub through: u64,
    /// Their names.
    pub names: Vec<String>,
    paths: Vec<PathBuf>,
}

/// The end of the log.
struct Tail {
    head: Head,
    part: Option<Part>,
    /// Rows behind the head that the store knows: a batch whose last step was not made.
    rows: Vec<(i64, u64)>,
    damage: Option<String>,
}

impl AuditLog {
    /// The log in the state directory `dir`, made when it is not there. Waits until nobody else writes.
    ///
    /// # Errors
    /// When the directory or the key cannot be used.
    pub fn open(dir: &Path) -> Result<Self, AuditError> {
        let key = AuditKey::find_or_make(dir)?;
        let own = dir.join(DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(AuditError::io(&own))?;
        let path = own.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.and_then(|file| file.lock().map(|()| file)).map_err(AuditError::io(&path))?;
        Ok(Self { dir: dir.to_owned(), key, lock })
    }

    /// Writes `entries` behind what is there, durably. `head` is what the store knows of the end: what reaches beyond it
    /// and comes from one of the entries is not written again, and what is missing before it is never papered over.
    ///
    /// # Errors
    /// When the files cannot be read or written; some entries may be in the log then, and the same call may be made again.
    pub fn append(&self, entries: &[Entry], head: Option<Head>) -> Result<Appended, AuditError> {
        let tail = self.tail(head)?;
        let orphaned = head.is_none() && tail.head.seq > 0;
        let mut done = Appended { written: tail.rows, damage: tail.damage, head: None, orphaned };
        let there: HashSet<i64> = done.written.iter().map(|(row, _)| *row).collect();
        let mut last = tail.head;
        let mut text = String::new();
        for entry in entries.iter().filter(|entry| !there.contains(&entry.row)) {
            let (line, head) = write(entry, last, &self.key);
            text.push_str(&line);
            last = head;
            done.written.push((entry.row, head.seq));
        }
        if let Some(first) = entries.iter().find(|entry| !there.contains(&entry.row)) {
            self.write(text.as_bytes(), tail.part, tail.head.seq + 1, first.at)?;
        }
        done.head = (last.seq > 0).then_some(last);
        Ok(done)
    }

    fn write(&self, bytes: &[u8], part: Option<Part>, first: u64, at: Timestamp) -> Result<(), AuditError> {
        let own = self.dir.join(DIRECTORY);
        let same_day = part.filter(|part| part.day == day(at));
        let fresh = same_day.is_none();
        let path = same_day.map_or_else(|| own.join(name(first, at)), |part| part.path);
        let append = || {
            let mut file = open(&path)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            if fresh { File::open(&own)?.sync_all() } else { Ok(()) }
        };
        append().map_err(AuditError::io(&path))
    }

    /// Finds the end, and cuts off what a crash has left of a record there.
    fn tail(&self, known: Option<Head>) -> Result<Tail, AuditError> {
        let mut all = parts(&self.dir)?;
        // a batch is in one file, so what nobody knows of yet is in the last two
        let recent = all.split_off(all.len().saturating_sub(2));
        let mut last: Option<(Head, bool)> = None;
        let (mut rows, mut good, mut torn) = (Vec::new(), 0, false);
        let mut in_part = None;
        each_line(&recent, |line| {
            if in_part != Some(line.part.first) {
                (in_part, good, torn) = (Some(line.part.first), 0, false);
            }
            let length = line.bytes.len() as u64 + u64::from(line.whole);
            match Record::prove(&line.bytes, &self.key) {
                Some(record) => {
                    if known.is_some_and(|known| record.seq > known.seq) {
                        rows.push((record.row, record.seq));
                    }
                    last = Some((record.head(), line.whole));
                    good += length;
                    torn = !line.whole;
                }
                None if line.whole && !line.bytes.contains(&0) => {
                    // somebody's doing: it stays, and stays visible
                    last = last.map(|(head, _)| (head, true));
                    good += length;
                    torn = false;
                }
                None => torn = true,
            }
        })?;
        let part = recent.last().cloned();
        if let Some(part) = part.as_ref().filter(|part| torn && in_part == Some(part.first)) {
            mend(&part.path, good, last.is_some_and(|(_, whole)| !whole)).map_err(AuditError::io(&part.path))?;
        }
        let found = last.map(|(head, _)| head);
        let mut damage = None;
        let head = match (found, known) {
            (Some(found), Some(known)) if found.seq < known.seq => {
                damage = Some(format!("it ends with record {}, and {} were written", found.seq, known.seq));
                known
            }
            (None, Some(known)) if known.seq > 0 => {
                damage = Some(format!("it is empty, and {} records were written", known.seq));
                known
            }
            (Some(found), _) => found,
            (None, _) => Head::START,
        };
        Ok(Tail { head, part, rows, damage })
    }

    /// What has been kept long enough, or is too much: whole files whose last record is older than `keep`, and the oldest
    /// ones until the rest has at most `total` bytes (0: no limit). The newest file stays.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn expired(&self, keep: Duration, total: u64, now: Timestamp) -> Result<Option<Expired>, AuditError> {
        let all = parts(&self.dir)?;
        let mut sum: u64 = all.iter().map(|part| part.length).sum();
        let oldest = day(now.minus(keep));
        let mut expired: Option<Expired> = None;
        for pair in all.windows(2) {
            let [part, next] = pair else { continue };
            // the next file begins on a later day, so this one ends before it
            let old = next.day <= oldest;
            if !old && (total == 0 || sum <= total) {
                break;
            }
            sum -= part.length;
            let gone = expired.get_or_insert_with(|| Expired { through: 0, names: Vec::new(), paths: Vec::new() });
            gone.through = next.first - 1;
            gone.names.push(part.name());
            gone.paths.push(part.path.clone());
        }
        Ok(expired)
    }

    /// Removes files; the record that says so must be durable by now.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn remove(&self, expired: &Expired) -> Result<(), AuditError> {
        for path in &expired.paths {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(AuditError::io(path)(e)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let _closing_gives_it_back_too = self.lock.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

/// Cuts a file back to `length`, or gives its last record the break that it lacks.
fn mend(path: &Path, length: u64, unfinished: bool) -> io::Result<()> {
    let mut file = open(path)?;
    file.set_len(length)?;
    if unfinished {
        file.write_all(b"\n")?;
    }
    file.sync_all()
}
