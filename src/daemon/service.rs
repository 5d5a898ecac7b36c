//! Building the rooms, and taking them down.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clerk::{Clerk, Desk};
use super::clock::now;
use super::committer::Committer;
use super::drops::Drops;
use super::face::{Show, Window};
use super::fixed::may_replace;
use super::identity::identity;
use super::inputs::{Ground, Inputs, Running, close_others, prove, spawn};
use super::keeper::Keeper;
use super::lasting::{Lasting, Part};
use super::layout::Layout;
use super::learn::learn;
use super::outputs::Output;
use super::post::Post;
use super::pulse::Pulse;
use super::retained::{Held, Retained};
use super::watcher::{Watcher, WatcherError};
use crate::config::Config;
use crate::delivery::{DeliveryError, Router};
use crate::event::{EventError, Reader, Roles, SourceReading};
use crate::line::{Ack, SourceId};
use crate::pipeline::{self, Chunk, Clean, Done, Live, Pools, Teller};
use crate::redact::{PseudonymKey, Redactor};
use crate::sinks::{SinkConfig, SinkError};
use crate::sources::{Lines, Meter, Positions, Receipts, SourceConfig, WhenSlow};
use crate::store::{Store, StoreError, lost_pseudonyms, pseudonym_key};
use crate::telemetry::Counters;
use crate::web::{Board, Stories};
use crate::window::Tally;

/// Threads that redact; a stream keeps to one of them.
const MOST_WORKERS: usize = 4;

/// How often it is looked whether the keeper has ended.
const SHORTLY: Duration = Duration::from_millis(2);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No state directory is named anywhere.
    #[error("no place for the state: set `dir` in [state], or $STATE_DIRECTORY, or $XDG_STATE_HOME")]
    NoState,
    /// A reload that would move the state.
    #[error(
        "state.dir cannot change while the service runs: it stays {stays}; restart to apply {wanted}, and before that \
         move the directory there if what is known is to be kept"
    )]
    Fixed {
        /// Where it is.
        stays: String,
        /// Where it is wanted.
        wanted: String,
    },
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
    /// What a receiver needs.
    #[error("sources.{name}: {problem}")]
    Source {
        /// The source.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A receiver's socket.
    #[error("sources.{name}: cannot listen on {place}: {problem}")]
    Listen {
        /// The source.
        name: String,
        /// Address or path.
        place: String,
        /// What the system said.
        problem: io::Error,
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
    /// The operators' page.
    #[error("http: {0}")]
    Http(String),
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
    inputs: Running,
    hurry: Arc<AtomicBool>,
    ended: Receiver<Ended>,
    counters: Arc<Counters>,
    meters: Vec<(String, Arc<Meter>)>,
    keeper: JoinHandle<()>,
    window: Option<Window>,
    post: Post,
    store: Arc<Store>,
    desk: Desk,
    identity: Value,
    board: Arc<Board>,
    lasting: Lasting,
}

impl StartError {
    /// Whether the configuration is to blame, and not the machine.
    pub fn is_config(&self) -> bool {
        match self {
            Self::NoState
            | Self::Fixed { .. }
            | Self::NoSources
            | Self::Pattern { .. }
            | Self::Source { .. }
            | Self::Rules(_)
            | Self::Http(_)
            | Self::Event(_) => true,
            Self::Watch(WatcherError::Config(_) | WatcherError::Geoip(_))
            | Self::Delivery(DeliveryError::Receiver { .. }) => true,
            Self::Watch(WatcherError::Store(_)) | Self::Delivery(DeliveryError::Store(_)) => false,
            Self::Sink { problem: SinkError::Config(_), .. } => true,
            Self::Store(_) | Self::Sink { .. } | Self::Listen { .. } | Self::Thread(_) => false,
        }
    }
}

impl Daemon {
    /// Whether `config` could run in the place of `running`, as far as that can be told while that one runs: nothing is
    /// taken from it.
    ///
    /// # Errors
    /// Why it could not.
    pub fn prove(config: &Config, running: &Config, lasting: &Lasting) -> Result<(), StartError> {
        if config.sources.is_empty() {
            return Err(StartError::NoSources);
        }
        let dir = config.state.resolve().ok_or(StartError::NoState)?;
        may_replace(running, config)?;
        may_run_as(lasting.part, config)?;
        let redactor = redactor(config, PseudonymKey::new(0, b"proof"))?;
        readings(config, &redactor)?;
        prove(config, &dir, lasting)
    }

    /// Builds and starts everything. `lasting` outlives the daemon, so that a reload loses nothing; `on_end` is called
    /// once when the service has ended by itself, because its inputs have or because it cannot go on.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(
        config: &Config,
        lasting: &Lasting,
        stdout: &dyn Fn() -> io::Stdout,
        on_end: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StartError> {
        if config.sources.is_empty() {
            return Err(StartError::NoSources);
        }
        let dir = config.state.resolve().ok_or(StartError::NoState)?;
        may_run_as(lasting.part, config)?;
        if let Some(notice) = lost_pseudonyms(&dir) {
            tracing::warn!("{notice}");
        }
        let store = Arc::new(match lasting.part {
            Part::Whole => Store::open(&dir, now())?,
            Part::Core => Store::open_beside_sender(&dir, now())?,
        });
        if let Some(notice) = store.notice() {
            tracing::warn!("{notice}");
        }
        let redactor = redactor(config, pseudonym_key(&dir, now())?)?;
        let sources: Vec<String> = config.sources.keys().cloned().collect();
        let outputs = open_outputs(config, &sources, &store, stdout)?;
        let (positions, receipts) = (Positions::default(), Receipts::default());
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS);
        let pools = Pools::new(workers);
        let inputs = Inputs::new(&Ground {
            config,
            store: &store,
            positions: &positions,
            receipts: &receipts,
            pool: &pools.raw,
            lasting,
        })?;
        let meters = inputs.meters.clone();
        // by source where somebody may ask
        let shown: &[String] = if config.http.is_some() { &sources } else { &[] };
        let (counters, by_source) = lasting.counters(shown, &redactor);
        let hurry = Arc::new(AtomicBool::new(false));
        let router = Router::configured(&config.routes, &config.receivers, &config.calendars);
        let readings = readings(config, &redactor)?;
        learn(config, &sources, &redactor, &store, &|source| readings.reader(source))?;
        let watcher = Watcher::new(config, &sources, &redactor, &store, router.clone())?;
        let post = match lasting.part {
            Part::Whole => Post::start(config, &store, router, &redactor)?,
            Part::Core => Post::elsewhere(),
        };
        let board = Arc::new(Board::new(sources.len(), now()));
        let show = Show {
            config,
            dir: &dir,
            redactor: &redactor,
            counters: &counters,
            by_source: &by_source,
            meters: &meters,
            board: &board,
            reloads: &lasting.reloads,
            sent: Box::new(post.counts()),
        };
        let (window, layout) = open_window(show, lasting, || readings.readers())?.unzip();
        let left = readings.done(lasting.take_left(&sources))?;
        let live: Vec<bool> = config.sources.values().map(|s| s.when_slow() == WhenSlow::DropOldest).collect();
        let drops = Drops::new(&counters, &by_source, &meters, live.contains(&true));
        let live = Live { sources: live, on_drop: on_drop(&drops) };
        let (entrance, done) = pipeline::start(workers, move |source| readings.chunk(source), &pools, live)?;
        let (wake, settle) = (post.waker(), receipts.clone());
        let clerk = Clerk::new(
            Arc::clone(&store),
            config.retention.clone(),
            &config.audit,
            Arc::clone(&counters),
            &redactor,
            now(),
        );
        let committer = Committer::start(Arc::clone(&store), Arc::clone(&hurry), move |moment| {
            moment.answers.iter().for_each(|ack| settle.settle(ack));
            if !moment.outbox.is_empty() {
                wake();
            }
        })?;
        let cannot_again =
            |s: &SourceConfig| matches!(s, SourceConfig::Tcp(_) | SourceConfig::Unix(_) | SourceConfig::Stdin(_));
        let wanted = config.sources.values().map(cannot_again).collect();
        let retained = Retained::new(wanted, pools.redacted.clone());
        let answers = config.sources.values().map(|s| matches!(s, SourceConfig::Http(_))).collect();
        let keeper = Keeper {
            done,
            drops,
            outputs,
            sources,
            positions,
            answers,
            written: Vec::new(),
            retained,
            left,
            watcher,
            committer,
            counters: Arc::clone(&counters),
            by_source,
            layout,
            pulse: Pulse::new(entrance.entered()),
            broken: clerk.broken(),
            hurry: Arc::clone(&hurry),
        };
        let (end, ended) = channel();
        let outlives = lasting.clone();
        let keeper = spawn("keeper", move || {
            keeper.run(&outlives, |result| {
                receipts.close();
                let _stopped_waiting = end.send(result);
                on_end();
            });
        })?;
        let inputs = inputs.start(&entrance)?;
        close_others(config, &dir, &lasting.sockets);
        let (desk, identity) = (Desk::open(clerk)?, identity(config, &redactor));
        let (board, lasting) = (Arc::clone(&board), lasting.clone());
        Ok(Self { inputs, hurry, ended, counters, meters, keeper, window, post, store, desk, identity, board, lasting })
    }

    /// What has been counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// What has been counted about each source.
    pub fn meters(&self) -> &[(String, Arc<Meter>)] {
        &self.meters
    }

    /// What runs, for the audit log: version, digests of configuration and rules, names.
    pub fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// Notes something for the audit log.
    pub fn note(&self, what: &str, data: &Value) {
        if let Err(error) = self.store.audit(what, data, now()) {
            tracing::error!("`{what}` could not be noted for the audit log: {error}");
        }
    }

    /// Stops reading, writes and commits what was read, and ends. What takes longer than `patience` is left for the
    /// next start. `why` is noted in the audit log, unless something else takes over at once.
    ///
    /// # Errors
    /// Why the service ended before, or that time was up.
    pub fn stop(self, patience: Duration, why: Option<&str>) -> Ended {
        let began = Instant::now();
        self.inputs.stop();
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
        self.inputs.end();
        // its last act may be to leave something for the next one
        while !self.keeper.is_finished() && began.elapsed() < patience {
            thread::sleep(SHORTLY);
        }
        if self.keeper.is_finished() {
            let _its_result_is_known = self.keeper.join();
        }
        if let Some(window) = self.window {
            window.close();
        }
        self.post.stop(patience.saturating_sub(began.elapsed()));
        if let Some(why) = why {
            let error = result.as_ref().err().map(|error| format!("{error:#}"));
            let data = json!({ "why": why, "error": error });
            if let Err(error) = self.store.audit("service.stopped", &data, now()) {
                tracing::error!("the end could not be noted for the audit log: {error}");
            }
        }
        self.desk.close();
        self.lasting.keep_monitor(self.board.numbers().monitor);
        result
    }
}

/// What is told of each chunk that is dropped.
fn on_drop(drops: &Arc<Drops>) -> Box<pipeline::OnDrop> {
    let drops = Arc::clone(drops);
    Box::new(move |clean| drops.dropped(clean, Instant::now()))
}

/// The redactor as configured.
pub(super) fn redactor(config: &Config, key: PseudonymKey) -> Result<Redactor, StartError> {
    let packs = config.rules.read().map_err(|error| StartError::Rules(error.to_string()))?;
    Redactor::configured(key, &packs, &config.redact).map_err(|error| StartError::Rules(error.to_string()))
}

/// The operators' window, when there is one, and what is laid out for it.
fn open_window(
    show: Show<'_>,
    lasting: &Lasting,
    readers: impl FnOnce() -> Vec<Option<Reader>>,
) -> Result<Option<(Window, Layout)>, StartError> {
    let Some(http) = &show.config.http else { return Ok(None) };
    let layout = Layout::new(Arc::clone(show.board), Stories::new(show.dir), readers(), lasting.monitor());
    Ok(Some((Window::open(http, show, lasting)?, layout)))
}

/// Whether what is configured can work in a process that is this part.
///
/// # Errors
/// Names the source or sink that needs a network.
pub fn may_run_as(part: Part, config: &Config) -> Result<(), StartError> {
    if part == Part::Whole {
        return Ok(());
    }
    let problem = "the core of a split service has no network; use a file, a Unix socket or the journal".to_owned();
    if let Some((name, _)) = config.sources.iter().find(|(_, source)| source.listens().is_some()) {
        return Err(StartError::Source { name: name.clone(), problem });
    }
    if let Some((name, _)) = config.sinks.iter().find(|(_, sink)| matches!(sink, SinkConfig::Http(_))) {
        return Err(StartError::Sink { name: name.clone(), problem: SinkError::Config(problem) });
    }
    Ok(())
}

/// How the lines of each source are read; proved, so that a reader can be made for each stream.
struct Readings {
    redactor: Redactor,
    roles: Roles,
    by_source: Vec<SourceReading>,
}

fn readings(config: &Config, redactor: &Redactor) -> Result<Readings, StartError> {
    let roles = config.roles()?;
    let reading = |(source, (name, config)): (SourceId, (&String, &SourceConfig))| {
        let Lines { zone, trusted_proxies, schema, trusted_labels } = config.lines();
        SourceReading { source, name: name.clone(), zone, trusted_proxies, schema, trusted_labels }
    };
    let by_source: Vec<SourceReading> = (0..).map(SourceId).zip(&config.sources).map(reading).collect();
    for reading in &by_source {
        Reader::new(&roles, reading.clone())?;
    }
    Ok(Readings { redactor: redactor.clone(), roles, by_source })
}

impl Readings {
    /// What reads the lines of `source` as events.
    fn reader(&self, source: SourceId) -> Result<Reader, StartError> {
        let reading = self.by_source.get(usize::from(source.0)).cloned().unwrap_or_default();
        Ok(Reader::new(&self.roles, reading)?)
    }

    /// What explains the lines of each source.
    fn readers(&self) -> Vec<Option<Reader>> {
        self.by_source.iter().map(|reading| Reader::new(&self.roles, reading.clone()).ok()).collect()
    }

    /// Chunks that were held over from another daemon, as if they had just been redacted.
    fn done(&self, held: Vec<Held>) -> Result<Vec<Done>, StartError> {
        let done = |Held { source, arrived, redacted }| {
            let (ack, mut tally) = (Ack { source, stream: u64::MAX, ..Ack::default() }, Tally::default());
            Teller::new(self.reader(source)?).tally(&redacted, arrived, &mut tally);
            let clean = Clean { ack, arrived, read: 0, redacted, events: tally.events };
            Ok(Done { chunks: vec![clean], tally })
        };
        held.into_iter().map(done).collect()
    }

    /// The hot path of a stream of `source`.
    fn chunk(&self, source: SourceId) -> Chunk {
        let chunk = Chunk::new(&self.redactor, false);
        match self.reader(source) {
            Ok(reader) => chunk.watching(reader),
            Err(_) => chunk,
        }
    }
}

fn open_outputs(
    config: &Config,
    sources: &[String],
    store: &Arc<Store>,
    stdout: &dyn Fn() -> io::Stdout,
) -> Result<Vec<Output>, StartError> {
    let marks = store.outputs()?;
    let open = |(name, sink): (&String, &SinkConfig)| {
        Output::open(name, sink, sources, &marks, &config.retention, store, stdout)
            .map_err(|problem| StartError::Sink { name: name.clone(), problem })
    };
    config.sinks.iter().map(open).collect()
}
