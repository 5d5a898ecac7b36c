//! A client of our own HTTP face: one request a connection, over its Unix socket or its port.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::exit::{Exit, Failure};
use crate::config;
use crate::store::StateConfig;
use crate::web::SOCKET_NAME;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer, in bytes.
const LONGEST: u64 = 32 << 20;

/// The variable that holds the token, for a service that is reached by address.
const TOKEN_VARIABLE: &str = "LOGWARDEN_HTTP_TOKEN";

/// Which service is asked.
#[derive(Debug, clap::Args)]
pub struct ServiceArgs {
    /// The service's configuration file, for its socket
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["state", "socket", "address"])]
    pub config: Option<PathBuf>,

    /// The service's state directory, for the socket in it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["socket", "address"])]
    pub state: Option<PathBuf>,

    /// The service's Unix socket
    #[arg(long, value_name = "PATH", conflicts_with = "address")]
    pub socket: Option<PathBuf>,

    /// Its address and port on this machine; the token is read from LOGWARDEN_HTTP_TOKEN
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
}

/// A service that can be asked.
#[derive(Clone, Debug)]
pub enum Client {
    /// By its socket.
    Unix(PathBuf),
    /// By its port.
    Tcp(SocketAddr, Option<String>),
}

impl ServiceArgs {
    /// The service that is meant.
    pub fn client(&self) -> anyhow::Result<Client> {
        if let Some(address) = self.address {
            let token = std::env::var(TOKEN_VARIABLE).ok().filter(|t| !t.is_empty());
            // the token in clear may not leave this machine
            if token.is_some() && !address.ip().to_canonical().is_loopback() {
                let failure = Failure::new(Exit::USAGE, "the token would cross the network in clear");
                return Err(failure.help("use the Unix socket on that machine, or a tunnel to it").into());
            }
            return Ok(Client::Tcp(address, token));
        }
        if let Some(socket) = &self.socket {
            return Ok(Client::Unix(socket.clone()));
        }
        let help = "name it with --config FILE, --state DIR, --socket PATH or --address ADDRESS";
        let nowhere = || Failure::new(Exit::USAGE, "there is no service to ask").help(help);
        if let Some(file) = &self.config {
            let config = config::load(file)?;
            let Some(http) = &config.http else {
                let failure = Failure::new(Exit::CONFIG, "the configuration has no [http] section");
                return Err(failure.help("add one; it may be empty").into());
            };
            let socket = http.socket.clone().or_else(|| Some(config.state.resolve()?.join(SOCKET_NAME)));
            return Ok(Client::Unix(socket.ok_or_else(nowhere)?));
        }
        let dir = self.state.clone().or_else(|| StateConfig::default().resolve()).ok_or_else(nowhere)?;
        Ok(Client::Unix(dir.join(SOCKET_NAME)))
    }
}

impl Client {
    /// Whether anybody listens there.
    pub fn answers(&self) -> bool {
        match self {
            Self::Unix(path) => UnixStream::connect(path).is_ok(),
            Self::Tcp(address, _) => TcpStream::connect_timeout(address, PATIENCE).is_ok(),
        }
    }

    /// What a path says.
    ///
    /// # Errors
    /// In words for people.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", path, None)
    }

    /// Does something.
    ///
    /// # Errors
    /// In words for people.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", path, Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let token = match self {
            Self::Tcp(_, Some(token)) => format!("Authorization: Bearer {token}\r\n"),
            _ => String::new(),
        };
        let request = format!(
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = match self {
            Self::Unix(path) => connect_unix(path).and_then(|stream| speak(stream, &request)),
            Self::Tcp(address, _) => TcpStream::connect_timeout(address, PATIENCE).and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                speak(stream, &request)
            }),
        };
        let answer = answer.map_err(|error| format!("cannot reach the service at {}: {error}", self.place()))?;
        read(&answer)
    }

    fn place(&self) -> String {
        match self {
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp(address, _) => address.to_string(),
        }
    }
}

fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn speak(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The body of an answer, or why there is none.
fn read(answer: &[u8]) -> Result<Value, String> {
    let odd = || "the service gave an answer that cannot be read".to_owned();
    let end = memchr::memmem::find(answer, b"\r\n\r\n").ok_or_else(odd)?;
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| odd())?;
    let status: u16 = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(odd)?;
    let body: Value = serde_json::from_slice(&answer[end + 4..]).map_err(|_| odd())?;
    match status {
        200 => Ok(body),
        401 => Err(format!("the service wants its token; put it into {TOKEN_VARIABLE}")),
        _ => Err(body["why"].as_str().or(body["error"].as_str()).unwrap_or("the service refused").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_or_explained() {
        let answer = |text: &str| read(text.as_bytes());
        assert_eq!(answer("HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"x\":1}").unwrap()["x"], 1);
        assert_eq!(
            answer("HTTP/1.1 403 Forbidden\r\n\r\n{\"error\":\"forbidden\",\"why\":\"so\"}"),
            Err("so".to_owned())
        );
        assert!(answer("HTTP/1.1 401 x\r\n\r\n{}").unwrap_err().contains(TOKEN_VARIABLE));
        for odd in ["", "HTTP/1.1 200 OK\r\n\r\n", "x\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n<html>"] {
            assert!(answer(odd).unwrap_err().contains("cannot be read"), "{odd}");
        }
    }
}
