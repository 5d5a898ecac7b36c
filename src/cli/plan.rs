//! What a configuration would run, in words: for `check`, and for the log of a service that starts.

use std::path::PathBuf;

use crate::alert::KINDS;
use crate::config::{Config, to_table};
use crate::daemon::Part;
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;
use crate::web::SOCKET_NAME;

/// What the configuration would run in a process that is this part, one line a thing.
pub fn plan(config: &Config, part: Part) -> Vec<String> {
    let mut lines: Vec<String> = config.sources.iter().map(|(name, source)| reads(name, source)).collect();
    lines.extend(config.sinks.iter().map(|(name, sink)| writes(name, sink)));
    lines.push(watches(config));
    if let Some(http) = config.http.as_ref().filter(|_| part == Part::Core) {
        let place = http.socket.clone().or_else(|| Some(config.state.resolve()?.join(SOCKET_NAME)));
        lines.extend(place.map(|place| format!("page: at the Unix socket {} only", place.display())));
    }
    if let Some(http) = config.http.as_ref().filter(|_| part == Part::Whole) {
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
        SinkConfig::Http(http) => format!("sink {name}: sends to {}{from}", http.place()),
    }
}

fn watches(config: &Config) -> String {
    let detect = to_table(&config.detect).ok();
    let off = |name: &&str| {
        let enabled = detect.as_ref().and_then(|d| d.get(*name)?.get("enabled")?.as_bool());
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

/// The paths that match now.
pub fn matching(patterns: &[String]) -> Vec<PathBuf> {
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
