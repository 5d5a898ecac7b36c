//! How lines of a configured source are read, for verbs that look at lines without running the source.

use std::path::Path;

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

/// How lines of a file are read: as its source would, or as the only source.
pub fn of_file(config: &Config, path: &Path) -> SourceReading {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let follows = |source: &&SourceConfig| match source {
        SourceConfig::File(file) => file.paths.iter().any(|pattern| {
            glob::Pattern::new(pattern).is_ok_and(|p| p.matches_path(path) || p.matches_path(&absolute))
        }),
        _ => false,
    };
    let only = (config.sources.len() == 1).then(|| config.sources.values().next()).flatten();
    config.sources.values().find(follows).or(only).map_or_else(SourceReading::default, reading)
}

fn reading(source: &SourceConfig) -> SourceReading {
    let Lines { zone, trusted_proxies, schema, trusted_labels } = source.lines();
    SourceReading { zone, trusted_proxies, schema, trusted_labels, ..SourceReading::default() }
}
