//! `completions` and `man`: made from the command line's own description.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::command::Cli;
use super::exit::Exit;

/// Writes the completions for a shell to standard output.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "logwarden", &mut text);
    anstream::stdout().lock().write_all(&text)?;
    Ok(Exit::OK)
}

/// Writes a man page for the program and one for each verb into a directory.
pub fn man(dir: &Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(|| format!("cannot write into {}", dir.display()))?;
    Ok(Exit::OK)
}
