//! `exec`: run a command and redact what it writes, both streams kept apart.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::exit::{Exit, Failure};
use super::lane::{Lane, Stop};
use super::{entry, signals, stats};
use crate::redact::{PseudonymKey, Redactor};
use crate::sinks::SinkError;
use crate::telemetry::{self, Counters};
use crate::units::parse_duration;

/// What `exec` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At the end, say on stderr what was read, redacted and withheld.
    #[arg(long)]
    pub stats: bool,

    /// When CMD has ended but something it started still holds its output open, how long to go on reading.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub drain: Duration,

    /// The command to run, with its arguments.
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Runs the command; its exit code is ours.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    telemetry::guard_process();
    let key = PseudonymKey::random().context("no randomness for the pseudonym key")?;
    let redactor = Redactor::new(key);
    telemetry::start_log(io::stderr(), &redactor, "warn", true);
    let counters = Arc::new(Counters::new(redactor.rules().len()));
    let started = Instant::now();
    // before the command is there, so that no signal falls between
    let target = signals::Target::default();
    signals::forward(&target).context("cannot handle signals")?;
    let mut child = spawn(&args.command)?;
    target.started(pid_of(&child));
    let (done, ended) = channel();
    if let Some(pipe) = child.stdout.take() {
        let lane = Lane::new(&redactor, &counters, io::stdout(), "standard output");
        carry("stdout", lane, pipe, done.clone())?;
    }
    if let Some(pipe) = child.stderr.take() {
        let lane = Lane::new(&redactor, &counters, io::stderr(), "standard error");
        carry("stderr", lane, pipe, done.clone())?;
    }
    drop(done);
    let status = wait(&mut child, &target).context("cannot wait for the command")?;
    let deadline = Instant::now() + args.drain;
    let mut failed = false;
    // ends when both streams have, or at the deadline
    while let Ok(result) = ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Err(message) = result {
            entry::tell(&anyhow::anyhow!(message));
            failed = true;
        }
    }
    if args.stats {
        stats::print(&counters, &redactor, started.elapsed());
    }
    Ok(match exit_of(status) {
        Exit::OK if failed => Exit::IO,
        exit => exit,
    })
}

fn spawn(command: &[OsString]) -> anyhow::Result<Child> {
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::new(Exit::USAGE, "no command to run").into());
    };
    Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| {
        let exit = if error.kind() == ErrorKind::NotFound { Exit::NOT_FOUND } else { Exit::NOT_EXECUTABLE };
        Failure::new(exit, format!("cannot run {}: {error}", program.to_string_lossy())).into()
    })
}

/// Carries one of the command's streams on a thread of its own; says on `done` how it ended.
fn carry<O, I>(name: &str, mut lane: Lane<O>, pipe: I, done: Sender<Result<(), String>>) -> io::Result<()>
where
    O: AsFd + IsTerminal + Send + 'static,
    I: AsFd + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // `pipe` is closed when this returns: a command that goes on writing then sees what we saw
        let result = match lane.pass(pipe, None) {
            Ok(()) | Err(Stop::Output(SinkError::Closed)) => Ok(()),
            Err(Stop::Output(error)) => Err(error.to_string()),
            Err(Stop::Input(error)) => Err(format!("cannot read the command's output: {error}")),
        };
        let _ = done.send(result);
    })?;
    Ok(())
}

/// Waits for the command. Its number is taken from the signal handler before the system may use it again.
fn wait(child: &mut Child, target: &signals::Target) -> io::Result<ExitStatus> {
    loop {
        match waitid(WaitId::Pid(pid_of(child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    target.ended();
    child.wait()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The command's exit code; 128 and the number of the signal that ended it.
fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|n| 128 + n));
    Exit(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::INTERNAL.0))
}
