//! `exec`: run a command and redact what it writes, both streams kept apart.
//!
//! This process only supervises: it holds the command's pipes and what has not come out yet. The redaction happens in a
//! worker process, which may die without the command or the reader noticing.

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
use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::lane::Stop;
use super::outlet::{Outlet, WhenSlow};
use super::state::passing_key;
use super::wire::{Answer, Greeting};
use super::worker::{Deadly, Past, Supervisor};
use super::{entry, signals, stats};
use crate::line::lines;
use crate::pipeline::FAILED;
use crate::redact::{Redacted, Redactor};
use crate::sinks::SinkError;
use crate::sources::Reading;
use crate::telemetry::{self, Counters};
use crate::units::parse_duration;

/// What `exec` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At the end, say on stderr what was read, redacted and withheld.
    #[arg(long)]
    pub stats: bool,

    /// What happens when the output is slower than CMD
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub when_slow: WhenSlow,

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
    let key = passing_key()?;
    let strip = [io::stdout().is_terminal(), io::stderr().is_terminal()];
    let supervisor = Supervisor::new(Greeting { secret: Zeroizing::new(key.secret().to_vec()), strip });
    let redactor = Redactor::new(key);
    telemetry::start_log(io::stderr(), &redactor, "warn", true);
    let counters = Arc::new(Counters::new(redactor.rules().len()));
    let started = Instant::now();
    // before the command is there, so that no signal falls between
    let target = signals::Target::default();
    signals::forward(&target).context("cannot handle signals")?;
    let mut child = spawn(&args.command)?;
    target.started(pid_of(&child));
    let supervisor = Arc::new(supervisor);
    let (done, ended) = channel();
    let carrier = |stream| Carrier { stream, supervisor: Arc::clone(&supervisor), counters: Arc::clone(&counters) };
    if let Some(pipe) = child.stdout.take() {
        let out = Outlet::new(io::stdout(), "standard output", args.when_slow);
        carry("stdout", carrier(0), pipe, out, done.clone())?;
    }
    if let Some(pipe) = child.stderr.take() {
        let out = Outlet::new(io::stderr(), "standard error", args.when_slow);
        carry("stderr", carrier(1), pipe, out, done.clone())?;
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

/// One of the command's streams, from its pipe to our output.
struct Carrier {
    stream: usize,
    supervisor: Arc<Supervisor>,
    counters: Arc<Counters>,
}

impl Carrier {
    /// Carries everything. A chunk is done when it is written; a worker that dies before that is replaced, and the next
    /// one gets the chunk again.
    fn pass<O: AsFd + Send + 'static>(&self, pipe: impl AsFd, out: &mut Outlet<O>) -> Result<(), Stop> {
        let mut reading = Reading::new(pipe);
        let (mut past, mut answer, mut spare) = (Past::default(), Answer::default(), Vec::new());
        while let Some(piece) = reading.next(spare).map_err(Stop::Input)? {
            let withhold = piece.withheld.is_some();
            match self.supervisor.redact(self.stream, withhold, &piece.bytes, &past, &mut answer) {
                Ok(()) => {
                    self.counters.add_withheld(piece.withheld.unwrap_or(FAILED), answer.withheld);
                    let (read, written) = (piece.bytes.len(), answer.bytes.len());
                    self.counters.add_counts(read, written, answer.lines, &answer.redactions);
                    out.write(&answer.bytes, answer.lines).map_err(Stop::Output)?;
                }
                Err(Deadly) => {
                    tracing::error!("no worker survives some lines; they are withheld");
                    let mut withheld = Redacted::default();
                    withheld.withhold(lines(&piece.bytes), FAILED);
                    let lines = withheld.line_count() as u64;
                    self.counters.add(piece.bytes.len(), lines, &withheld);
                    out.write(withheld.bytes(), lines).map_err(Stop::Output)?;
                }
            }
            spare = if withhold { piece.bytes } else { past.remember(piece.bytes).unwrap_or_default() };
        }
        out.finish().map_err(Stop::Output)
    }
}

/// Carries a stream on a thread of its own; says on `done` how it ended.
fn carry<O, I>(
    name: &str,
    carrier: Carrier,
    pipe: I,
    mut out: Outlet<O>,
    done: Sender<Result<(), String>>,
) -> io::Result<()>
where
    O: AsFd + Send + 'static,
    I: AsFd + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // `pipe` is closed when this returns: a command that goes on writing then sees what we saw
        let result = match carrier.pass(pipe, &mut out) {
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
