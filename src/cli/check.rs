//! `check`: is the configuration right, and what would run?

use std::io::Write;
use std::path::PathBuf;

use super::exit::Exit;
use crate::config::{self, Config};
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;

/// What `check` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `conf.d/*.toml` beside it belongs to it.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
}

/// Checks.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = config::load(&args.config)?;
    let mut out = anstream::stdout().lock();
    for file in config::files(&args.config)? {
        writeln!(out, "{}: ok", file.display())?;
    }
    for line in plan(&config) {
        writeln!(out, "  {line}")?;
    }
    Ok(Exit::OK)
}

/// What the configuration would run, one line a thing.
fn plan(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, source) in &config.sources {
        lines.push(match source {
            SourceConfig::File(file) => format!("source {name}: follows {}", file.paths.join(", ")),
            SourceConfig::Stdin(_) => format!("source {name}: reads standard input"),
        });
    }
    for (name, sink) in &config.sinks {
        let from = match sink.sources() {
            [] => String::new(),
            some => format!(", lines of {}", some.join(", ")),
        };
        lines.push(match sink {
            SinkConfig::File(file) => format!("sink {name}: writes {}{from}", file.path.display()),
            SinkConfig::Stdout(_) => format!("sink {name}: writes to standard output{from}"),
        });
    }
    lines.push(match config.state.resolve() {
        Some(dir) => format!("state: in {}", dir.display()),
        None => "state: none".to_owned(),
    });
    lines
}
