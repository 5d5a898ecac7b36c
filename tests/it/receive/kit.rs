//! A running service with one receiver, and a small HTTP client that can misbehave.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::process::{Running, signal, wait};
use crate::support::logwarden;

/// A service with one source, writing to a file.
pub struct Service {
    pub dir: TempDir,
    pub address: SocketAddr,
    child: Option<Running>,
}

/// A port that nobody uses just now.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Service {
    /// Starts with `source` as its section; `ADDRESS` in it is a free address, `DIR` the directory.
    pub fn start(source: &str) -> Self {
        let mut service = Self::stopped(source);
        service.begin();
        service
    }

    pub fn stopped(source: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = free_port();
        let root = dir.path().display().to_string();
        let source = source.replace("ADDRESS", &address.to_string()).replace("DIR", &root);
        let text = format!(
            "[sources.in]\n{source}\n[sinks.out]\ntype = \"file\"\npath = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n"
        );
        fs::write(dir.path().join("c.toml"), text).unwrap();
        Self { dir, address, child: None }
    }

    /// Starts it, and waits until it says that it is there.
    pub fn begin(&mut self) {
        let ready = self.path("ready.sock");
        let _from_before = fs::remove_file(&ready);
        let notify = std::os::unix::net::UnixDatagram::bind(&ready).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = logwarden();
        command.arg("run").arg("--config").arg(self.path("c.toml")).env("NOTIFY_SOCKET", &ready);
        let child = Running(command.stdin(Stdio::null()).stderr(errors).spawn().unwrap());
        let mut word = [0; 64];
        loop {
            let n = notify.recv(&mut word).unwrap_or_else(|e| panic!("not ready: {e}\n{}", self.errors()));
            if &word[..n] == b"READY=1" {
                break;
            }
        }
        self.child = Some(child);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("out.log")).unwrap_or_default()).into_owned()
    }

    pub fn process(&self) -> &Running {
        self.child.as_ref().unwrap()
    }

    pub fn expect(&self, want: &str) {
        assert!(until(|| self.out() == want), "wanted {want:?}, got {:?}\n{}", self.out(), self.errors());
    }

    /// Ends it by a signal; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        signal(&child, "-TERM");
        wait(&mut child, Duration::from_secs(10))
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        request(self.address, &format!("POST {path} HTTP/1.1\r\n{headers}"), body)
    }
}

pub fn until(done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// An answer, its head as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One request on a connection of its own; `head` without what frames the body.
pub fn request(to: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let head = format!("{head}Host: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // one that is refused early may close before it has read everything
    let _refused_early = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    answer(&mut stream)
}

/// The same over TLS, with a certificate of the client's own when it has one.
pub fn tls_post(
    to: SocketAddr,
    ca: &Path,
    client: Option<&(PathBuf, PathBuf)>,
    body: &str,
) -> Result<Answer, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some((cert, key)) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(cert).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
    };
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name)?;
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(to).unwrap());
    let head = format!(
        "POST /ingest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _refused = stream.write_all(head.as_bytes());
    Ok(answer(&mut stream))
}

/// Reads an answer to the end of the connection.
pub fn answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    let _reset_after_the_answer = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
