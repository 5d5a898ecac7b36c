//! Building the rooms, and taking them down.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clock::now;
use super::committer::Committer;
use super::keeper::Keeper;
use super::outputs::Output;
use super::post::Post;
use super::watcher::{Watcher, WatcherError};
use crate::config::Config;
use crate::delivery::{DeliveryError, Router};
use crate::event::{EventError, Reader, Roles, SourceReading};
use crate::line::SourceId;
use crate::pipeline::{self, Chunk, Entrance, Pools};
use crate::redact::{PseudonymKey, Redactor};
use crate::sinks::{SinkConfig, SinkError};
use crate::sources::{FileSource, Positions, SourceConfig, StdinReader, Tail, TailSetup, Watch};
use crate::store::{Store, StoreError, pseudonym_key};
use crate::telemetry::Counters;

/// Threads that redact; a stream keeps to one of them.
const MOST_WORKERS: usize = 4;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No state directory is named anywhere.
    #[error("no place for the state: set `dir` in [state], or $STATE_DIRECTORY, or $XDG_STATE_HOME")]
    NoState,
    /// No source is configured.
    #[error("nothing to read: the configuration has no [sources.NAME]")]
    NoSources,
    /// A pattern of a file source.
    #[error("sources.{name}: {problem}")]
    Pattern {
        /// The source.
        name: String,
        /// What is wrong with it.
        problem: glob::PatternError,
    },
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sink.
    #[error("sinks.{name}: {problem}")]
    Sink {
        /// The sink.
        name: String,
        /// What is wrong with it.
        problem: SinkError,
    },
    /// Rule packs of the user's own.
    #[error("rules.packs: {0}")]
    Rules(String),
    /// How lines are read as events.
    #[error(transparent)]
    Event(#[from] EventError),
    /// What is watched.
    #[error(transparent)]
    Watch(#[from] WatcherError),
    /// A receiver.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// How the service ended by itself.
pub type Ended = anyhow::Result<()>;

/// The running service.
pub struct Daemon {
    stop: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    wakers: Vec<Box<dyn Fn() + Send + Sync>>,
    ended: Receiver<Ended>,
    counters: Arc<Counters>,
    keeper: JoinHandle<()>,
    post: Post,
}

/// What the sources' threads share.
struct Inflow {
    entrance: Entrance,
    pools: Pools,
    stop: Arc<AtomicBool>,
}

impl StartError {
    /// Whether the configuration is to blame, and not the machine.
    pub fn is_config(&self) -> bool {
        match self {
            Self::NoState | Self::NoSources | Self::Pattern { .. } | Self::Rules(_) | Self::Event(_) => true,
            Self::Watch(WatcherError::Config(_) | WatcherError::Geoip(_))
            | Self::Delivery(DeliveryError::Receiver { .. }) => true,
            Self::Watch(WatcherError::Store(_)) | Self::Delivery(DeliveryError::Store(_)) => false,
            Self::Store(_) | Self::Sink { .. } | Self::Thread(_) => false,
        }
    }
}

impl Daemon {
    /// Builds and starts everything. `stdin` outlives the daemon, so that a reload loses nothing of it; `on_end` is
    /// called once when the service has ended by itself, because its inputs have or because it cannot go on.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(
        config: &Config,
        stdin: &StdinReader,
        stdout: &dyn Fn() -> io::Stdout,
        on_end: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StartError> {
        if config.sources.is_empty() {
            return Err(StartError::NoSources);
        }
        let dir = config.state.resolve().ok_or(StartError::NoState)?;
        let store = Arc::new(Store::open(&dir, now())?);
        if let Some(notice) = store.notice() {
            tracing::warn!("{notice}");
        }
        let redactor = redactor(config, pseudonym_key(&dir)?)?;
        let sources: Vec<String> = config.sources.keys().cloned().collect();
        let outputs = open_outputs(config, &sources, &store, stdout)?;
        let positions = Positions::default();
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS);
        let pools = Pools::new(workers);
        let tails = build_tails(config, &store, &positions, &pools)?;
        let counters = Arc::new(Counters::new(redactor.rules().len()));
        let (stop, hurry) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
        let watcher = Watcher::new(config, &sources, &redactor, &store, router.clone())?;
        let readings = readings(config, &redactor)?;
        let post = Post::start(config, &store, router, &redactor)?;
        let (entrance, done) = pipeline::start(workers, move |source| readings.chunk(source), &pools)?;
        let wake = post.waker();
        let committer = Committer::start(store, config.retention.clone(), Arc::clone(&hurry), move |messages| {
            if messages {
                wake();
            }
        })?;
        let keeper = Keeper {
            done,
            outputs,
            sources,
            positions,
            watcher,
            committer,
            counters: Arc::clone(&counters),
            pools: pools.clone(),
            hurry: Arc::clone(&hurry),
        };
        let (end, ended) = channel();
        let keeper = spawn("keeper", move || {
            let result = keeper.run();
            let _stopped_waiting = end.send(result);
            on_end();
        })?;
        let inflow = Inflow { entrance, pools, stop: Arc::clone(&stop) };
        let mut wakers = Vec::new();
        for (id, (name, source)) in (0..).map(SourceId).zip(&config.sources) {
            if matches!(source, SourceConfig::Stdin(_)) {
                read_stdin(id, name, stdin, &inflow)?;
            }
        }
        for (name, tail) in tails {
            wakers.push(follow(&name, tail, &inflow)?);
        }
        Ok(Self { stop, hurry, wakers, ended, counters, keeper, post })
    }

    /// What has been counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Stops reading, writes and commits what was read, and ends. What takes longer than `patience` is left for the
    /// next start.
    ///
    /// # Errors
    /// Why the service ended before, or that time was up.
    pub fn stop(self, patience: Duration) -> Ended {
        let began = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        self.wakers.iter().for_each(|wake| wake());
        let result = match self.ended.recv_timeout(patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(anyhow::anyhow!("the thread that writes has died")),
            Err(RecvTimeoutError::Timeout) => {
                self.hurry.store(true, Ordering::Relaxed);
                let late = self.ended.recv_timeout(Duration::from_secs(1));
                let left =
                    anyhow::anyhow!("not everything could be written in time; it is read again at the next start");
                late.unwrap_or(Ok(())).and(Err(left))
            }
        };
        if self.keeper.is_finished() {
            let _its_result_is_known = self.keeper.join();
        }
        self.post.stop(patience.saturating_sub(began.elapsed()));
        result
    }
}

/// The redactor as configured.
pub(super) fn redactor(config: &Config, key: PseudonymKey) -> Result<Redactor, StartError> {
    let packs = config.rules.read().map_err(|error| StartError::Rules(error.to_string()))?;
    Redactor::configured(key, &packs, &config.redact).map_err(|error| StartError::Rules(error.to_string()))
}

/// How the lines of each source are read; proved, so that a reader can be made for each stream.
struct Readings {
    redactor: Redactor,
    roles: Roles,
    by_source: Vec<SourceReading>,
}

fn readings(config: &Config, redactor: &Redactor) -> Result<Readings, StartError> {
    let roles = Roles::new(&config.event)?;
    let reading = |(source, config): (SourceId, &SourceConfig)| SourceReading {
        source,
        zone: config.zone(),
        trusted_proxies: config.trusted_proxies().to_vec(),
        schema: config.schema().map(str::to_owned),
        trusted_labels: config.trusted_labels(),
    };
    let by_source: Vec<SourceReading> = (0..).map(SourceId).zip(config.sources.values()).map(reading).collect();
    for reading in &by_source {
        Reader::new(&roles, reading.clone())?;
    }
    Ok(Readings { redactor: redactor.clone(), roles, by_source })
}

impl Readings {
    /// The hot path of a stream of `source`.
    fn chunk(&self, source: SourceId) -> Chunk {
        let reading = self.by_source.get(usize::from(source.0)).cloned().unwrap_or_default();
        let chunk = Chunk::new(&self.redactor, false);
        match Reader::new(&self.roles, reading) {
            Ok(reader) => chunk.watching(reader),
            Err(_) => chunk,
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn open_outputs(
    config: &Config,
    sources: &[String],
    store: &Store,
    stdout: &dyn Fn() -> io::Stdout,
) -> Result<Vec<Output>, StartError> {
    let marks = store.outputs()?;
    let open = |(name, sink): (&String, &SinkConfig)| {
        Output::open(name, sink, sources, &marks, stdout)
            .map_err(|problem| StartError::Sink { name: name.clone(), problem })
    };
    config.sinks.iter().map(open).collect()
}

fn build_tails(
    config: &Config,
    store: &Store,
    positions: &Positions,
    pools: &Pools,
) -> Result<Vec<(String, Tail)>, StartError> {
    let outputs: Vec<PathBuf> = config.sinks.values().filter_map(SinkConfig::path).map(PathBuf::from).collect();
    let known = store.checkpoints()?;
    let mut tails = Vec::new();
    for (id, (name, source)) in (0..).map(SourceId).zip(&config.sources) {
        let SourceConfig::File(file) = source else { continue };
        let mine = known.iter().filter(|(key, _)| key.source == *name);
        let known: Vec<_> = mine.map(|(key, at)| (key.stream, at.clone())).collect();
        for (stream, at) in &known {
            positions.restore(id, *stream, at.clone());
        }
        let setup = TailSetup {
            source: id,
            name: name.clone(),
            config: FileSource::clone(file),
            known,
            positions: positions.clone(),
            pool: pools.raw.clone(),
            outputs: outputs.clone(),
        };
        let tail = Tail::new(setup, now()).map_err(|problem| StartError::Pattern { name: name.clone(), problem })?;
        tails.push((name.clone(), tail));
    }
    Ok(tails)
}

/// Starts the thread of a file source; what comes back ends its wait.
fn follow(name: &str, mut tail: Tail, inflow: &Inflow) -> io::Result<Box<dyn Fn() + Send + Sync>> {
    let mut watch = Watch::new();
    let waker = watch.waker();
    let (entrance, stop) = (inflow.entrance.clone(), Arc::clone(&inflow.stop));
    spawn(&format!("tail-{name}"), move || tail.run(&mut watch, &stop, now, &mut |batch| entrance.send(batch)))?;
    Ok(Box::new(waker))
}

/// Starts the thread that reads standard input.
fn read_stdin(id: SourceId, name: &str, stdin: &StdinReader, inflow: &Inflow) -> io::Result<()> {
    let (stdin, entrance, stop) = (stdin.clone(), inflow.entrance.clone(), Arc::clone(&inflow.stop));
    let (pool, name) = (inflow.pools.raw.clone(), name.to_owned());
    spawn("stdin", move || {
        let result = stdin.run(id, &pool, &stop, now, &mut |batch| entrance.send(batch));
        if let Err(error) = result {
            tracing::error!("source {name}: cannot read standard input: {error}");
        }
    })?;
    Ok(())
}
