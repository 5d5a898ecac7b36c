//! A mail server: as much SMTP as the tests need, and every misbehaviour they want.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One accepted message.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
}

impl Mail {
    /// A header's value with its folds undone.
    pub fn header(&self, name: &str) -> String {
        let head = self.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let found = head.lines().find_map(|l| l.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_default().to_owned()
    }
}

/// How the server behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// Recipients that are refused, with the reply.
    pub refuse: Vec<(String, String)>,
    /// The reply to the end of DATA for the next messages; an empty one cuts the connection after taking the message.
    pub after_data: Vec<String>,
    /// Offer STARTTLS with this.
    pub starttls: Option<TlsAcceptor>,
    /// TLS from the first byte.
    pub implicit: Option<TlsAcceptor>,
    /// Ask for this user and password, as base64 of `\0user\0password`.
    pub login: Option<String>,
    /// Take connections and never say a word.
    pub mute: bool,
}

#[derive(Default)]
struct Log {
    mails: Vec<Mail>,
    commands: Vec<String>,
    manners: Manners,
}

pub struct Server {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    pub async fn start(manners: Manners) -> Self {
        let log = Arc::new(Mutex::new(Log { manners, ..Log::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = Some(tokio::spawn(accept(listener, Arc::clone(&log))));
        Self { address, log, task }
    }

    /// Stops listening: connections are refused.
    pub async fn down(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // It was aborted; there is nothing to hear.
            let _ = task.await;
        }
    }

    /// Listens again, at the same address.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(accept(listener, Arc::clone(&self.log))));
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.log.lock().unwrap().mails.clone()
    }

    pub fn commands(&self) -> Vec<String> {
        self.log.lock().unwrap().commands.clone()
    }

    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.log.lock().unwrap().manners);
    }

    /// The configuration of a receiver at this server.
    pub fn config(&self, more: &str) -> String {
        format!(
            "type = 'email'\nhost = '127.0.0.1'\nport = {}\nfrom = 'Logwarden <lw@example.com>'\nto = ['ops@example.com', \
             'sec@example.com']\n{more}",
            self.address.port()
        )
    }
}

async fn accept(listener: TcpListener, log: Arc<Mutex<Log>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let manners = log.lock().unwrap().manners.clone();
            if manners.mute {
                let _kept_open = stream;
                return std::future::pending().await;
            }
            let implicit = manners.implicit;
            match implicit {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _gone_or_done = talk(stream, &log, true, true).await;
                    }
                }
                None => {
                    let Ok(Some(stream)) = talk(stream, &log, true, false).await else { return };
                    let tls = log.lock().unwrap().manners.starttls.clone().unwrap();
                    if let Ok(stream) = tls.accept(stream).await {
                        let _gone_or_done = talk(stream, &log, false, true).await;
                    }
                }
            }
        });
    }
}

/// Talks until the connection ends; gives the stream back when the client asks for STARTTLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    log: &Arc<Mutex<Log>>,
    greet: bool,
    secure: bool,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greet {
        stream.write_all(b"220 test ESMTP\r\n").await?;
    }
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut known = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        let manners = {
            let mut log = log.lock().unwrap();
            log.commands.push(line.clone());
            log.manners.clone()
        };
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => {
                let tls = if manners.starttls.is_some() && !secure { "250-STARTTLS\r\n" } else { "" };
                let auth = if manners.login.is_some() { "250-AUTH PLAIN\r\n" } else { "" };
                format!("250-test\r\n{tls}{auth}250 8BITMIME")
            }
            "STARTTLS" if manners.starttls.is_some() => {
                stream.write_all(b"220 go ahead\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => {
                known = manners.login.as_ref().is_some_and(|want| line.ends_with(want.as_str()));
                if known { "235 welcome".to_owned() } else { "535 5.7.8 authentication failed".to_owned() }
            }
            "MAIL" if manners.login.is_some() && !known => "530 5.7.0 authentication required".to_owned(),
            "MAIL" => {
                from = address(&line);
                to.clear();
                "250 ok".to_owned()
            }
            "RCPT" => match manners.refuse.iter().find(|(a, _)| *a == address(&line)) {
                Some((_, reply)) => reply.clone(),
                None => {
                    to.push(address(&line));
                    "250 ok".to_owned()
                }
            },
            "DATA" => {
                stream.write_all(b"354 go\r\n").await?;
                let data = data(&mut stream).await?;
                let mut log = log.lock().unwrap();
                let next = if log.manners.after_data.is_empty() {
                    "250 taken".to_owned()
                } else {
                    log.manners.after_data.remove(0)
                };
                if next.is_empty() || next.starts_with('2') {
                    log.mails.push(Mail { from: from.clone(), to: to.clone(), data });
                }
                if next.is_empty() {
                    return Ok(None);
                }
                next
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            "NOOP" | "RSET" => "250 ok".to_owned(),
            _ => "502 what".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix("..").map_or(line.as_str(), |_| &line[1..]));
    }
}
