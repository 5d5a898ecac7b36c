//! Parse, run the verb, tell a failure, give the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use owo_colors::OwoColorize;

use super::command::{Cli, Verb};
use super::exit::{self, Exit, Failure};
use super::{
    alerts, audit, check, config, exec, explain, filter, generate, init, keys, replay, rules, run, scan, top, worker,
};
use crate::config::ConfigError;

/// Runs the command line `args` (the first one is the program's name).
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(with_verb(args.collect())) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::USAGE } else { Exit::OK }.into();
        }
    };
    cli.color.apply();
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_closed_pipe(&error) => Exit::OK.into(),
        Err(error) => {
            let exit = exit::code(&error);
            tell(&error);
            exit.into()
        }
    }
}

/// What is meant by a verb that has verbs of its own when none of them is named.
const USUAL: [(&str, &str); 4] = [("keys", "list"), ("alerts", "list"), ("rules", "list"), ("audit", "verify")];

/// `logwarden keys` is `logwarden keys list`.
fn with_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let usual = args.get(1).and_then(|verb| USUAL.iter().find(|(name, _)| verb == name));
    let option = |arg: &OsString| arg.as_encoded_bytes().starts_with(b"-") && arg != "-h" && arg != "--help";
    if let Some((_, verb)) = usual.filter(|_| args.get(2).is_none_or(option)) {
        args.insert(2, verb.into());
    }
    args
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    match &cli.verb {
        None => filter::run(&cli.filter),
        Some(Verb::Exec(args)) => exec::run(args),
        Some(Verb::ExecWorker) => worker::run(),
        Some(Verb::Run(args)) => run::run(args),
        Some(Verb::Scan(args)) => scan::run(args),
        Some(Verb::Replay(args)) => replay::run(args),
        Some(Verb::Explain(args)) => explain::run(args),
        Some(Verb::Check(args)) => check::run(args),
        Some(Verb::Config(verb)) => config::run(verb),
        Some(Verb::Keys(verb)) => keys::run(verb),
        Some(Verb::Alerts(verb)) => alerts::run(verb),
        Some(Verb::Audit(verb)) => audit::run(verb),
        Some(Verb::Top(args)) => top::run(args),
        Some(Verb::Rules(verb)) => rules::run(verb),
        Some(Verb::Init(args)) => init::run(args),
        Some(Verb::Completions { shell }) => generate::completions(*shell),
        Some(Verb::Man { dir }) => generate::man(dir),
    }
}

/// Writes an error and its way out on stderr. Mistakes in a configuration begin with their place, as editors like it.
pub(super) fn tell(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    let head = "logwarden: error:".red().bold().to_string();
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        let what = match config.problems.len() {
            1 => "the configuration has a mistake".to_owned(),
            n if n >= crate::config::MOST_PROBLEMS => format!("the configuration has {n} mistakes or more"),
            n => format!("the configuration has {n} mistakes"),
        };
        let _ = writeln!(err, "{config}\n\n{head} {what}");
        return;
    }
    let _ = writeln!(err, "{head} {error:#}");
    let help = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.help.as_deref());
    if let Some(help) = help {
        let _ = writeln!(err, "  {} {help}", "help:".cyan().bold());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_that_is_left_out_is_the_usual_one() {
        let meant = |line: &str| {
            let args = with_verb(line.split(' ').map(OsString::from).collect());
            args.join(&OsString::from(" ")).into_string().unwrap()
        };
        assert_eq!(meant("logwarden keys"), "logwarden keys list");
        assert_eq!(meant("logwarden alerts --state /x"), "logwarden alerts list --state /x");
        assert_eq!(meant("logwarden audit"), "logwarden audit verify");
        for same in ["logwarden keys show 03fa", "logwarden keys --help", "logwarden app.log", "logwarden"] {
            assert_eq!(meant(same), same);
        }
    }
}
