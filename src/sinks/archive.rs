//! The files that were rotated away: compressing them, and removing those that are old or too many.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;

use super::config::{Compression, FileSinkConfig};
use super::file::sync_directory;
use super::names::{Rotated, UNFINISHED, read_name};
use crate::units::Timestamp;

/// How much is compressed at once.
const STEP: usize = 256 << 10;

/// The rotated files of one sink.
pub struct Archive {
    path: PathBuf,
    compress: Compression,
    keep: Duration,
    total: u64,
    stop: Arc<AtomicBool>,
}

impl Archive {
    /// What the sink `config` has rotated; kept for `keep` and up to `total` bytes (0: no limit) where it does not say
    /// itself. `stop` ends long work early.
    pub fn new(config: &FileSinkConfig, keep: Duration, total: u64, stop: Arc<AtomicBool>) -> Self {
        let keep = if config.keep.is_zero() { keep } else { config.keep };
        let total = if config.keep_total == 0 { total } else { config.keep_total };
        Self { path: config.path.clone(), compress: config.compress, keep, total, stop }
    }

    /// Compresses what is not yet, and removes what has been kept long enough, or is too much; gives what was removed.
    /// Something that fails is told and left.
    pub fn tidy(&self, now: Timestamp) -> Vec<PathBuf> {
        let mut removed = Vec::new();
        let told = |what: &str, path: &Path, error: &io::Error| {
            tracing::warn!("cannot {what} {}: {error}; trying again later", path.display());
        };
        let mut files = match self.list() {
            Ok(files) => files,
            Err(error) => {
                told("list what was rotated beside", &self.path, &error);
                return removed;
            }
        };
        for (rotated, path, length) in &mut files {
            if self.compress == Compression::None || rotated.compressed || self.stopping() {
                continue;
            }
            match self.compress(path) {
                Ok(Some((new, size))) => (*path, *length, rotated.compressed) = (new, size, true),
                Ok(None) => {}
                Err(error) => told("compress", path, &error),
            }
        }
        files.sort();
        let mut sum: u64 = files.iter().map(|(_, _, length)| length).sum();
        for (rotated, path, length) in files {
            let old = now.since(rotated.at) > self.keep;
            if !(old || (self.total > 0 && sum > self.total)) {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => {
                    tracing::info!(
                        "{} was removed: it is {}",
                        path.display(),
                        if old { "old" } else { "one too many" }
                    );
                    sum -= length;
                    removed.push(path);
                }
                Err(error) => told("remove", &path, &error),
            }
        }
        removed
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What was rotated, as regular files; what an earlier run has left unfinished is removed.
    fn list(&self) -> io::Result<Vec<(Rotated, PathBuf, u64)>> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut files = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let meta = entry.metadata()?;
            if let Some(whole) = name.strip_suffix(UNFINISHED)
                && read_name(&self.path, whole).is_some()
                && meta.is_file()
            {
                fs::remove_file(entry.path())?;
            } else if let Some(rotated) = read_name(&self.path, name).filter(|_| meta.is_file()) {
                files.push((rotated, entry.path(), meta.len()));
            }
        }
        Ok(files)
    }

    /// Writes the compressed file beside the plain one and removes that only when the other is safely there. `None`
    /// when there was no time for it.
    fn compress(&self, path: &Path) -> io::Result<Option<(PathBuf, u64)>> {
        let ending = if self.compress == Compression::Gzip { "gz" } else { "zst" };
        let done = PathBuf::from(format!("{}.{ending}", path.display()));
        let unfinished = PathBuf::from(format!("{}{UNFINISHED}", done.display()));
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let from = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let mode = from.metadata()?.mode() & 0o600;
        let to = OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(flags).open(&unfinished)?;
        let copied = match self.compress {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&to, flate2::Compression::default());
                self.copy(&from, &mut encoder).and_then(|all| encoder.finish().map(|_| all))
            }
            Compression::Zstd | Compression::None => {
                let mut encoder = zstd::stream::write::Encoder::new(&to, 0)?;
                self.copy(&from, &mut encoder).and_then(|all| encoder.finish().map(|_| all))
            }
        };
        if !matches!(copied, Ok(true)) {
            fs::remove_file(&unfinished)?;
            return copied.map(|_| None);
        }
        to.sync_all()?;
        fs::rename(&unfinished, &done)?;
        sync_directory(&done)?;
        fs::remove_file(path)?;
        Ok(Some((done, to.metadata()?.len())))
    }

    /// Copies to the end; `false` when it is time to stop.
    fn copy(&self, mut from: &File, to: &mut impl Write) -> io::Result<bool> {
        let mut step = vec![0; STEP];
        while !self.stopping() {
            match from.read(&mut step)? {
                0 => return Ok(true),
                n => to.write_all(&step[..n])?,
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    fn archive(dir: &Path, more: &str) -> Archive {
        let text = format!("path = '{}'\n{more}", dir.join("app.log").display());
        Archive::new(&toml::from_str(&text).unwrap(), Duration::from_secs(90 * 86_400), 0, Arc::default())
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn rotated_files_are_compressed_and_readable_and_private() {
        for (word, ending) in [("gzip", "gz"), ("zstd", "zst")] {
            let dir = tempfile::tempdir().unwrap();
            let text = "a line\n".repeat(100_000);
            fs::write(dir.path().join("app-20260501T110000Z.log"), &text).unwrap();
            fs::write(dir.path().join("app-20260501T100000Z.log.zst.tmp"), "cut off").unwrap();
            fs::write(dir.path().join("app.log"), "now\n").unwrap();
            archive(dir.path(), &format!("compress = '{word}'")).tidy(NOW);
            let name = format!("app-20260501T110000Z.log.{ending}");
            assert_eq!(names(dir.path()), [name.clone(), "app.log".to_owned()]);
            let bytes = fs::read(dir.path().join(&name)).unwrap();
            let mut back = String::new();
            match ending {
                "gz" => flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut back).unwrap(),
                _ => zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut back).unwrap(),
            };
            assert!(back == text);
            assert_eq!(fs::metadata(dir.path().join(&name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_old_and_the_too_many_go_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            "app-20250101T000000Z.log",
            "app-20260501T100000Z.log",
            "app-20260501T110000Z.2.log",
            "app-20260501T110000Z.log.gz",
            "other-20250101T000000Z.log",
            "app.log",
        ];
        all.iter().for_each(|name| fs::write(dir.path().join(name), [b'x'; 100]).unwrap());
        symlink("/etc/passwd", dir.path().join("app-20240101T000000Z.log")).unwrap();
        archive(dir.path(), "").tidy(NOW);
        let left = names(dir.path());
        assert!(!left.contains(&all[0].to_owned()) && left.len() == 6, "{left:?}");
        let removed = archive(dir.path(), "keep_total = '200 B'").tidy(NOW);
        assert_eq!(removed, [dir.path().join(all[1])]);
        assert!(!names(dir.path()).contains(&all[1].to_owned()));
        assert_eq!(names(dir.path()).len(), 5);
        archive(dir.path(), "keep = '30m'").tidy(NOW);
        assert_eq!(names(dir.path()), ["app-20240101T000000Z.log", "app.log", "other-20250101T000000Z.log"]);
    }
}
