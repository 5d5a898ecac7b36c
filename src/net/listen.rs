//! Listening sockets, which outlive a reload, and the loops that accept on them.

use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::gate::{Gate, Pass};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long nothing is accepted after the system had no descriptor or memory for it.
const BREATH: Duration = Duration::from_millis(50);

/// Listening sockets by address. One that is configured again after a reload is still open, so no client is refused
/// meanwhile.
#[derive(Clone, Default)]
pub struct Sockets {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    tcp: HashMap<SocketAddr, std::net::TcpListener>,
    unix: HashMap<PathBuf, std::os::unix::net::UnixListener>,
}

impl Sockets {
    /// The socket that listens on `address`, opened when it is not there yet. Needs a runtime around it.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn tcp(&self, address: SocketAddr) -> io::Result<std::net::TcpListener> {
        let mut open = self.lock();
        if let Some(listener) = open.tcp.get(&address) {
            return listener.try_clone();
        }
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let clone = listener.try_clone()?;
        open.tcp.insert(address, listener);
        Ok(clone)
    }

    /// The same for a Unix socket at `path`, which gets this mode. A socket that nobody listens on any more is replaced;
    /// anything else at that place is left alone.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn unix(&self, path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
        // as it is spelled it may be short enough to bind
        let place = real(path);
        let mut open = self.lock();
        if let Some(listener) = open.unix.get(&place) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            return listener.try_clone();
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"));
            }
            Ok(_) if StdUnixStream::connect(path).is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there"));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = bind_unix(path, mode)?;
        listener.set_nonblocking(true)?;
        let clone = listener.try_clone()?;
        open.unix.insert(place, listener);
        Ok(clone)
    }

    /// Closes every socket that is not among these.
    pub fn keep(&self, tcp: &[SocketAddr], unix: &[PathBuf]) {
        let unix: Vec<PathBuf> = unix.iter().map(|path| real(path)).collect();
        let mut open = self.lock();
        open.tcp.retain(|address, _| tcp.contains(address));
        open.unix.retain(|path, _| {
            let keep = unix.contains(path);
            if !keep {
                let _gone_already = fs::remove_file(path);
            }
            keep
        });
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for path in self.unix.keys() {
            let _gone_already = fs::remove_file(path);
        }
    }
}

/// The place of a socket however its directory is spelled: a reload may spell it in another way.
fn real(path: &Path) -> PathBuf {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(dir), path.file_name()) {
        (Ok(dir), Some(name)) => dir.join(name),
        _ => path.to_owned(),
    }
}

/// Binds under a name that nobody looks for, so that the mode is right before anybody can connect.
fn bind_unix(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let hidden = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&hidden)?;
    let placed =
        fs::set_permissions(&hidden, fs::Permissions::from_mode(mode)).and_then(|()| fs::rename(&hidden, path));
    if let Err(error) = placed {
        let _gone_already = fs::remove_file(&hidden);
        return Err(error);
    }
    Ok(listener)
}

/// A stream of either kind.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection that was let in.
pub struct Accepted {
    /// Where bytes come from and answers go.
    pub wire: Box<dyn Wire>,
    /// Who is there; for a Unix socket this machine.
    pub peer: IpAddr,
    /// Its place in the house.
    pub pass: Pass,
}

/// What an accept loop works with.
#[derive(Clone)]
pub struct Server {
    /// Who may come in.
    pub gate: Gate,
    /// TLS, when there is any.
    pub tls: Option<TlsAcceptor>,
    /// Becomes true when it is time to end.
    pub stop: watch::Receiver<bool>,
    /// Called for each connection that was turned away.
    pub refused: Arc<dyn Fn() + Send + Sync>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Accepts until it is time to end; each connection is handled in a task of its own. Ends when all of them have.
///
/// # Errors
/// When the socket cannot be used at all.
pub async fn accept_tcp<F>(listener: std::net::TcpListener, server: Server, handle: F) -> io::Result<()>
where
    F: Fn(Accepted) -> Work + Send + Sync + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    let (handle, mut stop) = (Arc::new(handle), server.stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    while !*stop.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => continue,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        let (stream, from) = match accepted {
            Ok(both) => both,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Some(pass) = server.gate.enter(from.ip(), Instant::now()) else {
            (server.refused)();
            continue;
        };
        let _only_slower = stream.set_nodelay(true);
        let (handle, tls) = (Arc::clone(&handle), server.tls.clone());
        tasks.spawn(async move {
            let wire: Box<dyn Wire> = match tls {
                None => Box::new(stream),
                Some(tls) => {
                    let shaken = tokio::select! {
                        shaken = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => shaken,
                        () = pass.sent_away() => return,
                    };
                    let Ok(Ok(stream)) = shaken else { return };
                    Box::new(stream)
                }
            };
            handle(Accepted { wire, peer: from.ip(), pass }).await;
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// The same on a Unix socket; who may connect is a matter of the socket's mode.
///
/// # Errors
/// When the socket cannot be used at all.
pub async fn accept_unix<F>(listener: std::os::unix::net::UnixListener, server: Server, handle: F) -> io::Result<()>
where
    F: Fn(Accepted) -> Work + Send + Sync + 'static,
{
    let listener = UnixListener::from_std(listener)?;
    let (peer, mut stop) = (IpAddr::V4(Ipv4Addr::LOCALHOST), server.stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    while !*stop.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => continue,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => match server.gate.enter(peer, Instant::now()) {
                Some(pass) => {
                    tasks.spawn(handle(Accepted { wire: Box::new(stream), peer, pass }));
                }
                None => (server.refused)(),
            },
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_stays_open_over_a_reload_and_is_closed_when_it_is_not_wanted() {
        let sockets = Sockets::default();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = sockets.tcp(any).unwrap().local_addr().unwrap();
        assert_eq!(sockets.tcp(any).unwrap().local_addr().unwrap(), first);
        assert!(std::net::TcpStream::connect(first).is_ok());
        sockets.keep(&[], &[]);
        assert!(std::net::TcpStream::connect(first).is_err());
    }

    #[tokio::test]
    async fn a_stale_unix_socket_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "").unwrap();
        let sockets = Sockets::default();
        assert!(sockets.unix(&at("file"), 0o600).is_err());
        drop(std::os::unix::net::UnixListener::bind(at("stale")).unwrap());
        let _listener = sockets.unix(&at("stale"), 0o660).unwrap();
        assert_eq!(fs::metadata(at("stale")).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(Sockets::default().unix(&at("stale"), 0o600).is_err());
        assert!(sockets.unix(&at("stale"), 0o600).is_ok());
        // however its directory is spelled
        let again = dir.path().join(".").join("stale");
        std::os::unix::fs::symlink(dir.path(), at("link")).unwrap();
        assert!(sockets.unix(&at("link/stale"), 0o600).is_ok());
        sockets.keep(&[], &[at("link/stale")]);
        assert!(sockets.unix(&again, 0o600).is_ok() && again.exists());
        drop(sockets);
        assert!(!at("stale").exists());
    }
}
