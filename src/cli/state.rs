//! Which state directory a reading verb looks into.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::{Exit, Failure};
use crate::config;
use crate::redact::PseudonymKey;
use crate::store::{StateConfig, Store, StoreError, pseudonym_variable};
use crate::web::SOCKET_NAME;

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
        let dir = self.dir()?;
        open(&dir).map_err(|error| {
            let told = Failure::new(Exit::IO, error.to_string());
            match error {
                StoreError::Absent(_) => told.help(HELP),
                StoreError::Io { .. } | StoreError::Database(_) => told.help(USER),
                _ => told,
            }
            .into()
        })
    }

    /// Where the service's socket is, when it has one.
    pub fn socket(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.config
            && let Some(socket) = config::load(file)?.http.and_then(|http| http.socket)
        {
            return Ok(socket);
        }
        Ok(self.dir()?.join(SOCKET_NAME))
    }

    /// The state directory.
    pub fn dir(&self) -> anyhow::Result<PathBuf> {
        let dir = match (&self.state, &self.config) {
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(file)) => config::load(file)?.state.resolve(),
            (None, None) => StateConfig::default().resolve(),
        };
        Ok(dir.ok_or_else(|| Failure::new(Exit::USAGE, "there is no state directory to look into").help(HELP))?)
    }
}

const HELP: &str = "name it with --state DIR, or the service's configuration with --config FILE";

const USER: &str = "run this as the user of the service, for example with `sudo -u logwarden`";

/// The pseudonym key of a process that keeps no state: from the environment, or a random one.
pub fn passing_key() -> anyhow::Result<PseudonymKey> {
    match pseudonym_variable().map_err(|error| Failure::new(Exit::CONFIG, error.to_string()))? {
        Some(key) => Ok(key),
        None => PseudonymKey::random().context("no randomness for the pseudonym key"),
    }
}

/// Who is at the keyboard, for the record.
pub fn operator() -> String {
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
