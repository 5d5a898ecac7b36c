//! What is allowed in a configuration and yet seldom meant, and what it lacks here: for `check`, and for the log of a
//! service that starts.

use std::fs::{self, File};
use std::path::Path;

use super::plan::matching;
use crate::config::Config;
use crate::net::ServerTls;
use crate::secret::{Secret, SecretError};
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;

/// Most files of one source that are complained about by name.
const MOST_NAMED: usize = 3;

/// What is allowed and yet seldom meant.
pub fn doubts(config: &Config) -> Vec<String> {
    let mut doubts = Vec::new();
    if config.sources.is_empty() {
        doubts.push("no [sources.NAME]: enough for a pipe, too little for `logwarden run`".to_owned());
    } else if config.sinks.is_empty() {
        doubts.push("no [sinks.NAME]: lines are watched, and written nowhere".to_owned());
    }
    if config.receivers.is_empty() {
        doubts.push("no [receivers.NAME]: alerts are recorded, and nobody is told".to_owned());
    }
    for (name, source) in &config.sources {
        if let SourceConfig::File(file) = source {
            doubts.extend(unread(&file.paths).into_iter().map(|doubt| format!("source {name}: {doubt}")));
        }
    }
    for (name, sink) in &config.sinks {
        let path = match sink {
            SinkConfig::File(file) => file.path.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.is_dir()),
            SinkConfig::Stdout(_) | SinkConfig::Http(_) => None,
        };
        doubts.extend(path.map(|dir| format!("sink {name}: there is no directory {}", dir.display())));
    }
    for (owner, tls) in tls(config) {
        for path in [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()].into_iter().flatten() {
            let read = File::open(path);
            let told = |error| format!("{owner}: cannot read {} as {}: {error}", path.display(), user());
            doubts.extend(read.err().map(told));
        }
    }
    for (owner, key, secret) in secrets(config) {
        doubts.extend(secret.warning().map(|warning| format!("{owner}: {warning}")));
        if let Err(SecretError::NoCredentials(name)) = secret.resolve() {
            doubts.push(format!("{owner}: its {key} is the credential {name}, which systemd hands to the service"));
        }
    }
    doubts
}

/// What would stop the service although the file itself is right: secrets that cannot be had.
pub fn lacks(config: &Config) -> Vec<String> {
    let lack = |(owner, key, secret): (String, &str, &Secret)| match secret.resolve() {
        Ok(_) | Err(SecretError::NoCredentials(_)) => None,
        Err(error) => Some(format!("{owner}: its {key} cannot be had: {error}")),
    };
    secrets(config).into_iter().filter_map(lack).collect()
}

/// The secrets of everything but receivers, with their owners and keys.
fn secrets(config: &Config) -> Vec<(String, &'static str, &Secret)> {
    let sources = config.sources.iter().map(|(name, source)| (format!("source {name}"), source.secrets()));
    let sinks = config.sinks.iter().map(|(name, sink)| (format!("sink {name}"), sink.secrets()));
    let page = config.http.iter().map(|http| ("page".to_owned(), http.secrets()));
    let all = sources.chain(sinks).chain(page);
    all.flat_map(|(owner, secrets)| secrets.into_iter().map(move |(key, secret)| (owner.clone(), key, secret)))
        .collect()
}

fn tls(config: &Config) -> Vec<(String, &ServerTls)> {
    let sources = config.sources.iter();
    let sources = sources.filter_map(|(name, source)| Some((format!("source {name}"), source.listens()?.2?)));
    sources.chain(config.http.iter().filter_map(|http| Some(("page".to_owned(), http.tls.as_ref()?)))).collect()
}

/// What of a source's files cannot be read, as far as the present user can tell.
fn unread(patterns: &[String]) -> Vec<String> {
    let mut doubts = Vec::new();
    for path in matching(patterns) {
        if path.is_dir() {
            doubts.push(format!("{0} is a directory; to follow the files in it write {0}/*.log", path.display()));
        } else if path.is_file()
            && let Err(error) = File::open(&path)
        {
            doubts.push(format!("cannot read {} as {}: {error}", path.display(), user()));
        }
    }
    for pattern in patterns {
        let parent = Path::new(pattern).parent().filter(|dir| !dir.as_os_str().is_empty());
        let Some(parent) = parent.filter(|dir| !dir.to_string_lossy().contains(['*', '?', '['])) else { continue };
        match fs::read_dir(parent) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                doubts.push(format!("there is no directory {}", parent.display()));
            }
            Err(error) => doubts.push(format!("cannot look into {} as {}: {error}", parent.display(), user())),
        }
    }
    let more = doubts.len().saturating_sub(MOST_NAMED);
    doubts.truncate(MOST_NAMED);
    if more > 0 {
        doubts.push(format!("and {more} more like these"));
    }
    doubts
}

fn user() -> String {
    format!("this user (uid {})", rustix::process::geteuid().as_raw())
}
