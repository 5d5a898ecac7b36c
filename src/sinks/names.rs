//! What rotated files are called: the name, a hyphen and the second of the rotation before the ending.

use std::path::{Path, PathBuf};

use chrono::NaiveDateTime;

use crate::units::Timestamp;

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// What stands behind a rotated file's name while it is being compressed.
pub(super) const UNFINISHED: &str = ".tmp";

/// A rotated file's name, taken apart.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// When it was rotated.
    pub at: Timestamp,
    /// Which of several in the same second.
    pub number: u32,
    /// Whether it is compressed.
    pub compressed: bool,
}

fn halves(path: &Path) -> Option<(&str, &str)> {
    let name = path.file_name()?.to_str()?;
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    Some(name.split_at(dot))
}

/// A name for the file at `path` that nothing has yet.
pub(super) fn rotated_name(path: &Path, now: Timestamp) -> Option<PathBuf> {
    let (stem, ending) = halves(path)?;
    let stamp = now.to_utc().format(STAMP);
    (1..10_000u32).find_map(|number| {
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        let free = |name: &str| path.with_file_name(name).symlink_metadata().is_err();
        let name = format!("{stem}-{stamp}{number}{ending}");
        let taken = [".gz", ".zst"].iter().any(|c| !free(&format!("{name}{c}")));
        (free(&name) && !taken).then(|| path.with_file_name(name))
    })
}

/// What `name` says, when it is the name of a file that was rotated away from `path`.
pub(super) fn read_name(path: &Path, name: &str) -> Option<Rotated> {
    let (stem, ending) = halves(path)?;
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    let middle = plain.unwrap_or(name).strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(ending)?;
    let (stamp, number) = middle.split_once('.').unwrap_or((middle, "1"));
    let at = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?.and_utc().into();
    Some(Rotated { at, number: number.parse().ok()?, compressed: plain.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_left_alone() {
        let now = Timestamp::from_secs(1_777_636_800);
        let dir = tempfile::tempdir().unwrap();
        for file in ["app.jsonl", "app", "a.b.log"] {
            let path = dir.path().join(file);
            let first = rotated_name(&path, now).unwrap();
            std::fs::write(first.with_file_name(format!("{}.zst", first.file_name().unwrap().display())), "").unwrap();
            let second = rotated_name(&path, now).unwrap();
            assert_ne!(first, second);
            let read = |p: &Path| read_name(&path, p.file_name().unwrap().to_str().unwrap());
            assert_eq!(read(&first), Some(Rotated { at: now, number: 1, compressed: false }));
            assert_eq!(read(&second), Some(Rotated { at: now, number: 2, compressed: false }));
        }
        let path = Path::new("/x/app.jsonl");
        let zst = read_name(path, "app-20260501T120000Z.jsonl.zst").unwrap();
        assert_eq!((zst.at, zst.compressed), (now, true));
        for other in [
            "app.jsonl",
            "app-1.jsonl",
            "app-20260501T120000Z.log",
            "web-20260501T120000Z.jsonl",
            "app-20260501T120000Z.jsonl.zst.tmp",
        ] {
            assert_eq!(read_name(path, other), None, "{other}");
        }
    }
}
