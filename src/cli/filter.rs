//! No verb: standard input or files in, redacted lines out.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use anyhow::Context;

use super::exit::Exit;
use crate::redact::{PseudonymKey, Redacted, Redactor};

/// What the filter can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to read; standard input when there is none or for `-`.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Filters.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let redactor = Redactor::new(PseudonymKey::random().context("no randomness for the pseudonym key")?);
    let mut worker = redactor.worker();
    let mut redacted = Redacted::default();
    let mut out = std::io::stdout().lock();
    let mut pass = |input: &mut dyn BufRead| -> std::io::Result<()> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            worker.redact(&line, &mut redacted);
            out.write_all(redacted.bytes())?;
            line.clear();
        }
        out.flush()
    };
    if args.files.is_empty() {
        pass(&mut std::io::stdin().lock())?;
    }
    for path in &args.files {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        pass(&mut std::io::BufReader::new(file))?;
    }
    Ok(Exit::OK)
}
