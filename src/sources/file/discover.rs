//! Which files there are: those that match, and those beside them that rotation has made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::{MatchOptions, Pattern};

const COMPRESSED: [&str; 8] = ["gz", "zst", "xz", "bz2", "lz4", "zip", "Z", "lzma"];

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What to look for.
pub(super) struct Patterns {
    include: Vec<String>,
    exclude: Vec<Pattern>,
    /// Never read, whatever the patterns say: our own outputs.
    outputs: Vec<PathBuf>,
}

/// A file that was found.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// The matching path that it belongs to: its own, or the one that rotation moved it from.
    pub base: PathBuf,
    /// Whether the path itself matches.
    pub matched: bool,
    /// `st_dev` and `st_ino`.
    pub id: (u64, u64),
    /// Length in bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
}

impl Patterns {
    /// Patterns as they are configured.
    pub(super) fn new(
        include: &[String],
        exclude: &[String],
        outputs: Vec<PathBuf>,
    ) -> Result<Self, glob::PatternError> {
        for pattern in include {
            Pattern::new(pattern)?;
        }
        let exclude = exclude.iter().map(|pattern| Pattern::new(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { include: include.to_vec(), exclude, outputs })
    }

    /// The directories in which matching files can be, as far as they are there.
    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut dirs = BTreeSet::new();
        for pattern in &self.include {
            let parent = Path::new(pattern).parent().unwrap_or(Path::new("."));
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            let found = glob::glob_with(&parent.to_string_lossy(), OPTIONS).into_iter().flatten().flatten();
            dirs.extend(found.filter(|dir| dir.is_dir()));
        }
        dirs
    }

    /// All files now, the one written longest ago first. `bases` are matching paths that are known from before: what
    /// rotation made of them is found even while nothing stands in their place.
    pub(super) fn find(&self, bases: impl Iterator<Item = PathBuf>) -> Vec<Candidate> {
        let mut matched = BTreeSet::new();
        for pattern in &self.include {
            let found = glob::glob_with(pattern, OPTIONS).into_iter().flatten().flatten();
            matched.extend(found.filter(|path| self.allowed(path)));
        }
        let mut by_id: BTreeMap<(u64, u64), Candidate> = BTreeMap::new();
        for path in &matched {
            if let Some(candidate) = stat(path, path, true) {
                by_id.entry(candidate.id).or_insert(candidate);
            }
        }
        let known: BTreeSet<PathBuf> = matched.iter().cloned().chain(bases).collect();
        let dirs: BTreeSet<&Path> = known.iter().filter_map(|path| path.parent()).collect();
        for entry in dirs.into_iter().filter_map(|dir| fs::read_dir(dir_or_here(dir)).ok()).flatten().flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let path = entry.path();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            if known.contains(&path) || !self.allowed(&path) {
                continue;
            }
            let base = unrotated(&name).into_iter().map(|base| path.with_file_name(base)).find(|b| known.contains(b));
            if let Some(candidate) = base.and_then(|base| stat(&path, &base, false)) {
                by_id.entry(candidate.id).or_insert(candidate);
            }
        }
        let mut found: Vec<Candidate> = by_id.into_values().collect();
        // of two that were written at the same moment the one with the higher number is the older
        found.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| b.path.cmp(&a.path)));
        found
    }

    fn allowed(&self, path: &Path) -> bool {
        let compressed = path.extension().and_then(OsStr::to_str).is_some_and(|e| COMPRESSED.contains(&e));
        !compressed
            && !self.exclude.iter().any(|pattern| pattern.matches_path_with(path, OPTIONS))
            && !self.outputs.iter().any(|output| output == path || is_rotated(path, output))
    }
}

impl Candidate {
    /// Whether the name is one that rotation gives.
    pub(super) fn looks_rotated(&self) -> bool {
        !self.matched || self.path.file_name().and_then(OsStr::to_str).is_some_and(|name| !unrotated(name).is_empty())
    }

    /// Whether rotation may have made this file of the one at `base`, by their names.
    pub(super) fn may_come_from(&self, base: &Path) -> bool {
        is_rotated(&self.path, base)
    }
}

/// Whether rotation may have made the file at `path` of the one at `base`, by their names.
fn is_rotated(path: &Path, base: &Path) -> bool {
    let name = |path: &Path| path.file_name().and_then(OsStr::to_str).map(str::to_owned);
    let (Some(name), Some(base_name)) = (name(path), name(base)) else { return false };
    path.parent() == base.parent() && unrotated(&name).contains(&base_name)
}

fn dir_or_here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

fn stat(path: &Path, base: &Path, matched: bool) -> Option<Candidate> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Candidate {
        path: path.to_owned(),
        base: base.to_owned(),
        matched,
        id: (meta.dev(), meta.ino()),
        size: meta.len(),
        modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

/// The names that a file may have had before rotation called it `name`: `app.log` for `app.log.1`, `app.log-20260501`,
/// `app-2026-05-01.log`, `app.1.log` and `app.log.old`.
fn unrotated(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    for ending in [".old", ".bak"] {
        names.extend(name.strip_suffix(ending).map(str::to_owned));
    }
    let mut cut = |stem: &str, ending: &str| {
        for (at, _) in stem.match_indices(['.', '-', '_']) {
            let number = &stem[at + 1..];
            let numeric = number.starts_with(|c: char| c.is_ascii_digit())
                && number.chars().all(|c| c.is_ascii_digit() || ".-_:TZ".contains(c));
            if at > 0 && numeric {
                names.push(format!("{}{ending}", &stem[..at]));
            }
        }
    };
    cut(name, "");
    if let Some((stem, extension)) = name.rsplit_once('.') {
        cut(stem, &format!(".{extension}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_lead_back() {
        for name in
            ["app.log.1", "app.log-20260501", "app.log-2026-05-01-1777", "app-20260501.log", "app.1.log", "app.log.old"]
        {
            assert!(unrotated(name).contains(&"app.log".to_owned()), "{name}: {:?}", unrotated(name));
        }
        for name in ["app.log", "app.error.log", "app.log.swp", "app.log.1a", ".1", "app2.log"] {
            assert!(!unrotated(name).contains(&"app.log".to_owned()), "{name}: {:?}", unrotated(name));
        }
    }

    #[test]
    fn what_matches_and_what_rotation_made_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in
            ["app.log", "app.log.1", "app.log.2.gz", "other.txt", "not.log", "out.log", "out-20260501T120000Z.log"]
        {
            fs::write(at(name), name).unwrap();
        }
        let include = [at("*.log").to_string_lossy().into_owned()];
        let exclude = [at("not.*").to_string_lossy().into_owned()];
        let patterns = Patterns::new(&include, &exclude, vec![at("out.log")]).unwrap();
        let names = |found: Vec<Candidate>| {
            let mut names: Vec<_> =
                found.into_iter().map(|c| (c.path.file_name().unwrap().to_owned(), c.matched)).collect();
            names.sort();
            names
        };
        let both = vec![("app.log".into(), true), ("app.log.1".into(), false)];
        assert_eq!(names(patterns.find(std::iter::empty())), both);
        fs::remove_file(at("app.log")).unwrap();
        assert_eq!(names(patterns.find(std::iter::empty())), []);
        assert_eq!(names(patterns.find(std::iter::once(at("app.log")))), both[1..]);
        assert_eq!(patterns.directories().into_iter().collect::<Vec<_>>(), [dir.path()]);
    }
}
