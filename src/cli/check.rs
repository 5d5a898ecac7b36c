//! `check`: is the configuration right, and what would run?

use std::io::Write;
use std::path::PathBuf;

use crate::config::{self, Config};

use super::exit::Exit;

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
    vec![match config.state.resolve() {
        Some(dir) => format!("state in {}", dir.display()),
        None => "no state directory".to_owned(),
    }]
}
