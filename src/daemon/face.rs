//! The operators' window: what it shows, the sockets it listens on, and the threads that it runs on.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::clock::now;
use super::lasting::{Lasting, Part};
use super::service::StartError;
use super::watcher::host;
use crate::config::Config;
use crate::delivery::{Counts, ReceiverConfig, kind};
use crate::net::{Token, proves_itself, server_tls};
use crate::redact::Redactor;
use crate::sources::{Meter, SourceConfig};
use crate::store::Store;
use crate::telemetry::{Counters, Reloads};
use crate::web::{Board, Doors, Face, HttpConfig, ReceiverFace, RuleFace, SOCKET_NAME, SourceFace, Stories, Web};

/// The longest path of a Unix socket.
const LONGEST_PATH: usize = 100;

/// How long what is under way may still take at the end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What the window is built with.
pub(super) struct Show<'a> {
    pub config: &'a Config,
    pub dir: &'a Path,
    pub redactor: &'a Redactor,
    pub counters: &'a Arc<Counters>,
    pub by_source: &'a [Arc<Counters>],
    pub meters: &'a [(String, Arc<Meter>)],
    pub board: &'a Arc<Board>,
    pub reloads: &'a Reloads,
    pub sent: Box<dyn Fn() -> Vec<Counts> + Send + Sync>,
}

/// The open window.
pub(super) struct Window {
    runtime: Runtime,
    stop: watch::Sender<bool>,
}

impl Window {
    /// Opens it.
    pub(super) fn open(http: &HttpConfig, show: Show<'_>, lasting: &Lasting) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(4)
            .thread_name("page")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let token = token(http, lasting.part)?;
        let doors = doors(http, show.dir, lasting)?;
        drop(inside);
        let (stop, stopped) = watch::channel(false);
        let web = Web::new(Arc::new(face(show)?), http, token, stopped);
        runtime.spawn(async move {
            if let Err(error) = web.run(doors).await {
                tracing::error!("http: cannot listen any more: {error}");
            }
        });
        Ok(Self { runtime, stop })
    }

    /// Closes it.
    pub(super) fn close(self) {
        self.stop.send_replace(true);
        self.runtime.shutdown_timeout(LAST_WORDS);
    }
}

/// Whether the window could be opened. Needs a runtime around it.
pub(super) fn prove_window(config: &Config, dir: &Path, lasting: &Lasting) -> Result<(), StartError> {
    let Some(http) = &config.http else { return Ok(()) };
    token(http, lasting.part)?;
    doors(http, dir, lasting).map(drop)
}

/// The sockets that the window listens on.
pub(super) fn places(config: &Config, dir: &Path) -> (Option<SocketAddr>, Option<PathBuf>) {
    let Some(http) = &config.http else { return (None, None) };
    (Some(http.listen), Some(socket_path(http, dir)))
}

fn socket_path(http: &HttpConfig, dir: &Path) -> PathBuf {
    http.socket.clone().unwrap_or_else(|| dir.join(SOCKET_NAME))
}

/// What a client must show; nobody comes to the core of a split service but over the Unix socket, which asks for nothing.
fn token(http: &HttpConfig, part: Part) -> Result<Option<Token>, StartError> {
    if part == Part::Core {
        return Ok(None);
    }
    let certificates = http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    proves_itself(http.listen, http.token.is_some(), http.tls.is_some(), certificates, http.allow_plain)
        .map_err(|e| StartError::Http(e.to_string()))?;
    let token = http.token.as_ref().map(|token| token.resolve().map(|text| Token::new(&text))).transpose();
    token.map_err(|e| StartError::Http(e.to_string()))
}

fn doors(http: &HttpConfig, dir: &Path, lasting: &Lasting) -> Result<Doors, StartError> {
    let failed =
        |place: String| move |problem: io::Error| StartError::Http(format!("cannot listen on {place}: {problem}"));
    let sockets = &lasting.sockets;
    // the core of a split service may not even ask for a port
    let port = (lasting.part == Part::Whole).then_some(http);
    let tls = port.and_then(|http| http.tls.as_ref()).map(server_tls).transpose().map_err(StartError::Http)?;
    let tcp = port.map(|http| sockets.tcp(http.listen)).transpose().map_err(failed(http.listen.to_string()))?;
    let path = socket_path(http, dir);
    if http.socket.is_none() && path.as_os_str().len() > LONGEST_PATH {
        tracing::warn!(
            "the path of the state directory is too long for a socket in it; name one as `socket` in [http]"
        );
        return Ok(Doors { tcp, tls, unix: None });
    }
    let mode = http.mode().unwrap_or(0o600);
    let unix = sockets.unix(&path, mode).map_err(failed(path.display().to_string()))?;
    Ok(Doors { tcp, tls, unix: Some(unix) })
}

fn face(show: Show<'_>) -> Result<Face, StartError> {
    let sources = show.config.sources.values().zip(show.meters).zip(show.by_source);
    let source = |config: &SourceConfig, (name, meter): &(String, Arc<Meter>), counters: &Arc<Counters>| SourceFace {
        name: name.clone(),
        kind: source_kind(config),
        counters: Arc::clone(counters),
        meter: Arc::clone(meter),
    };
    let rule = |r: &crate::rules::RuleDef| RuleFace {
        id: r.id.clone(),
        kind: r.kind.clone(),
        description: r.description.clone(),
        severity: r.severity,
    };
    let receiver = |(name, config): (&String, &ReceiverConfig)| ReceiverFace { name: name.clone(), kind: kind(config) };
    Ok(Face {
        host: host(),
        started: now(),
        clock: now,
        counters: Arc::clone(show.counters),
        sources: sources.map(|((config, named), counters)| source(config, named, counters)).collect(),
        rules: show.redactor.rules().iter().map(rule).collect(),
        receivers: show.config.receivers.iter().map(receiver).collect(),
        sent: show.sent,
        store: Store::open_beside(show.dir)?,
        board: Arc::clone(show.board),
        stories: Stories::new(show.dir),
        redactor: show.redactor.clone(),
        reloads: show.reloads.clone(),
    })
}

fn source_kind(config: &SourceConfig) -> &'static str {
    match config {
        SourceConfig::File(_) => "file",
        SourceConfig::Stdin(_) => "stdin",
        SourceConfig::Http(_) => "http",
        SourceConfig::Tcp(_) => "tcp",
        SourceConfig::Unix(_) => "unix",
        SourceConfig::Journald(_) => "journald",
    }
}
