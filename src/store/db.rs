//! The database file: opening, locking, setting aside.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{audit, schema};
use crate::audit::AuditError;
use crate::units::Timestamp;

/// The database's name in the state directory.
pub(super) const DATABASE: &str = "state.db";

/// The lock's name in the state directory.
const LOCK: &str = "lock";

/// The same of the process that sends, where that is another one.
const SENDER_LOCK: &str = "notifier.lock";

/// A larger database is not read through at start, in bytes.
const MAX_CHECKED: u64 = 1 << 30;

/// How long a reader waits for the writer, or the writer for a reader.
const BUSY: Duration = Duration::from_secs(5);

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes here.
    #[error("the state directory {dir} is in use by another logwarden{pid}; stop it or choose another directory")]
    Locked {
        /// The directory.
        dir: String,
        /// ` (process N)` when it could be read.
        pid: String,
    },
    /// A file or directory cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to read yet.
    #[error("no state in {0}; has `logwarden run` been started with this state directory?")]
    Absent(String),
    /// A reader cannot bring the database up to date.
    #[error(
        "the state in {dir} has version {found}, this program reads version {wanted}; use the same logwarden as the service"
    )]
    Version {
        /// The directory.
        dir: String,
        /// Version of the file.
        found: i64,
        /// Version of this program.
        wanted: i64,
    },
    /// The service cannot go back: what a later program knew would be lost.
    #[error(
        "the state in {dir} was written by a later logwarden (its version is {found}, this program knows {wanted}) and is left as it is; start that program again, put back a copy of the state from before, or choose another `dir` in [state]"
    )]
    Later {
        /// The directory.
        dir: String,
        /// Version of the file.
        found: i64,
        /// Version of this program.
        wanted: i64,
    },
    /// Nothing can be written there, and something waits to be.
    #[error(
        "the state in {0} is in use or was not closed, and nothing can be written there to read all of it; copy the directory to where you \
         may write, and look at the copy"
    )]
    Unmerged(String),
    /// No room left.
    #[error("no space left for the state; free some and it goes on")]
    Full,
    /// The database can no longer be trusted.
    #[error("the state database is damaged ({0}); restart to set it aside and begin anew")]
    Damaged(String),
    /// Something that cannot be written or read as JSON.
    #[error("state that cannot be encoded: {0}")]
    Encode(String),
    /// The pseudonym key is not usable.
    #[error("the pseudonym key in {path} cannot be used: {problem}")]
    Pseudonym {
        /// The file or variable.
        path: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// The audit log.
    #[error(transparent)]
    Audit(AuditError),
    /// The program is ending.
    #[error("the program is ending")]
    Stopping,
    /// Anything else that SQLite reports.
    #[error("state database: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(e.to_string()),
            _ => Self::Database(e),
        }
    }
}

/// The open state directory. Shared between threads; each call is short.
pub struct Store {
    db: Mutex<Connection>,
    dir: PathBuf,
    notice: Option<String>,
    /// Device and inode, where another process could put a fresh one in its place.
    file: Option<(u64, u64)>,
    _lock: Option<Held>,
}

impl Store {
    /// Opens `dir` for writing, making it when it is absent, and holds its lock until dropped. A database that is
    /// damaged is renamed with `now` in its name; [`Store::notice`] then says so.
    ///
    /// # Errors
    /// When another process holds the lock, the directory cannot be written, or a later program has written there.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let store = Self::open_beside_sender(dir, now)?;
        store.release()?;
        Ok(store)
    }

    /// The same, where another process sends the messages: those it has in hand stay its own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_beside_sender(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let lock = take_lock(dir, LOCK)?;
        let path = dir.join(DATABASE);
        let (db, notice) = match connect(&path) {
            Ok(db) => (db, None),
            Err(StoreError::Damaged(why)) => {
                let aside = set_aside(&path, now)?;
                let notice = format!(
                    "the state database was not usable ({why}); it was set aside as {} and a fresh one begun: inputs \
                     are read from the beginning and baselines are learned again",
                    aside.display()
                );
                (connect(&path)?, Some(notice))
            }
            Err(e) => return Err(e),
        };
        if let Some(notice) = &notice {
            audit::note(&db, now, "state.set_aside", &[], &serde_json::json!({ "what": notice }))?;
        }
        Ok(Self { db: Mutex::new(db), dir: dir.to_owned(), notice, file: None, _lock: Some(Held(lock)) })
    }

    /// Opens `dir` for reading, while a service may be writing.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be read.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        match Self::open_existing(dir, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            Err(StoreError::Database(error))
                if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) =>
            {
                Self::open_still(dir)
            }
            other => other,
        }
    }

    /// Opens `dir` where nothing can be written, such as a snapshot or a mounted backup: SQLite cannot make the files
    /// there by which readers and a writer know of each other, so what stands there is read as it stands. What a writer
    /// has left in the log beside the database would be missing then, so that is said instead.
    fn open_still(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let log = fs::metadata(dir.join(format!("{DATABASE}-wal"))).map_or(0, |meta| meta.len());
        if log > 0 {
            return Err(StoreError::Unmerged(dir.display().to_string()));
        }
        let file = fs::metadata(&path).map(|meta| (meta.dev(), meta.ino())).map_err(|e| io_error(&path, e))?;
        let mut uri = url::Url::from_file_path(fs::canonicalize(&path).map_err(|e| io_error(&path, e))?)
            .map_err(|()| io_error(&path, io::ErrorKind::InvalidInput.into()))?;
        uri.set_query(Some("immutable=1"));
        let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(uri.as_str(), mode)?;
        Self::existing(dir, db, Some(file))
    }

    /// Opens `dir` for a word of the operator (an acknowledgement, a silence) while a service may be writing: without the
    /// lock, for one short write that SQLite orders among the others.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be written.
    pub fn open_beside(dir: &Path) -> Result<Self, StoreError> {
        Self::open_existing(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens `dir` for the process that sends the messages while another one writes them. There is one such process.
    ///
    /// # Errors
    /// When there is nothing yet, another process sends, or it cannot be written.
    pub fn open_for_sending(dir: &Path) -> Result<Self, StoreError> {
        let mut store = Self::open_beside(dir)?;
        store._lock = Some(Held(take_lock(dir, SENDER_LOCK)?));
        store.release()?;
        Ok(store)
    }

    /// Messages that somebody had in hand when the process ended may go again.
    fn release(&self) -> Result<(), StoreError> {
        self.lock().execute("UPDATE outbox SET leased = 0, due = 0 WHERE leased = 1", [])?;
        Ok(())
    }

    /// A number that changes whenever another process, or another connection of this one, has written.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn version(&self) -> Result<i64, StoreError> {
        Ok(self.lock().pragma_query_value(None, "data_version", |r| r.get(0))?)
    }

    /// Whether the database that is open is still the one in the directory.
    pub fn is_current(&self) -> bool {
        let now = fs::metadata(self.dir.join(DATABASE)).ok().map(|meta| (meta.dev(), meta.ino()));
        self.file.is_none() || self.file == now
    }

    fn open_existing(dir: &Path, mode: OpenFlags) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let shown = || dir.display().to_string();
        let file = match fs::metadata(&path) {
            Ok(meta) => Some((meta.dev(), meta.ino())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::Absent(shown())),
            Err(source) => return Err(StoreError::Io { path: path.display().to_string(), source }),
        };
        let db = Connection::open_with_flags(&path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY)?;
        Self::existing(dir, db, file)
    }

    fn existing(dir: &Path, db: Connection, file: Option<(u64, u64)>) -> Result<Self, StoreError> {
        let shown = || dir.display().to_string();
        let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if found != schema::VERSION {
            return Err(StoreError::Version { dir: shown(), found, wanted: schema::VERSION });
        }
        Ok(Self { db: Mutex::new(db), dir: dir.to_owned(), notice: None, file, _lock: None })
    }

    /// A store that lives in memory and ends with the process, for a run that keeps no state.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut db = Connection::open_in_memory()?;
        migrate(&mut db)?;
        // what is forgotten at the end need not be proved
        db.execute_batch("CREATE TRIGGER unproved BEFORE INSERT ON audit_pending BEGIN SELECT RAISE(IGNORE); END")?;
        Ok(Self { db: Mutex::new(db), dir: PathBuf::new(), notice: None, file: None, _lock: None })
    }

    /// What the operator must know about how the store was opened, if anything.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The connection, for one short piece of work. A thread that panicked in a transaction has rolled it back.
    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_dir(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| io_error(dir, source))
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), source }
}

/// The lock on a state directory. It is given back in so many words: a child that is just being started may still hold
/// a copy of the descriptor, and would hold the lock with it.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        let _closing_gives_it_back_too = self.0.unlock();
    }
}

fn take_lock(dir: &Path, name: &str) -> Result<File, StoreError> {
    let path = dir.join(name);
    let failed = |e| io_error(&path, e);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _unreadable_is_unknown = file.take(20).read_to_string(&mut pid);
            let pid = pid.trim().parse::<u32>().map_or_else(|_| String::new(), |p| format!(" (process {p})"));
            return Err(StoreError::Locked { dir: dir.display().to_string(), pid });
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Made here so that it is 0600 from the first moment; SQLite gives the files beside it the same mode.
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let length = file.and_then(|f| f.metadata()).map_err(|e| io_error(path, e))?.len();
    let mut db =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    let (found, wanted) = (version(&db)?, schema::VERSION);
    if found > wanted {
        let dir = path.parent().unwrap_or(path).display().to_string();
        return Err(StoreError::Later { dir, found, wanted });
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", false)?;
    if length <= MAX_CHECKED {
        let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged(verdict));
        }
    }
    migrate(&mut db)?;
    Ok(db)
}

fn version(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |r| r.get(0))?)
}

fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let found = version(db)?;
    let found = usize::try_from(found).map_err(|_| StoreError::Damaged(format!("its version is {found}")))?;
    for (step, sql) in schema::STEPS.iter().enumerate().skip(found) {
        let tx = db.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}

fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let stamp = now.to_utc().format("%Y%m%dT%H%M%S%.6fZ");
    let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let aside = named(&format!(".damaged-{stamp}"));
    for part in ["-wal", "-shm", ""] {
        let from = named(part);
        if from.exists() {
            let to = PathBuf::from(format!("{}{part}", aside.display()));
            fs::rename(&from, &to).map_err(|e| io_error(&from, e))?;
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::{Checkpoint, Commit, StreamKey};

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    fn at(offset: u64) -> (StreamKey, Checkpoint) {
        let at = Checkpoint { inode: u64::MAX, offset, prefix_hash: [7; 16], ..Checkpoint::default() };
        (StreamKey { source: "nginx".to_owned(), stream: 1 }, at)
    }

    fn write_one(dir: &Path) {
        let store = Store::open(dir, NOW).unwrap();
        assert_eq!(store.notice(), None);
        store.commit(&Commit { checkpoints: &[at(10)], now: NOW, ..Commit::default() }).unwrap();
    }

    #[test]
    fn files_are_private_and_state_survives() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/state");
        write_one(&dir);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        let store = Store::open(&dir, NOW).unwrap();
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        assert_eq!(store.checkpoints().unwrap(), [at(10)]);
        store.commit(&Commit { forget: &[at(10).0], now: NOW, ..Commit::default() }).unwrap();
        assert_eq!(store.checkpoints().unwrap(), []);
    }

    #[test]
    fn a_second_writer_is_refused_and_a_reader_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Store::open_read_only(dir.path()), Err(StoreError::Absent(_))));
        let store = Store::open(dir.path(), NOW).unwrap();
        let error = Store::open(dir.path(), NOW).err().unwrap().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        store.commit(&Commit { checkpoints: &[at(5)], now: NOW, ..Commit::default() }).unwrap();
        let reader = Store::open_read_only(dir.path()).unwrap();
        assert_eq!(reader.checkpoints().unwrap(), [at(5)]);
        assert!(reader.commit(&Commit { checkpoints: &[at(6)], ..Commit::default() }).is_err());
    }

    #[test]
    fn damage_is_set_aside_and_told() {
        let full = |path: &Path| fs::metadata(path).unwrap().len() as usize;
        type Damage = fn(&Path, usize);
        let damages: [(&str, Damage); 4] = [
            ("zeroed", |p, n| fs::write(p, vec![0; n]).unwrap()),
            ("noise", |p, n| fs::write(p, vec![0xa5; n]).unwrap()),
            ("truncated", |p, n| OpenOptions::new().write(true).open(p).unwrap().set_len(n as u64 / 2).unwrap()),
            ("flipped", |p, _| {
                let mut bytes = fs::read(p).unwrap();
                for byte in bytes.iter_mut().skip(4096).step_by(7).take(2000) {
                    *byte ^= 0xff;
                }
                fs::write(p, bytes).unwrap();
            }),
        ];
        for (name, damage) in damages {
            let dir = tempfile::tempdir().unwrap();
            write_one(dir.path());
            let path = dir.path().join(DATABASE);
            damage(&path, full(&path));
            let store = Store::open(dir.path(), NOW).unwrap();
            let notice = store.notice().unwrap_or_else(|| panic!("{name}: no notice"));
            assert!(notice.contains("state.db.damaged-20260501T120000"), "{name}: {notice}");
            assert_eq!(store.checkpoints().unwrap(), [], "{name}");
            store.commit(&Commit { checkpoints: &[at(1)], now: NOW, ..Commit::default() }).unwrap();
            drop(store);
            assert_eq!(Store::open(dir.path(), NOW).unwrap().notice(), None, "{name}");
        }
    }

    #[test]
    fn a_later_version_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        write_one(dir.path());
        Connection::open(dir.path().join(DATABASE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Store::open_read_only(dir.path()), Err(StoreError::Version { found: 99, .. })));
        let before = fs::read(dir.path().join(DATABASE)).unwrap();
        let error = Store::open(dir.path(), NOW).err().unwrap();
        assert!(matches!(error, StoreError::Later { found: 99, .. }), "{error}");
        assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
        assert_eq!(fs::read(dir.path().join(DATABASE)).unwrap(), before);
        let names = || fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        assert!(names().all(|name| !name.contains("damaged")), "{:?}", names().collect::<Vec<_>>());
    }

    #[test]
    fn a_directory_that_is_a_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(Store::open(&path, NOW).err().unwrap().to_string().contains("file"));
    }
}
