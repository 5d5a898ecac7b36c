//! Parse, run the verb, tell a failure, give the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use owo_colors::OwoColorize;

use super::command::{Cli, Verb};
use super::exit::{self, Exit, Failure};
use super::{exec, filter};

/// Runs the command line `args` (the first one is the program's name).
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::USAGE } else { Exit::OK }.into();
        }
    };
    cli.color.apply();
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = exit::code(&error);
            tell(&error);
            exit.into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    match &cli.verb {
        None => filter::run(&cli.filter),
        Some(Verb::Exec(args)) => exec::run(args),
    }
}

/// Writes an error and its way out on stderr.
pub(super) fn tell(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{} {error:#}", "logwarden: error:".red().bold());
    let help = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.help.as_deref());
    if let Some(help) = help {
        let _ = writeln!(err, "  {} {help}", "help:".cyan().bold());
    }
}
