//! No verb: standard input or files in, redacted lines out.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::CommandFactory;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use signal_hook::consts::SIGINT;

use super::command::Cli;
use super::exit::{Exit, Failure};
use super::lane::{Lane, Stop};
use super::outlet::WhenSlow;
use super::state::passing_key;
use super::{signals, stats};
use crate::config;
use crate::daemon::{self, Observer};
use crate::event::Reader;
use crate::redact::{PseudonymKey, Redactor};
use crate::sinks::SinkError;
use crate::store::pseudonym_key;
use crate::telemetry::{self, Counters};

/// How long standard input may stay silent before a hint is given.
const SILENCE: Duration = Duration::from_secs(10);

/// Most threads that redact when nothing is said.
const THREADS: usize = 4;

/// What the filter can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to read; standard input when there is none or for `-`
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Watch keys too, with the rules, detectors and receivers of this configuration
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Keep the keys' pseudonyms in this directory; with --config, what is learned about the keys too
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// At the end, say on stderr what was read, redacted and withheld
    #[arg(long)]
    pub stats: bool,

    /// Redact on at most this many threads where input waits in heaps [default: one a core, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: Option<u8>,

    /// What happens when the output is slower than the input
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub when_slow: WhenSlow,
}

/// Filters.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    telemetry::guard_process();
    let started = Instant::now();
    let inputs = if args.files.is_empty() { vec![PathBuf::from("-")] } else { args.files.clone() };
    let observer = args.config.as_deref().map(|path| observer(path, args, &inputs)).transpose()?;
    let redactor = match (&observer, &args.state) {
        (Some(observer), _) => observer.redactor().clone(),
        (None, Some(dir)) => Redactor::new(pseudonym_key_in(dir)?),
        (None, None) => Redactor::new(passing_key()?),
    };
    telemetry::start_log(std::io::stderr(), &redactor, "warn", true);
    let counters = Counters::new(redactor.rules().len());
    let counters = Arc::new(if args.stats { counters.with_fields() } else { counters });
    let mut filter = Filter::new(&redactor, &counters, args)?;
    let exit = filter.all(&inputs, observer.as_ref())?;
    if let Some(observer) = observer {
        observer.finish().map_err(|error| Failure::new(Exit::IO, error.to_string()))?;
    }
    if args.stats {
        stats::print(&counters, &redactor, started.elapsed());
    }
    Ok(exit)
}

fn observer(path: &Path, args: &Args, inputs: &[PathBuf]) -> anyhow::Result<Observer> {
    let config = config::load(path)?;
    let names: Vec<String> = inputs.iter().map(|input| name(input).into_owned()).collect();
    let state = args.state.as_deref().or(config.state.dir.as_deref());
    Observer::start(&config, state, &names).map_err(|error| {
        let exit = if error.is_config() { Exit::CONFIG } else { Exit::IO };
        Failure::new(exit, error.to_string()).into()
    })
}

fn pseudonym_key_in(dir: &Path) -> anyhow::Result<PseudonymKey> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot use {} as a state directory", dir.display()))?;
    Ok(pseudonym_key(dir, daemon::now()).map_err(|error| Failure::new(Exit::IO, error.to_string()))?)
}

/// What an input is called in messages and alerts.
fn name(input: &Path) -> Cow<'_, str> {
    if input == Path::new("-") { "standard input".into() } else { input.to_string_lossy() }
}

/// The filter at work: what every input shares.
struct Filter {
    lane: Lane<std::io::Stdout>,
    /// While set, SIGINT ends the process.
    interruptible: Arc<AtomicBool>,
}

impl Filter {
    fn new(redactor: &Redactor, counters: &Arc<Counters>, args: &Args) -> anyhow::Result<Self> {
        let interruptible = Arc::new(AtomicBool::new(true));
        signals::exit_when(SIGINT, &interruptible).context("cannot handle signals")?;
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
        let threads = args.threads.map_or_else(cores, usize::from);
        let lane = Lane::new(redactor, counters, std::io::stdout(), "standard output", args.when_slow, threads);
        Ok(Self { lane, interruptible })
    }

    /// All inputs in order. A bad one is told and does not stop the others.
    fn all(&mut self, inputs: &[PathBuf], observer: Option<&Observer>) -> anyhow::Result<Exit> {
        let mut exit = Exit::OK;
        for (n, path) in inputs.iter().enumerate() {
            let watch = match observer {
                Some(observer) => Some((observer, observer.reader(n)?)),
                None => None,
            };
            let passed = if path == Path::new("-") { self.stdin(watch)? } else { self.file(path, watch) };
            match passed {
                Ok(()) => {}
                Err(Stop::Output(SinkError::Closed)) => return Ok(exit),
                Err(Stop::Output(error)) => return Err(Failure::new(Exit::IO, error.to_string()).into()),
                Err(Stop::Input(error)) => {
                    let told = Failure::new(Exit::IO, format!("cannot read {}: {error}", name(path)));
                    super::entry::tell(&match way_out(path, &error) {
                        Some(help) => told.help(help).into(),
                        None => told.into(),
                    });
                    exit = Exit::IO;
                }
            }
        }
        match self.lane.finish() {
            Ok(()) | Err(SinkError::Closed) => Ok(exit),
            Err(error) => Err(Failure::new(Exit::IO, error.to_string()).into()),
        }
    }

    fn file(&mut self, path: &Path, watch: Option<(&Observer, Reader)>) -> Result<(), Stop> {
        let file = File::open(path).map_err(Stop::Input)?;
        if same_file(file.as_fd(), std::io::stdout().as_fd()) {
            return Err(Stop::Input(std::io::Error::other("it is also the output")));
        }
        self.lane.pass(file, watch)
    }

    /// Standard input. From a pipe it is read to its end whatever signals come, so that the last lines pass.
    fn stdin(&mut self, watch: Option<(&Observer, Reader)>) -> anyhow::Result<Result<(), Stop>> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            hint_at_the_keyboard("logwarden --help");
            return Ok(self.lane.pass(stdin, watch));
        }
        signals::drain_on_term().context("cannot handle signals")?;
        self.interruptible.store(false, Ordering::SeqCst);
        if is_pipe(stdin.as_fd()) && std::io::stderr().is_terminal() {
            hint_when_silent(stdin.as_fd(), SILENCE);
        }
        let passed = self.lane.pass(stdin, watch);
        self.interruptible.store(true, Ordering::SeqCst);
        Ok(passed)
    }
}

/// Says at a keyboard that input is waited for.
pub fn hint_at_the_keyboard(help: &str) {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        let _ = writeln!(
            anstream::stderr().lock(),
            "logwarden: reading from the keyboard; Ctrl-D ends it, `{help}` shows what else there is"
        );
    }
}

/// What was probably meant by an input that cannot be read.
fn way_out(path: &Path, error: &std::io::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::NotFound => {
            let (command, typed) = (Cli::command(), path.to_str().filter(|typed| !typed.contains(['.', '/']))?);
            let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(|verb| verb.get_name());
            let verb = config::nearest(typed, verbs)?;
            Some(format!("a word that is no verb is taken for a file; did you mean `logwarden {verb}`?"))
        }
        ErrorKind::IsADirectory => {
            Some(format!("name the files in it, or use `logwarden scan {}` to look through all", path.display()))
        }
        _ => None,
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
