//! No verb: standard input or files in, redacted lines out.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use signal_hook::consts::SIGINT;

use super::exit::{Exit, Failure};
use super::lane::{Lane, Stop};
use super::{signals, stats};
use crate::redact::{PseudonymKey, Redactor};
use crate::sinks::SinkError;
use crate::telemetry::{self, Counters};

/// How long standard input may stay silent before a hint is given.
const SILENCE: Duration = Duration::from_secs(10);

/// What the filter can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to read; standard input when there is none or for `-`.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// At the end, say on stderr what was read, redacted and withheld.
    #[arg(long)]
    pub stats: bool,
}

/// Filters.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    telemetry::guard_process();
    let key = PseudonymKey::random().context("no randomness for the pseudonym key")?;
    let redactor = Redactor::new(key);
    telemetry::start_log(std::io::stderr(), &redactor, "warn", true);
    let started = Instant::now();
    let counters = Arc::new(Counters::new(redactor.rules().len()));
    let exit = Filter::new(&redactor, &counters)?.all(&args.files)?;
    if args.stats {
        stats::print(&counters, &redactor, started.elapsed());
    }
    Ok(exit)
}

/// The filter at work: what every input shares.
struct Filter {
    lane: Lane<std::io::Stdout>,
    /// While set, SIGINT ends the process.
    interruptible: Arc<AtomicBool>,
}

impl Filter {
    fn new(redactor: &Redactor, counters: &Arc<Counters>) -> anyhow::Result<Self> {
        let interruptible = Arc::new(AtomicBool::new(true));
        signals::exit_when(SIGINT, &interruptible).context("cannot handle signals")?;
        let lane = Lane::new(redactor, counters, std::io::stdout(), "standard output");
        Ok(Self { lane, interruptible })
    }

    /// All inputs in order. A bad one is told and does not stop the others.
    fn all(&mut self, files: &[PathBuf]) -> anyhow::Result<Exit> {
        let stdin = [PathBuf::from("-")];
        let mut exit = Exit::OK;
        for path in if files.is_empty() { &stdin } else { files } {
            let is_stdin = path == Path::new("-");
            let passed = if is_stdin { self.stdin()? } else { self.file(path) };
            match passed {
                Ok(()) => {}
                Err(Stop::Output(SinkError::Closed)) => return Ok(exit),
                Err(Stop::Output(error)) => return Err(Failure::new(Exit::IO, error.to_string()).into()),
                Err(Stop::Input(error)) => {
                    let name = if is_stdin { "standard input".into() } else { path.to_string_lossy() };
                    super::entry::tell(&anyhow::anyhow!("cannot read {name}: {error}"));
                    exit = Exit::IO;
                }
            }
        }
        Ok(exit)
    }

    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        let file = File::open(path).map_err(Stop::Input)?;
        if same_file(file.as_fd(), std::io::stdout().as_fd()) {
            return Err(Stop::Input(std::io::Error::other("it is also the output")));
        }
        self.lane.pass(file)
    }

    /// Standard input. From a pipe it is read to its end whatever signals come, so that the last lines pass.
    fn stdin(&mut self) -> anyhow::Result<Result<(), Stop>> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Ok(self.lane.pass(stdin));
        }
        signals::drain_on_term().context("cannot handle signals")?;
        self.interruptible.store(false, Ordering::SeqCst);
        if is_pipe(stdin.as_fd()) && std::io::stderr().is_terminal() {
            hint_when_silent(stdin.as_fd(), SILENCE);
        }
        let passed = self.lane.pass(stdin);
        self.interruptible.store(true, Ordering::SeqCst);
        Ok(passed)
    }
}

/// Waits for the first byte; when none comes for `silence`, says on stderr what the reason may be.
fn hint_when_silent(stdin: BorrowedFd<'_>, silence: Duration) {
    let timeout = Timespec { tv_sec: silence.as_secs() as i64, tv_nsec: 0 };
    if matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)), Ok(0)) {
        let _ = writeln!(
            anstream::stderr().lock(),
            "logwarden: nothing has come on standard input for {} s; many programs log to stderr, which a pipe does \
             not carry: use `app 2>&1 | logwarden` or `logwarden exec -- app`",
            silence.as_secs(),
        );
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo)
}

/// Whether both are one regular file: reading it would then never end.
fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(a), rustix::fs::fstat(b)) {
        (Ok(a), Ok(b)) => {
            FileType::from_raw_mode(a.st_mode) == FileType::RegularFile && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
        }
        _ => false,
    }
}
