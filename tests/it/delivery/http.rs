//! A receiver of webhooks: as much HTTP/1.1 as the tests need.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What to answer.
pub enum Reply {
    /// A status line's code, and further header lines.
    Status(u16, &'static str),
    /// A code and a body.
    Body(u16, &'static str),
    /// Nothing, for ever.
    Hang,
    /// The connection is cut without a word.
    Cut,
}

type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    handler: Arc<Mutex<Handler>>,
}

impl Receiver {
    pub async fn start(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::serve(handler, None).await
    }

    pub async fn start_tls(tls: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        Self::serve(|_| Reply::Status(200, ""), Some(tls.into())).await
    }

    async fn serve(
        handler: impl FnMut(&Request) -> Reply + Send + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(handler)));
        let (log, answer) = (Arc::clone(&seen), Arc::clone(&handler));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer, tls) = (Arc::clone(&log), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, log, answer).await;
                            }
                        }
                        None => converse(stream, log, answer).await,
                    }
                });
            }
        });
        Self { address, seen, handler }
    }

    /// From now on.
    pub fn answer(&self, handler: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Ids of the alerts in generic bodies, in the order they came.
    pub fn ids(&self) -> Vec<String> {
        self.seen().iter().map(|r| r.json()["id"].as_str().unwrap().to_owned()).collect()
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    log: Arc<Mutex<Vec<Request>>>,
    handler: Arc<Mutex<Handler>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    let reply = (handler.lock().unwrap())(&request);
    log.lock().unwrap().push(request);
    let (code, head, body) = match reply {
        Reply::Status(code, head) => (code, head, ""),
        Reply::Body(code, body) => (code, "", body),
        Reply::Cut => return,
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return;
        }
    };
    let length = body.len();
    let text = format!("HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n{head}\r\n{body}");
    // The other side may be gone by now.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        let mut chunk = [0u8; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
    let length: usize = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        let mut chunk = [0u8; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        body.extend_from_slice(&chunk[..n]);
    }
    Some(Request { line, headers, body })
}
