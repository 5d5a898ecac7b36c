//! `config`: the annotated reference, the JSON Schema, and what holds now.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::exit::Exit;
use crate::config;

/// What can be shown.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Every section and key with its meaning and default, as TOML
    Reference,
    /// The JSON Schema, for editors
    Schema,
    /// The configuration as it is understood: files merged, defaults filled in, secrets hidden
    Show {
        /// The configuration file.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Shows.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    let text = match verb {
        Verb::Reference => config::reference(),
        Verb::Schema => format!("{:#}\n", config::schema()),
        Verb::Show { config } => {
            config::show(&config::load(config)?).context("this configuration cannot be written as TOML")?
        }
    };
    anstream::stdout().lock().write_all(text.as_bytes())?;
    Ok(Exit::OK)
}
