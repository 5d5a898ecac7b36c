//! Which state directory a reading verb looks into.

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use crate::config;
use crate::store::{StateConfig, Store, StoreError};

/// Where the service keeps its state.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The state directory
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub state: Option<PathBuf>,

    /// The service's configuration file, for its state directory
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Args {
    /// Opens the state for reading; a service may be writing meanwhile.
    pub fn open(&self) -> anyhow::Result<Store> {
        self.with(Store::open_read_only)
    }

    /// Opens the state for a word of the operator; a service may be writing meanwhile.
    pub fn open_beside(&self) -> anyhow::Result<Store> {
        self.with(Store::open_beside)
    }

    fn with(&self, open: fn(&Path) -> Result<Store, StoreError>) -> anyhow::Result<Store> {
        let dir = match (&self.state, &self.config) {
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(file)) => config::load(file)?.state.resolve(),
            (None, None) => StateConfig::default().resolve(),
        };
        let help = "name it with --state DIR, or the service's configuration with --config FILE";
        let dir =
            dir.ok_or_else(|| Failure::new(Exit::USAGE, "there is no state directory to look into").help(help))?;
        open(&dir).map_err(|error| Failure::new(Exit::IO, error.to_string()).help(help).into())
    }
}

/// Who is at the keyboard, for the record.
pub fn operator() -> String {
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
