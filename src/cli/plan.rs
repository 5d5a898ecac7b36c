//! What a configuration would run, in words: for `check`, and for the log of a service that starts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::alert::KINDS;
use crate::config::Config;
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;

/// Most files of one source that are complained about by name.
const MOST_NAMED: usize = 3;

/// What the configuration would run, one line a thing.
pub fn plan(config: &Config) -> Vec<String> {
    let mut lines: Vec<String> = config.sources.iter().map(|(name, source)| reads(name, source)).collect();
    lines.extend(config.sinks.iter().map(|(name, sink)| writes(name, sink)));
    lines.push(watches(config));
    if let Some(http) = &config.http {
        let scheme = if http.tls.is_some() { "https" } else { "http" };
        let words = match (&http.token, http.listen.ip().to_canonical().is_loopback()) {
            (None, true) => "; to act takes its Unix socket, for there is no token",
            _ => "",
        };
        lines.push(format!("page: on {scheme}://{}/{words}", http.listen));
    }
    if !config.sources.is_empty() {
        lines.push(match config.state.resolve() {
            Some(dir) => format!("state: in {}", dir.display()),
            None => "state: none; set `dir` in [state]".to_owned(),
        });
    }
    lines
}

fn reads(name: &str, source: &SourceConfig) -> String {
    match source {
        SourceConfig::File(file) => {
            let found = match matching(&file.paths).iter().filter(|path| path.is_file()).count() {
                0 => "no file yet".to_owned(),
                1 => "1 file now".to_owned(),
                n => format!("{n} files now"),
            };
            format!("source {name}: follows {} ({found})", file.paths.join(", "))
        }
        SourceConfig::Stdin(_) => format!("source {name}: reads standard input"),
        SourceConfig::Http(http) => format!("source {name}: takes lines over HTTP on {}", http.listen),
        SourceConfig::Tcp(tcp) => format!("source {name}: takes lines over TCP on {}", tcp.listen),
        SourceConfig::Unix(unix) => format!("source {name}: takes lines on the socket {}", unix.path.display()),
        SourceConfig::Journald(_) => format!("source {name}: follows the systemd journal"),
    }
}

fn writes(name: &str, sink: &SinkConfig) -> String {
    let from = match sink.sources() {
        [] => String::new(),
        some => format!(", lines of {}", some.join(", ")),
    };
    match sink {
        SinkConfig::File(file) => format!("sink {name}: writes {}{from}", file.path.display()),
        SinkConfig::Stdout(_) => format!("sink {name}: writes to standard output{from}"),
        SinkConfig::Http(http) => format!("sink {name}: sends to {}{from}", http.url),
    }
}

fn watches(config: &Config) -> String {
    let detect = toml::Value::try_from(&config.detect).ok();
    let off = |name: &&str| {
        let enabled = detect.as_ref().and_then(|d| d.get(name)?.get("enabled")?.as_bool());
        enabled == Some(false)
    };
    let off: Vec<&str> = KINDS.iter().map(|kind| kind.name).filter(off).collect();
    match off.as_slice() {
        [] => format!("watches for: all {} kinds of alert", KINDS.len()),
        off => format!(
            "watches for: {} of {} kinds of alert; off: {}",
            KINDS.len() - off.len(),
            KINDS.len(),
            off.join(", ")
        ),
    }
}

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
    let secrets = config.http.iter().flat_map(|http| http.secrets());
    doubts.extend(secrets.filter_map(|(_, secret)| Some(format!("page: {}", secret.warning()?))));
    doubts
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

fn matching(patterns: &[String]) -> Vec<PathBuf> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let mut found: Vec<PathBuf> =
        patterns.iter().filter_map(|pattern| glob::glob_with(pattern, options).ok()).flatten().flatten().collect();
    found.sort();
    found.dedup();
    found
}

fn user() -> String {
    format!("this user (uid {})", rustix::process::geteuid().as_raw())
}
