//! A file that is appended to, and that is cut back to its promised length after a crash.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::config::FileSinkConfig;
use super::error::SinkError;
use super::names::{UNFINISHED, rotated_name};
use super::sole::Sole;
use super::stdout::write_all;
use crate::redact::Redacted;
use crate::units::Timestamp;

/// How much of an output file is written, and which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it is.
    pub path: PathBuf,
    /// Device number (`st_dev`).
    pub device: u64,
    /// Inode number (`st_ino`).
    pub inode: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Appends redacted chunks to a file of mode 0600.
pub struct FileSink {
    file: Sole,
    mark: Mark,
    /// How much of the present chunk is written already; not 0 only after an error.
    done: usize,
    size: u64,
    every: Duration,
    /// The period in which the file was written last, in units of `every`.
    period: i64,
}

impl FileSink {
    /// Opens the file of `config`, making it when it is not there, and holds its lock until it is dropped or rotated. A file
    /// that `committed` speaks of is cut back to its length: what stands behind it was written by a run that died before it
    /// could promise it, and will be written again.
    ///
    /// # Errors
    /// When the file cannot be opened or cut, is a symbolic link, is not a regular file, or is written by somebody else.
    pub fn open(config: &FileSinkConfig, committed: Option<&Mark>) -> Result<Self, SinkError> {
        let path = &*config.path;
        let shown = || path.display().to_string();
        let failed = |source: io::Error| SinkError::Open { path: shown(), source };
        // nothing of it is looked at or cut before it is ours
        let (file, meta) = open_alone(path)?;
        let mut length = meta.len();
        if let Some(mark) = committed.filter(|m| (m.device, m.inode) == (meta.dev(), meta.ino())) {
            if length > mark.length {
                file.set_len(mark.length).map_err(failed)?;
                tracing::warn!(
                    "{}: {} bytes behind what was committed are cut off; they are written again from the inputs",
                    shown(),
                    length - mark.length,
                );
                length = mark.length;
            } else if length < mark.length {
                tracing::warn!(
                    "{} is shorter than it was ({length} of {} bytes): something else has cut it; going on at its end",
                    shown(),
                    mark.length,
                );
            }
        }
        // the name must survive a power cut as well as the bytes
        sync_directory(path).map_err(failed)?;
        let mark = Mark { path: path.to_owned(), device: meta.dev(), inode: meta.ino(), length };
        let mut sink = Self { file, mark, done: 0, size: config.rotate_size, every: config.rotate_every, period: 0 };
        sink.period = sink.period_of(Timestamp::from_secs(meta.mtime()));
        Ok(sink)
    }

    /// Whether it is time for a new file. An empty one is never rotated, nor one with part of a chunk in it.
    pub fn due(&self, now: Timestamp) -> bool {
        let full = self.size > 0 && self.mark.length >= self.size;
        let over = !self.every.is_zero() && self.period != self.period_of(now);
        self.done == 0 && self.mark.length > 0 && (full || over)
    }

    /// Gives the file its rotated name and goes on with a new one. Everything in the old one must be committed before,
    /// and the new one's [`Mark`] before anything is written to it: then a crash at any moment loses and doubles nothing.
    ///
    /// # Errors
    /// When the old one cannot be renamed, and it goes on with it; or when no new one can be made: then it must not be
    /// written any more.
    pub fn rotate(&mut self, now: Timestamp) -> Result<PathBuf, SinkError> {
        let path = self.mark.path.clone();
        let failed = |source| SinkError::Rotate { path: path.display().to_string(), source };
        let to = rotated_name(&path, now).ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?;
        // made first: where that fails nothing has changed
        let next = path.with_file_name(format!("{}{UNFINISHED}", to.file_name().unwrap_or_default().display()));
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).custom_flags(flags).open(&next);
        let file = file.map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        // before it has the name by which others know it; where there are no locks the start has said so
        let file = Sole::take(file).unwrap_or_else(|(file, _)| file);
        // between the two nothing has the name; a start then makes a new file, as this one would be. Only another service
        // that starts at that very moment is not refused: a lock is of a file, and there is none
        let moved = fs::rename(&path, &to).and_then(|()| {
            fs::rename(&next, &path).inspect_err(|_| {
                let _left_where_it_is = fs::rename(&to, &path);
            })
        });
        if let Err(error) = moved {
            let _gone_already = fs::remove_file(&next);
            return Err(failed(error));
        }
        sync_directory(&path).map_err(failed)?;
        self.file = file;
        self.mark = Mark { path, device: meta.dev(), inode: meta.ino(), length: 0 };
        self.period = self.period_of(now);
        Ok(to)
    }

    fn period_of(&self, at: Timestamp) -> i64 {
        let every = i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX).max(1);
        at.secs().div_euclid(every)
    }

    /// Writes a chunk; `end_line` adds a newline behind a last line that has none, so that the next stream's line
    /// stands by itself. After an error the same chunk may be written again: it goes on where it stopped.
    ///
    /// # Errors
    /// [`SinkError::Write`].
    pub fn write(&mut self, chunk: &Redacted, end_line: bool, now: Timestamp) -> Result<(), SinkError> {
        if self.mark.length == 0 {
            self.period = self.period_of(now);
        }
        let bytes = chunk.bytes();
        let newline: &[u8] = if end_line && !bytes.is_empty() && !bytes.ends_with(b"\n") { b"\n" } else { b"" };
        let mut behind = 0;
        for part in [bytes, newline] {
            let from = self.done.saturating_sub(behind).min(part.len());
            let result = write_all(&*self.file, &part[from..]);
            let n = result.as_ref().map_or_else(|(done, _)| *done, |()| part.len() - from);
            self.done += n;
            self.mark.length += n as u64;
            result.map_err(|(_, source)| SinkError::Write { name: self.mark.path.display().to_string(), source })?;
            behind += part.len();
        }
        self.done = 0;
        Ok(())
    }

    /// What is written so far.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The same file for another thread, which makes what is written durable.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn syncer(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// How often a file is opened again that was rotated away while its lock was taken.
const TRIES: usize = 10;

/// Opens `path` to append to it, and takes its lock.
fn open_alone(path: &Path) -> Result<(Sole, Metadata), SinkError> {
    let shown = || path.display().to_string();
    let failed = |source: io::Error| SinkError::Open { path: shown(), source };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    for _ in 0..TRIES {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path);
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::LOOP.raw_os_error() => SinkError::Link { path: shown() },
            Some(code) if code == Errno::NXIO.raw_os_error() => SinkError::NotAFile { path: shown() },
            _ => failed(error),
        })?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(SinkError::NotAFile { path: shown() });
        }
        let file = match Sole::take(file) {
            Ok(file) => file,
            Err((_, TryLockError::WouldBlock)) => return Err(SinkError::Taken { path: shown() }),
            Err((file, TryLockError::Error(error))) => {
                tracing::warn!(
                    "{} cannot be locked ({error}): make sure that no other logwarden writes it",
                    path.display()
                );
                file
            }
        };
        // one that was rotated away just then is free, and is not the one that its writer goes on with
        let meta = file.metadata().map_err(failed)?;
        if fs::symlink_metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (meta.dev(), meta.ino())) {
            return Ok((file, meta));
        }
    }
    Err(SinkError::Taken { path: shown() })
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn chunk(text: &str) -> Redacted {
        let key = crate::redact::PseudonymKey::random().unwrap();
        let mut out = Redacted::default();
        crate::redact::Redactor::new(key).worker().redact(text.as_bytes(), &mut out);
        out
    }

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    fn at(path: &Path, more: &str) -> FileSinkConfig {
        toml::from_str(&format!("path = '{}'\n{more}", path.display())).unwrap()
    }

    #[test]
    fn what_was_not_promised_is_cut_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let config = at(&path, "");
        let mut sink = FileSink::open(&config, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        sink.write(&chunk("one\n"), false, NOW).unwrap();
        let mark = sink.mark().clone();
        sink.write(&chunk("two"), true, NOW).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(sink.mark().length, 8);
        drop(sink);
        // another file under the same name was not written by us
        let other = Mark { inode: mark.inode + 1, ..mark.clone() };
        assert_eq!(FileSink::open(&config, Some(&other)).unwrap().mark().length, 8);
        let sink = FileSink::open(&config, Some(&mark)).unwrap();
        assert_eq!((sink.mark(), fs::read_to_string(&path).unwrap().as_str()), (&mark, "one\n"));
        drop(sink);
        let longer = Mark { length: 100, ..mark };
        assert_eq!(FileSink::open(&config, Some(&longer)).unwrap().mark().length, 4);
    }

    #[test]
    fn a_full_or_old_file_is_due_and_rotation_keeps_every_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        let mut sink = FileSink::open(&at(&path, "rotate_size = '8 B'\nrotate_every = '1h'"), None).unwrap();
        let later = |s| NOW.plus(Duration::from_secs(s));
        assert!(!sink.due(later(7200)));
        sink.write(&chunk("one\n"), true, NOW).unwrap();
        assert!(!sink.due(later(3599)) && sink.due(later(3600)));
        sink.write(&chunk("two\n"), true, NOW).unwrap();
        assert!(sink.due(NOW));
        let old = sink.rotate(NOW).unwrap();
        assert_eq!(old, dir.path().join("out-20260501T120000Z.log"));
        sink.write(&chunk("three\n"), true, NOW).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!sink.due(later(3599)) && sink.due(later(3600)));
        // where it cannot be, it goes on with what it has
        let name = rotated_name(&path, NOW).unwrap();
        fs::create_dir(format!("{}{UNFINISHED}", name.display())).unwrap();
        assert!(matches!(sink.rotate(NOW), Err(SinkError::Rotate { .. })));
        sink.write(&chunk("four\n"), true, NOW).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\nfour\n");
    }

    #[test]
    fn a_file_has_one_writer_and_any_readers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let config = at(&path, "rotate_size = '4 B'");
        let mut sink = FileSink::open(&config, None).unwrap();
        let copy = sink.syncer().unwrap();
        sink.write(&chunk("one\n"), true, NOW).unwrap();
        // a second one changes nothing, not even where it believes that the end was not promised
        let less = Mark { length: 1, ..sink.mark().clone() };
        let refused = |result: Result<FileSink, SinkError>| matches!(result, Err(SinkError::Taken { .. }));
        assert!(refused(FileSink::open(&config, Some(&less))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        // also under another name
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(refused(FileSink::open(&at(&dir.path().join("other"), ""), None)));
        let old = sink.rotate(NOW).unwrap();
        assert!(refused(FileSink::open(&config, None)));
        assert!(File::open(&old).unwrap().try_lock().is_ok(), "nobody writes that one any more");
        // whoever still syncs it holds nobody up
        let other = sink.syncer().unwrap();
        drop(sink);
        assert!(FileSink::open(&config, None).is_ok());
        drop((copy, other));
    }

    #[test]
    fn links_and_other_things_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let open = |path: &Path| FileSink::open(&at(path, ""), None);
        fs::write(path("real"), "").unwrap();
        symlink(path("real"), path("link")).unwrap();
        assert!(matches!(open(&path("link")), Err(SinkError::Link { .. })));
        assert!(open(dir.path()).is_err());
        assert!(matches!(open(Path::new("/dev/null")), Err(SinkError::NotAFile { .. })));
        assert!(matches!(open(&path("no/such/dir")), Err(SinkError::Open { .. })));
    }
}
