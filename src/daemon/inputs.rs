//! The sources with the threads and sockets that they run on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::clock::now;
use super::face::{places, prove_window};
use super::lasting::Lasting;
use super::service::StartError;
use crate::config::Config;
use crate::line::{Batch, Pool, SourceId};
use crate::net::{Gate, Sockets, Token, proves_itself, server_tls};
use crate::pipeline::Entrance;
use crate::sinks::SinkConfig;
use crate::sources::{
    FileSource, HttpReceiver, Inlet, Journal, JournalSetup, Meter, Positions, Receipts, SocketReceiver, SourceConfig,
    StdinReader, Tail, TailSetup, Watch,
};
use crate::store::{Checkpoint, Store, StreamKey};

/// Batches that may wait between a receiver and the corridor.
const QUEUE: usize = 8;

/// How long receivers that should have ended may still take.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What the sources are built with.
pub(super) struct Ground<'a> {
    pub config: &'a Config,
    pub store: &'a Store,
    pub positions: &'a Positions,
    pub receipts: &'a Receipts,
    pub pool: &'a Pool<Vec<u8>>,
    pub lasting: &'a Lasting,
}

/// Sources that are built and do not run yet.
pub(super) struct Inputs {
    threads: Vec<(String, Reader)>,
    /// By source number.
    pub meters: Vec<(String, Arc<Meter>)>,
    network: Option<Network>,
    pool: Pool<Vec<u8>>,
}

/// A source that has a thread of its own.
enum Reader {
    Tail(Box<Tail>),
    Stdin(SourceId, StdinReader),
    Journal(Box<Journal>),
}

/// Receivers and what they run on.
struct Network {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
    receivers: Vec<(String, Receiver)>,
    queues: Vec<(String, mpsc::Receiver<Batch>)>,
}

enum Receiver {
    Http(Box<HttpReceiver>, std::net::TcpListener),
    Tcp(Box<SocketReceiver>, std::net::TcpListener),
    Unix(Box<SocketReceiver>, std::os::unix::net::UnixListener),
}

/// Running sources.
pub(super) struct Running {
    stop: Arc<AtomicBool>,
    wakers: Vec<Box<dyn Fn() + Send + Sync>>,
    network: Option<(Runtime, watch::Sender<bool>)>,
}

/// Whether the receivers of `config` could start: their sockets are opened, their secrets and certificates read.
pub(super) fn prove(config: &Config, dir: &Path, lasting: &Lasting) -> Result<(), StartError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    for (name, source) in &config.sources {
        let guard = Guard::new(name, source)?;
        listen(name, source, &lasting.sockets)?;
        drop(guard);
    }
    prove_window(config, dir, lasting)
}

impl Inputs {
    /// Builds every source of the configuration.
    pub(super) fn new(ground: &Ground<'_>) -> Result<Self, StartError> {
        let known = ground.store.checkpoints()?;
        let mut inputs = Self { threads: Vec::new(), meters: Vec::new(), network: None, pool: ground.pool.clone() };
        for (id, (name, source)) in (0..).map(SourceId).zip(&ground.config.sources) {
            let meter = ground.lasting.meter(name);
            inputs.meters.push((name.clone(), Arc::clone(&meter)));
            match source {
                SourceConfig::Stdin(_) => {
                    inputs.threads.push((name.clone(), Reader::Stdin(id, ground.lasting.stdin.clone())));
                }
                SourceConfig::File(file) => {
                    let tail = tail(ground, id, name, file, &known, meter)?;
                    inputs.threads.push((name.clone(), Reader::Tail(Box::new(tail))));
                }
                SourceConfig::Journald(journal) => {
                    let at = known.iter().find(|(key, _)| key.source == *name && key.stream == 0);
                    if let Some((_, at)) = at {
                        ground.positions.restore(id, 0, at.clone());
                    }
                    let journal = Journal::new(JournalSetup {
                        source: id,
                        name: name.clone(),
                        config: journal.clone(),
                        known: at.map(|(_, at)| at.clone()),
                        positions: ground.positions.clone(),
                        pool: ground.pool.clone(),
                        meter,
                    });
                    inputs.threads.push((name.clone(), Reader::Journal(Box::new(journal))));
                }
                SourceConfig::Http(_) | SourceConfig::Tcp(_) | SourceConfig::Unix(_) => {
                    inputs.receiver(ground, id, name, source, meter)?;
                }
            }
        }
        Ok(inputs)
    }

    fn receiver(
        &mut self,
        ground: &Ground<'_>,
        id: SourceId,
        name: &str,
        source: &SourceConfig,
        meter: Arc<Meter>,
    ) -> Result<(), StartError> {
        if self.network.is_none() {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .max_blocking_threads(4)
                .thread_name("receive")
                .enable_all()
                .build()?;
            let (stop, stopped) = watch::channel(false);
            self.network = Some(Network { runtime, stop, stopped, receivers: Vec::new(), queues: Vec::new() });
        }
        let Some(network) = &mut self.network else { return Ok(()) };
        let _inside = network.runtime.enter();
        let Guard { token, tls } = Guard::new(name, source)?;
        let (batches, queue) = mpsc::channel(QUEUE);
        let inlet = Inlet::new(id, batches, ground.receipts.clone(), now);
        let receiver = match (source, listen(name, source, &ground.lasting.sockets)?) {
            (SourceConfig::Http(http), Some(Listener::Tcp(listener))) => {
                let http = HttpReceiver::new(name.to_owned(), (**http).clone(), token, tls, inlet, meter);
                Receiver::Http(Box::new(http), listener)
            }
            (SourceConfig::Tcp(tcp), Some(Listener::Tcp(listener))) => {
                let tcp = SocketReceiver {
                    name: name.to_owned(),
                    framing: tcp.framing,
                    max_line: usize::try_from(tcp.max_line).unwrap_or(usize::MAX),
                    gate: Gate::new(tcp.max_connections, tcp.max_connections_per_address),
                    token,
                    tls,
                    idle: tcp.idle,
                    inlet,
                    meter,
                };
                Receiver::Tcp(Box::new(tcp), listener)
            }
            (SourceConfig::Unix(unix), Some(Listener::Unix(listener))) => {
                let unix = SocketReceiver {
                    name: name.to_owned(),
                    framing: unix.framing,
                    max_line: usize::try_from(unix.max_line).unwrap_or(usize::MAX),
                    gate: Gate::new(unix.max_connections, unix.max_connections),
                    token: None,
                    tls: None,
                    idle: Duration::ZERO,
                    inlet,
                    meter,
                };
                Receiver::Unix(Box::new(unix), listener)
            }
            _ => return Ok(()),
        };
        network.receivers.push((name.to_owned(), receiver));
        network.queues.push((name.to_owned(), queue));
        Ok(())
    }

    /// Starts them all; they end when `entrance` is closed or [`Running::stop`] is called.
    pub(super) fn start(self, entrance: &Entrance) -> io::Result<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Running { stop: Arc::clone(&stop), wakers: Vec::new(), network: None };
        for (name, reader) in self.threads {
            let (entrance, stop) = (entrance.clone(), Arc::clone(&stop));
            match reader {
                Reader::Tail(tail) => running.wakers.push(follow(&name, *tail, entrance, stop)?),
                Reader::Stdin(id, stdin) => read_stdin(id, name, stdin, self.pool.clone(), entrance, stop)?,
                Reader::Journal(mut journal) => {
                    spawn(&format!("journal-{name}"), move || {
                        journal.run(&stop, now, &mut |batch| entrance.send(batch));
                    })?;
                }
            }
        }
        if let Some(network) = self.network {
            running.network = Some(network.start(entrance)?);
        }
        Ok(running)
    }
}

impl Network {
    fn start(self, entrance: &Entrance) -> io::Result<(Runtime, watch::Sender<bool>)> {
        for (name, mut queue) in self.queues {
            let entrance = entrance.clone();
            // the corridor is entered by threads that may wait
            spawn(&format!("receive-{name}"), move || {
                while let Some(batch) = queue.blocking_recv() {
                    if !entrance.send(batch) {
                        return;
                    }
                }
            })?;
        }
        for (name, receiver) in self.receivers {
            let stop = self.stopped.clone();
            self.runtime.spawn(async move {
                let served = match receiver {
                    Receiver::Http(http, listener) => http.run(listener, stop).await,
                    Receiver::Tcp(tcp, listener) => tcp.run_tcp(listener, stop).await,
                    Receiver::Unix(unix, listener) => unix.run_unix(listener, stop).await,
                };
                if let Err(error) = served {
                    tracing::error!("source {name}: cannot listen any more: {error}");
                }
            });
        }
        Ok((self.runtime, self.stop))
    }
}

impl Running {
    /// Tells all sources to end: what they have read still goes on.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wakers.iter().for_each(|wake| wake());
        if let Some((_, stop)) = &self.network {
            stop.send_replace(true);
        }
    }

    /// Takes away what they ran on.
    pub(super) fn end(self) {
        if let Some((runtime, _)) = self.network {
            runtime.shutdown_timeout(LAST_WORDS);
        }
    }
}

/// Token and TLS of a source, read from where they are.
struct Guard {
    token: Option<Token>,
    tls: Option<TlsAcceptor>,
}

impl Guard {
    fn new(name: &str, source: &SourceConfig) -> Result<Self, StartError> {
        let Some((address, token, tls, plain)) = source.listens() else { return Ok(Self { token: None, tls: None }) };
        let bad = |problem: String| StartError::Source { name: name.to_owned(), problem };
        let certificates = tls.is_some_and(|tls| tls.client_ca.is_some());
        proves_itself(address, token.is_some(), tls.is_some(), certificates, plain).map_err(|e| bad(e.to_string()))?;
        let token = token.map(|token| token.resolve().map(|text| Token::new(&text))).transpose();
        let tls = tls.map(server_tls).transpose().map_err(bad)?;
        Ok(Self { token: token.map_err(|e| bad(e.to_string()))?, tls })
    }
}

enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

fn listen(name: &str, source: &SourceConfig, sockets: &Sockets) -> Result<Option<Listener>, StartError> {
    let failed = |place: String| {
        let name = name.to_owned();
        move |problem: io::Error| StartError::Listen { name, place, problem }
    };
    if let Some((address, ..)) = source.listens() {
        let listener = sockets.tcp(address).map_err(failed(address.to_string()))?;
        return Ok(Some(Listener::Tcp(listener)));
    }
    let SourceConfig::Unix(unix) = source else { return Ok(None) };
    let mode = unix.mode().unwrap_or(0o600);
    let listener = sockets.unix(&unix.path, mode).map_err(failed(unix.path.display().to_string()))?;
    Ok(Some(Listener::Unix(listener)))
}

/// Closes the sockets that `config` does not speak of.
pub(super) fn close_others(config: &Config, dir: &Path, sockets: &Sockets) {
    let page = places(config, dir);
    let tcp = config.sources.values().filter_map(|s| s.listens().map(|(address, ..)| address));
    let tcp: Vec<_> = tcp.chain(page.0).collect();
    let unix = config.sources.values().filter_map(|s| match s {
        SourceConfig::Unix(unix) => Some(unix.path.clone()),
        _ => None,
    });
    sockets.keep(&tcp, &unix.chain(page.1).collect::<Vec<_>>());
}

fn tail(
    ground: &Ground<'_>,
    id: SourceId,
    name: &str,
    file: &FileSource,
    known: &[(StreamKey, Checkpoint)],
    meter: Arc<Meter>,
) -> Result<Tail, StartError> {
    let mine = known.iter().filter(|(key, _)| key.source == *name);
    let known: Vec<_> = mine.map(|(key, at)| (key.stream, at.clone())).collect();
    for (stream, at) in &known {
        ground.positions.restore(id, *stream, at.clone());
    }
    let sinks = ground.config.sinks.values();
    let outputs: Vec<PathBuf> = sinks.filter_map(SinkConfig::path).map(PathBuf::from).collect();
    let setup = TailSetup {
        source: id,
        name: name.to_owned(),
        config: file.clone(),
        known,
        positions: ground.positions.clone(),
        pool: ground.pool.clone(),
        outputs,
        meter,
    };
    Tail::new(setup, now()).map_err(|problem| StartError::Pattern { name: name.to_owned(), problem })
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Starts the thread of a file source; what comes back ends its wait.
fn follow(
    name: &str,
    mut tail: Tail,
    entrance: Entrance,
    stop: Arc<AtomicBool>,
) -> io::Result<Box<dyn Fn() + Send + Sync>> {
    let mut watch = Watch::new();
    let waker = watch.waker();
    spawn(&format!("tail-{name}"), move || tail.run(&mut watch, &stop, now, &mut |batch| entrance.send(batch)))?;
    Ok(Box::new(waker))
}

/// Starts the thread that reads standard input.
fn read_stdin(
    id: SourceId,
    name: String,
    stdin: StdinReader,
    pool: Pool<Vec<u8>>,
    entrance: Entrance,
    stop: Arc<AtomicBool>,
) -> io::Result<()> {
    spawn("stdin", move || {
        let result = stdin.run(id, &pool, &stop, now, &mut |batch| entrance.send(batch));
        if let Err(error) = result {
            tracing::error!("source {name}: cannot read standard input: {error}");
        }
    })?;
    Ok(())
}
