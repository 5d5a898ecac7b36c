//! How lines of a configured source are read, for verbs that look at lines without running the source.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use crate::config::Config;
use crate::event::SourceReading;
use crate::sources::{Lines, SourceConfig};

/// How lines of the source `name` are read; of the only source when there is no name.
pub fn named(config: &Config, name: Option<&str>) -> Result<SourceReading, Failure> {
    let source = match name {
        Some(name) => {
            let missing = || Failure::new(Exit::USAGE, format!("the configuration has no source `{name}`"));
            Some(config.sources.get(name).ok_or_else(missing)?)
        }
        None if config.sources.len() == 1 => config.sources.values().next(),
        None => None,
    };
    Ok(source.map_or_else(SourceReading::default, reading))
}

/// How lines of a file are read: as its source would, or as the only source. With it the name of what the file belongs to:
/// the source that follows it or learns from it, or the file that rotation has made it of.
pub fn of_file(config: &Config, path: &Path) -> (String, SourceReading) {
    let live = unrotated(path);
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let spellings = [path.to_owned(), absolute(path), live.clone(), absolute(&live)];
    let follows = |(_, source): &(&String, &SourceConfig)| match source {
        SourceConfig::File(file) => file.paths.iter().chain(&file.learn_from).any(|pattern| {
            glob::Pattern::new(pattern).is_ok_and(|p| spellings.iter().any(|path| p.matches_path(path)))
        }),
        _ => false,
    };
    let only = || (config.sources.len() == 1).then(|| config.sources.values().next()).flatten();
    match config.sources.iter().find(follows) {
        Some((name, source)) => (name.clone(), reading(source)),
        None => (live.display().to_string(), only().map_or_else(SourceReading::default, reading)),
    }
}

/// The path of the file that rotation has made this one of: without what says how it is compressed, and without the number
/// or the date at its end (`app.log.2.gz`, `app.log-20260501`).
fn unrotated(path: &Path) -> PathBuf {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return path.to_owned() };
    let plain = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let rotated = plain.rsplit_once(['.', '-']).filter(|(stem, end)| {
        let number = !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit());
        number && !stem.is_empty() && (end.len() <= 4 || end.len() >= 8)
    });
    path.with_file_name(rotated.map_or(plain, |(stem, _)| stem))
}

fn reading(source: &SourceConfig) -> SourceReading {
    let Lines { zone, trusted_proxies, schema, trusted_labels } = source.lines();
    SourceReading { zone, trusted_proxies, schema, trusted_labels, ..SourceReading::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_belong_to_the_live_one() {
        for (path, live) in [
            ("/var/log/app.log", "/var/log/app.log"),
            ("/var/log/app.log.1", "/var/log/app.log"),
            ("app.log.12.gz", "app.log"),
            ("d/app.log-20260501.zst", "d/app.log"),
            ("d/app.log.gz", "d/app.log"),
            ("d/web-7", "d/web"),
            ("d/app", "d/app"),
            ("d/app.log-2026-05-01", "d/app.log-2026-05"),
        ] {
            assert_eq!(unrotated(Path::new(path)), Path::new(live), "{path}");
        }
    }

    #[test]
    fn a_file_is_of_the_source_that_follows_it_or_learns_from_it() {
        let source = |name: &str, more: &str| format!("[sources.{name}]\ntype = 'file'\n{more}\n");
        let text =
            source("app", "paths = ['/l/app.log']") + &source("web", "paths = ['/l/w.log']\nlearn_from = ['/old/*']");
        let config: Config = toml::from_str(&text).unwrap();
        let name = |path: &str| of_file(&config, Path::new(path)).0;
        assert_eq!([name("/l/app.log"), name("/l/app.log.3.gz"), name("/old/x")], ["app", "app", "web"]);
        assert_eq!(name("/elsewhere/a.log.1"), "/elsewhere/a.log");
    }
}
