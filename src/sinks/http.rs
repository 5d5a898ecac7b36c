//! A server that takes NDJSON.
//!
//! A thread of its own sends one batch after the other, so that whoever writes never waits for the network; what was not
//! answered with success is sent again, under the same id.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use tokio::runtime::{Builder, Runtime};
use ulid::Ulid;

use super::config::{Compression, HttpSinkConfig};
use super::error::SinkError;
use crate::net::client_tls;
use crate::redact::Redacted;

/// How long until a batch that was not taken is sent again; doubles up to [`LONGEST`].
const AGAIN: Duration = Duration::from_millis(500);

/// See [`AGAIN`].
const LONGEST: Duration = Duration::from_secs(30);

/// The header that says which batch it is: the same when it comes again.
const BATCH: &str = "idempotency-key";

/// Lines on their way to a server.
pub struct HttpSink {
    name: String,
    /// Not sent yet.
    buf: Vec<u8>,
    most: usize,
    to: SyncSender<Batch>,
    from: Receiver<Outcome>,
    /// Whether the thread has one.
    under_way: bool,
    /// The one that was not taken, and when it is sent again.
    failed: Option<(Batch, Instant, String)>,
    wait: Duration,
}

struct Batch {
    id: String,
    lines: Vec<u8>,
}

/// What became of a batch.
struct Outcome {
    batch: Batch,
    refused: Option<(String, Option<Duration>)>,
}

impl HttpSink {
    /// A sink that sends to where `config` says.
    ///
    /// # Errors
    /// When the section makes no sense, its secrets cannot be read, or there is no thread.
    pub fn open(config: &HttpSinkConfig) -> Result<Self, SinkError> {
        let bad = |why: String| SinkError::Config(why);
        let post = Post::new(config).map_err(bad)?;
        let name = config.place();
        let (to, batches) = sync_channel::<Batch>(1);
        let (outcomes, from) = sync_channel(1);
        let work = move || {
            for batch in batches {
                let refused = post.send(&batch).err();
                if outcomes.send(Outcome { batch, refused }).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sink-http".to_owned()).spawn(work);
        thread.map_err(|error| bad(format!("cannot start a thread: {error}")))?;
        let most = usize::try_from(config.max_batch).unwrap_or(usize::MAX).max(1);
        Ok(Self { name, buf: Vec::new(), most, to, from, under_way: false, failed: None, wait: AGAIN })
    }

    /// Takes a chunk over. After an error it was not, and may be given again.
    ///
    /// # Errors
    /// [`SinkError::Busy`] while what came before is being sent, [`SinkError::Send`] when that is not taken.
    pub fn write(&mut self, chunk: &Redacted) -> Result<(), SinkError> {
        let bytes = chunk.bytes();
        if !self.buf.is_empty() && self.buf.len() + bytes.len() > self.most {
            self.send()?;
            if !self.buf.is_empty() {
                return Err(SinkError::Busy(self.name.clone()));
            }
        }
        self.buf.extend_from_slice(bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            self.buf.push(b'\n');
        }
        Ok(())
    }

    /// Whether everything was taken; sends what was not yet.
    ///
    /// # Errors
    /// [`SinkError::Send`] when the server does not take it.
    pub fn delivered(&mut self) -> Result<bool, SinkError> {
        self.send()?;
        Ok(!self.under_way && self.buf.is_empty())
    }

    fn send(&mut self) -> Result<(), SinkError> {
        self.look();
        if self.under_way {
            return Ok(());
        }
        let batch = match self.failed.take() {
            Some((batch, due, why)) if Instant::now() < due => {
                self.failed = Some((batch, due, why.clone()));
                return Err(SinkError::Send { name: self.name.clone(), why });
            }
            Some((batch, ..)) => batch,
            None if self.buf.is_empty() => return Ok(()),
            None => Batch { id: Ulid::r#gen().to_string(), lines: std::mem::take(&mut self.buf) },
        };
        self.under_way = true;
        // the thread lives as long as we do
        let gone = || SinkError::Send { name: self.name.clone(), why: "its thread has died".to_owned() };
        self.to.send(batch).map_err(|_| gone())
    }

    /// Hears what became of the batch that is under way.
    fn look(&mut self) {
        match self.from.try_recv() {
            Ok(Outcome { refused: None, .. }) => (self.under_way, self.wait) = (false, AGAIN),
            Ok(Outcome { batch, refused: Some((why, pause)) }) => {
                self.under_way = false;
                let wait = pause.unwrap_or(self.wait).min(LONGEST);
                self.failed = Some((batch, Instant::now() + wait, why));
                self.wait = (2 * self.wait).min(LONGEST);
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
    }
}

/// One server and how to ask it.
struct Post {
    runtime: Runtime,
    client: Client,
    url: Url,
    token: Option<HeaderValue>,
    compress: Compression,
}

impl Post {
    fn new(config: &HttpSinkConfig) -> Result<Self, String> {
        let url = target(config)?;
        let token = match &config.token {
            None => None,
            Some(token) => {
                let token = token.resolve().map_err(|e| e.to_string())?;
                let mut header = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
                    .map_err(|_| "the token cannot stand in a header".to_owned())?;
                header.set_sensitive(true);
                Some(header)
            }
        };
        let client = Client::builder()
            .tls_backend_preconfigured(client_tls(config.ca_file.as_deref())?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .build()
            .map_err(|e| e.without_url().to_string())?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        Ok(Self { runtime, client, url, token, compress: config.compress })
    }

    /// Sends once; says why it was not taken, and how long to wait when the server said so.
    fn send(&self, batch: &Batch) -> Result<(), (String, Option<Duration>)> {
        let plain = |why: String| (why, None);
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/x-ndjson");
        request = request.header(BATCH, &batch.id);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        request = match self.compress {
            Compression::None => request.body(batch.lines.clone()),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                let body = encoder.write_all(&batch.lines).and_then(|()| encoder.finish());
                request.header(CONTENT_ENCODING, "gzip").body(body.map_err(|e| plain(e.to_string()))?)
            }
            Compression::Zstd => {
                let body = zstd::encode_all(&batch.lines[..], 0).map_err(|e| plain(e.to_string()))?;
                request.header(CONTENT_ENCODING, "zstd").body(body)
            }
        };
        // its timers want to be made inside of the runtime
        let answer = self.runtime.block_on(async { request.send().await });
        let answer = answer.map_err(|error| plain(unanswered(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let pause = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        Err((format!("it answered {status}"), pause.map(Duration::from_secs)))
    }
}

/// Why there is no answer, in words.
fn unanswered(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(std::error::Error::source(error), |e| e.source());
    let refused = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ConnectionRefused;
    if causes().filter_map(|e| e.downcast_ref()).any(refused) {
        "nobody listens there (connection refused)".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        causes().last().map_or_else(|| error.to_string(), ToString::to_string)
    } else {
        "the connection was cut before an answer came".to_owned()
    }
}

/// The URL, when it may be used.
fn target(config: &HttpSinkConfig) -> Result<Url, String> {
    let url = Url::parse(&config.url).map_err(|e| format!("`url` is not a URL: {e}"))?;
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if here || config.allow_plain => Ok(url),
        "http" => Err("`url` must be https; set `allow_plain = true` where something else encrypts".to_owned()),
        other => Err(format!("`url` must be https, not {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_leaves_this_machine() {
        let target = |text: &str| target(&toml::from_str(text).unwrap());
        for good in [
            "url = 'https://logs.example.com/x'",
            "url = 'http://127.0.0.1:1/x'",
            "url = 'http://[::1]:1/x'",
            "url = 'http://localhost/x'",
            "url = 'http://10.0.0.1/x'\nallow_plain = true",
        ] {
            assert!(target(good).is_ok(), "{good}");
        }
        for bad in ["url = 'http://10.0.0.1/x'", "url = 'ftp://127.0.0.1/x'", "url = 'logs.example.com'"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
