//! The receivers for TCP and Unix sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::inlet::{Closed, Inlet};
use super::tally::sum_up;
use crate::net::{Accepted, Gate, Server, Token, Wire, accept_tcp, accept_unix};
use crate::sources::config::Framing;
use crate::sources::frames::{FrameError, Frames};
use crate::sources::meter::{Meter, Refusal};

/// What stands before the token in the first line of a connection.
pub const TOKEN_PREFIX: &[u8] = b"token ";

/// How long a client has for the line with its token.
const GREETING: Duration = Duration::from_secs(10);

/// How much is read at once.
const READ: usize = 64 << 10;

/// What is set about a receiver of either kind.
pub struct SocketReceiver {
    /// The source.
    pub name: String,
    /// How lines are told apart.
    pub framing: Framing,
    /// The longest line.
    pub max_line: usize,
    /// Who may come in.
    pub gate: Gate,
    /// The token that the first line must show.
    pub token: Option<Token>,
    /// TLS, when there is any.
    pub tls: Option<TlsAcceptor>,
    /// How long a connection may stay silent; zero is for ever.
    pub idle: Duration,
    /// Where lines go.
    pub inlet: Inlet,
    /// What is counted.
    pub meter: Arc<Meter>,
}

/// Why a connection is over.
enum End {
    /// The client has ended it, or it broke.
    Client,
    /// We end it.
    Refused(Refusal, &'static str),
    /// The service ends.
    Service,
}

impl SocketReceiver {
    /// Serves on a TCP socket until `stop` becomes true.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn run_tcp(self, listener: std::net::TcpListener, stop: watch::Receiver<bool>) -> io::Result<()> {
        let (this, server, told) = self.prepare(&stop);
        let result = accept_tcp(listener, server, move |accepted| {
            let (this, stop) = (Arc::clone(&this), stop.clone());
            Box::pin(async move { this.connection(accepted, stop).await })
        });
        let result = result.await;
        // it ends by the same word
        let _ended = told.await;
        result
    }

    /// Serves on a Unix socket until `stop` becomes true.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn run_unix(
        self,
        listener: std::os::unix::net::UnixListener,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (this, server, told) = self.prepare(&stop);
        let result = accept_unix(listener, server, move |accepted| {
            let (this, stop) = (Arc::clone(&this), stop.clone());
            Box::pin(async move { this.connection(accepted, stop).await })
        });
        let result = result.await;
        // it ends by the same word
        let _ended = told.await;
        result
    }

    fn prepare(self, stop: &watch::Receiver<bool>) -> (Arc<Self>, Server, tokio::task::JoinHandle<()>) {
        let meter = Arc::clone(&self.meter);
        let server = Server {
            gate: self.gate.clone(),
            tls: self.tls.clone(),
            stop: stop.clone(),
            refused: Arc::new(move || meter.refuse(Refusal::Connection)),
        };
        let told = tokio::spawn(sum_up(self.name.clone(), Arc::clone(&self.meter), stop.clone()));
        (Arc::new(self), server, told)
    }

    async fn connection(&self, accepted: Accepted, mut stop: watch::Receiver<bool>) {
        self.meter.connections.fetch_add(1, Ordering::Relaxed);
        let Accepted { mut wire, pass, .. } = accepted;
        let stream = self.inlet.stream();
        let mut frames = Frames::new(self.framing, self.max_line);
        let mut end = self.greeting(&mut *wire).await.err();
        while end.is_none() {
            end = tokio::select! {
                read = self.read(&mut *wire, &mut frames) => read.err(),
                () = pass.sent_away() => Some(End::Refused(Refusal::Connection, "it had to make room")),
                changed = stop.changed() => (changed.is_err() || *stop.borrow()).then_some(End::Service),
            };
            let parts = frames.take(end.is_some());
            if !parts.is_empty() {
                pass.owed();
                if let Err(Closed) = self.inlet.send(&stream, parts).await.map(drop) {
                    end = Some(End::Service);
                }
                pass.waits(Instant::now());
            }
            if let Some(error) = frames.error() {
                end = Some(End::Refused(Refusal::Invalid, error));
            }
        }
        for _ in 0..frames.too_long() {
            self.meter.refuse(Refusal::TooLarge);
        }
        self.inlet.end(&stream).await;
        if let Some(End::Refused(why, words)) = end {
            self.meter.refuse(why);
            tracing::info!("source {}: a connection was ended: {words}", self.name);
        }
        self.meter.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The line with the token, when one is wanted.
    async fn greeting(&self, wire: &mut dyn Wire) -> Result<(), End> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut line = Vec::new();
        let shown = async {
            while line.len() < 4096 {
                match wire.read_u8().await {
                    Ok(b'\n') => return Ok(true),
                    Ok(byte) => line.push(byte),
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, io::Error>(false)
        };
        let refused = |words| Err(End::Refused(Refusal::Unauthorized, words));
        match tokio::time::timeout(GREETING, shown).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return refused("no line with the token came"),
            Ok(Err(_)) => return Err(End::Client),
        }
        let given = line.strip_suffix(b"\r").unwrap_or(&line).strip_prefix(TOKEN_PREFIX);
        if given.is_some_and(|given| token.is(given)) { Ok(()) } else { refused("a wrong token, or none") }
    }

    /// Reads once.
    async fn read(&self, wire: &mut dyn Wire, frames: &mut Frames) -> Result<(), End> {
        let room = frames.room(READ);
        let read = wire.read_buf(room);
        let read = if self.idle.is_zero() {
            read.await
        } else {
            let silent = || End::Refused(Refusal::Slow, "it was silent for too long");
            tokio::time::timeout(self.idle, read).await.map_err(|_| silent())?
        };
        match read {
            Ok(0) | Err(_) => Err(End::Client),
            Ok(_) => Ok(()),
        }
    }
}

impl From<FrameError> for &'static str {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Count => "a frame did not begin with its length",
        }
    }
}
