//! A file that is appended to, and that is cut back to its promised length after a crash.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::SinkError;
use super::stdout::write_all;
use crate::redact::Redacted;

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
    file: File,
    mark: Mark,
    /// How much of the present chunk is written already; not 0 only after an error.
    done: usize,
}

impl FileSink {
    /// Opens `path`, making it when it is not there. A file that `committed` speaks of is cut back to its length:
    /// what stands behind it was written by a run that died before it could promise it, and will be written again.
    ///
    /// # Errors
    /// When the file cannot be opened or cut, is a symbolic link, or is not a regular file.
    pub fn open(path: &Path, committed: Option<&Mark>) -> Result<Self, SinkError> {
        let shown = || path.display().to_string();
        let failed = |source: io::Error| SinkError::Open { path: shown(), source };
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path);
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::LOOP.raw_os_error() => SinkError::Link { path: shown() },
            Some(code) if code == Errno::NXIO.raw_os_error() => SinkError::NotAFile { path: shown() },
            _ => failed(error),
        })?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(SinkError::NotAFile { path: shown() });
        }
        let mut length = meta.len();
        if let Some(mark) = committed.filter(|m| (m.device, m.inode) == (meta.dev(), meta.ino())) {
            if length > mark.length {
                file.set_len(mark.length).map_err(failed)?;
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
        Ok(Self { file, mark, done: 0 })
    }

    /// Writes a chunk; `end_line` adds a newline behind a last line that has none, so that the next stream's line
    /// stands by itself. After an error the same chunk may be written again: it goes on where it stopped.
    ///
    /// # Errors
    /// [`SinkError::Write`].
    pub fn write(&mut self, chunk: &Redacted, end_line: bool) -> Result<(), SinkError> {
        let bytes = chunk.bytes();
        let newline: &[u8] = if end_line && !bytes.is_empty() && !bytes.ends_with(b"\n") { b"\n" } else { b"" };
        let mut behind = 0;
        for part in [bytes, newline] {
            let from = self.done.saturating_sub(behind).min(part.len());
            let result = write_all(&self.file, &part[from..]);
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

fn sync_directory(path: &Path) -> io::Result<()> {
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

    #[test]
    fn what_was_not_promised_is_cut_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut sink = FileSink::open(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        sink.write(&chunk("one\n"), false).unwrap();
        let mark = sink.mark().clone();
        sink.write(&chunk("two"), true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(sink.mark().length, 8);
        // another file under the same name was not written by us
        let other = Mark { inode: mark.inode + 1, ..mark.clone() };
        assert_eq!(FileSink::open(&path, Some(&other)).unwrap().mark().length, 8);
        let sink = FileSink::open(&path, Some(&mark)).unwrap();
        assert_eq!((sink.mark(), fs::read_to_string(&path).unwrap().as_str()), (&mark, "one\n"));
        let longer = Mark { length: 100, ..mark };
        assert_eq!(FileSink::open(&path, Some(&longer)).unwrap().mark().length, 4);
    }

    #[test]
    fn links_and_other_things_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("real"), "").unwrap();
        symlink(at("real"), at("link")).unwrap();
        assert!(matches!(FileSink::open(&at("link"), None), Err(SinkError::Link { .. })));
        assert!(FileSink::open(dir.path(), None).is_err());
        assert!(matches!(FileSink::open(Path::new("/dev/null"), None), Err(SinkError::NotAFile { .. })));
        assert!(matches!(FileSink::open(&at("no/such/dir"), None), Err(SinkError::Open { .. })));
    }
}
