//! The `[sources.NAME]` sections of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::net::ServerTls;
use crate::secret::Secret;
use crate::units::{Tz, duration, size};

/// How the lines of a source are read as events. These keys stand in the section of every source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The IANA zone of times without one.
    pub zone: Option<Tz>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The schema that lines are read with; recognised from the lines when there is none.
    pub schema: Option<String>,
    /// Whether labels that arrive in the input stand for keys.
    pub trusted_labels: bool,
}

/// A source's section: its own keys, and those that all sources share.
macro_rules! source {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$meta])* pub $field: $type,)*
            /// IANA time zone of times that are written without one, such as `Europe/Berlin`.
            #[serde(default)]
            #[cfg_attr(test, schemars(with = "Option<String>", example = "Europe/Berlin"))]
            pub zone: Option<Tz>,
            /// Addresses of proxies in front of the service, such as `10.0.0.0/8`: their `X-Forwarded-For` is believed.
            #[serde(default)]
            #[cfg_attr(test, schemars(with = "Vec<String>"))]
            pub trusted_proxies: Vec<IpNet>,
            /// Name of the schema that the lines follow. Without it the schema is recognised from the lines.
            #[serde(default)]
            #[cfg_attr(test, schemars(example = "nginx-json"))]
            pub schema: Option<String>,
            /// Whether labels such as `[API_KEY:...]` that arrive in the input were made by another logwarden with the
            /// same pseudonym key, and stand for keys.
            #[serde(default)]
            pub trusted_labels: bool,
        }

        impl $name {
            fn lines(&self) -> Lines {
                Lines {
                    zone: self.zone,
                    trusted_proxies: self.trusted_proxies.clone(),
                    schema: self.schema.clone(),
                    trusted_labels: self.trusted_labels,
                }
            }
        }
    };
}

/// Where lines come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SourceConfig {
    /// Files that are followed as they grow, through rotation and restarts.
    File(FileSource),
    /// Standard input, to its end.
    Stdin(StdinSource),
    /// Lines over HTTP, as NDJSON or in the shapes that OTLP, Loki and Elasticsearch clients send. A request is answered
    /// with success only once its lines are committed.
    Http(Box<HttpSource>),
    /// Lines over TCP, ended by newlines or counted (RFC 6587).
    Tcp(TcpSource),
    /// The same over a Unix socket.
    Unix(UnixSource),
    /// The systemd journal, through `journalctl`.
    Journald(JournaldSource),
}

impl SourceConfig {
    /// How its lines are read as events.
    pub fn lines(&self) -> Lines {
        match self {
            Self::File(source) => source.lines(),
            Self::Stdin(source) => source.lines(),
            Self::Http(source) => source.lines(),
            Self::Tcp(source) => source.lines(),
            Self::Unix(source) => source.lines(),
            Self::Journald(source) => source.lines(),
        }
    }

    /// The schema that lines are read with; recognised from the lines when there is none.
    pub fn schema(&self) -> Option<String> {
        self.lines().schema
    }

    /// The address that it listens on, what it wants of clients there, and whether it may do without TLS.
    pub fn listens(&self) -> Option<(SocketAddr, Option<&Secret>, Option<&ServerTls>, bool)> {
        match self {
            Self::Http(http) => Some((http.listen, http.token.as_ref(), http.tls.as_ref(), http.allow_plain)),
            Self::Tcp(tcp) => Some((tcp.listen, tcp.token.as_ref(), tcp.tls.as_ref(), tcp.allow_plain)),
            Self::File(_) | Self::Stdin(_) | Self::Unix(_) | Self::Journald(_) => None,
        }
    }

    /// What happens when the output is too slow. Files, the journal and clients over HTTP keep what was not taken, so
    /// they always wait.
    pub fn when_slow(&self) -> WhenSlow {
        match self {
            Self::Stdin(stdin) => stdin.when_slow,
            Self::Tcp(tcp) => tcp.when_slow,
            Self::Unix(unix) => unix.when_slow,
            Self::File(_) | Self::Http(_) | Self::Journald(_) => WhenSlow::Block,
        }
    }

    /// The secrets that it refers to, with the name of their key.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.listens().and_then(|(_, token, ..)| token).map(|token| ("token", token)).into_iter().collect()
    }
}

source! {
    /// Files that are followed as they grow, through rotation and restarts.
    pub struct FileSource {
        /// Paths, with `*`, `?`, `[...]` and `**` as a shell knows them.
        #[cfg_attr(test, schemars(length(min = 1), example = ["/var/log/app/*.log"]))]
        pub paths: Vec<String>,
        /// Paths to leave out, written the same way. Compressed files (`.gz`, `.zst`, `.xz`, `.bz2`, `.lz4`, `.zip`) are
        /// always left out.
        #[serde(default)]
        pub exclude: Vec<String>,
        /// Old files, such as `/var/log/app/app.log.*`, from which usual behaviour is learned when this source is started
        /// for the first time; also compressed ones (`.gz`, `.zst`). They are not written anywhere and raise no alert.
        #[serde(default)]
        #[cfg_attr(test, schemars(example = ["/var/log/app/app.log.*.gz"]))]
        pub learn_from: Vec<String>,
    }
}

source! {
    /// Standard input, to its end.
    pub struct StdinSource {
        /// When the output is too slow: `block` lets the writer of the lines wait; `drop-oldest` drops the oldest
        /// redacted lines that wait, beyond about 16 MiB. What is dropped is counted, told and alerted
        /// (`output_failing`), and watched all the same.
        #[serde(default)]
        pub when_slow: WhenSlow,
    }
}

source! {
    /// Lines over HTTP.
    pub struct HttpSource {
        /// Address and port to listen on. Beyond this machine a token and TLS are needed, or client certificates.
        #[cfg_attr(test, schemars(with = "String", example = "127.0.0.1:8686"))]
        pub listen: SocketAddr,
        /// Which clients are served: `ingest` (`POST /ingest`: NDJSON, JSON values, plain lines), `otlp`
        /// (`POST /v1/logs`), `loki` (`POST /loki/api/v1/push`), `elasticsearch` (`POST /_bulk`).
        #[serde(default = "Door::all")]
        pub receive: Vec<Door>,
        /// What clients must show, as `Authorization: Bearer`, as `ApiKey`, as the password of `Basic` or as `X-Api-Key`:
        /// `${env:NAME}`, `${file:/path}` or `${cred:NAME}`.
        #[serde(default)]
        #[cfg_attr(test, schemars(example = "${cred:ingest}"))]
        pub token: Option<Secret>,
        /// TLS of this port.
        #[serde(default)]
        pub tls: Option<ServerTls>,
        /// Listen beyond this machine without TLS, behind something that encrypts. The token is needed all the same.
        #[serde(default)]
        pub allow_plain: bool,
        /// Most connections at once. When it is full, the client with most connections makes room.
        #[serde(default = "connections")]
        pub max_connections: usize,
        /// Most connections from one address (of IPv6: one /64).
        #[serde(default = "connections_each")]
        pub max_connections_per_address: usize,
        /// Requests a second from one address, with a burst of twice as many; 0 is no limit.
        #[serde(default = "requests_per_second")]
        pub max_requests_per_second: u32,
        /// Longest body as it is sent.
        #[serde(default = "body", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_body: u64,
        /// Longest body when it is decompressed.
        #[serde(default = "decompressed", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_decompressed: u64,
        /// Longest line; a longer one is withheld.
        #[serde(default = "line", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_line: u64,
        /// What all requests that are being read may hold in memory.
        #[serde(default = "memory", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_memory: u64,
        /// Longest wait for the commit; then the client is told to come again.
        #[serde(default = "answer_within", with = "duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub answer_within: Duration,
    }
}

source! {
    /// Lines over TCP.
    pub struct TcpSource {
        /// Address and port to listen on. Beyond this machine a token and TLS are needed, or client certificates.
        #[cfg_attr(test, schemars(with = "String", example = "127.0.0.1:6514"))]
        pub listen: SocketAddr,
        /// How lines are told apart: `newline`, `octet` (a length before each, RFC 6587), or `auto`: `octet` for
        /// connections that begin with a number, a blank and `<`.
        #[serde(default)]
        pub framing: Framing,
        /// The first line of a connection must be `token ` and this: `${env:NAME}`, `${file:/path}` or `${cred:NAME}`.
        #[serde(default)]
        #[cfg_attr(test, schemars(example = "${cred:syslog}"))]
        pub token: Option<Secret>,
        /// TLS of this port.
        #[serde(default)]
        pub tls: Option<ServerTls>,
        /// Listen beyond this machine without TLS, behind something that encrypts. The token is needed all the same.
        #[serde(default)]
        pub allow_plain: bool,
        /// Most connections at once. When it is full, the client with most connections makes room.
        #[serde(default = "connections")]
        pub max_connections: usize,
        /// Most connections from one address (of IPv6: one /64).
        #[serde(default = "connections_each")]
        pub max_connections_per_address: usize,
        /// Longest line; a longer one is withheld.
        #[serde(default = "line", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_line: u64,
        /// When the output is too slow: `block` lets senders wait; `drop-oldest` drops the oldest redacted lines that
        /// wait, beyond about 16 MiB. What is dropped is counted, told and alerted (`output_failing`), and watched all
        /// the same.
        #[serde(default)]
        pub when_slow: WhenSlow,
        /// A connection that is silent for this long is closed; `0s` is never.
        #[serde(default = "idle", with = "duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub idle: Duration,
    }
}

source! {
    /// Lines over a Unix socket.
    pub struct UnixSource {
        /// The socket's path. A stale socket there is replaced, anything else is left alone.
        #[cfg_attr(test, schemars(example = "/run/logwarden/lines.sock"))]
        pub path: PathBuf,
        /// Who may connect, as the socket's mode in octal.
        #[serde(default = "mode")]
        #[cfg_attr(test, schemars(example = "0660"))]
        pub mode: String,
        /// How lines are told apart: `newline`, `octet` (a length before each, RFC 6587), or `auto`: `octet` for
        /// connections that begin with a number, a blank and `<`.
        #[serde(default)]
        pub framing: Framing,
        /// Most connections at once.
        #[serde(default = "connections")]
        pub max_connections: usize,
        /// Longest line; a longer one is withheld.
        #[serde(default = "line", with = "size")]
        #[cfg_attr(test, schemars(with = "String"))]
        pub max_line: u64,
        /// When the output is too slow: `block` lets senders wait; `drop-oldest` drops the oldest redacted lines that
        /// wait, beyond about 16 MiB. What is dropped is counted, told and alerted (`output_failing`), and watched all
        /// the same.
        #[serde(default)]
        pub when_slow: WhenSlow,
    }
}

source! {
    /// The systemd journal.
    pub struct JournaldSource {
        /// Only these units, such as `nginx.service`; all when it is empty.
        #[serde(default)]
        #[cfg_attr(test, schemars(example = ["api.service"]))]
        pub units: Vec<String>,
        /// Only entries that match, written as `FIELD=value`.
        #[serde(default)]
        #[cfg_attr(test, schemars(example = ["_TRANSPORT=stdout"]))]
        pub matches: Vec<String>,
        /// Where to begin when this source is started for the first time: `boot` (everything since the machine was
        /// started), `all`, or `now`.
        #[serde(default)]
        pub from: JournalStart,
        /// The program to run.
        #[serde(default = "journalctl")]
        pub command: PathBuf,
    }
}

/// Clients that an HTTP source serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `POST /ingest`
    Ingest,
    /// `POST /v1/logs`
    Otlp,
    /// `POST /loki/api/v1/push`
    Loki,
    /// `POST /_bulk`
    Elasticsearch,
}

impl Door {
    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![Self::Ingest, Self::Otlp, Self::Loki, Self::Elasticsearch]
    }
}

/// How lines of a connection are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// By what the connection begins with.
    #[default]
    Auto,
    /// By newlines.
    Newline,
    /// By the length before each.
    Octet,
}

/// What happens when lines come faster than the output takes them, and nobody can send them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhenSlow {
    /// Whoever sends them waits.
    #[default]
    Block,
    /// The oldest that wait are dropped and counted.
    DropOldest,
}

/// Where a journal source begins when nothing is known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum JournalStart {
    /// At the start of the machine.
    #[default]
    Boot,
    /// At the oldest entry.
    All,
    /// At the newest.
    Now,
}

fn connections() -> usize {
    1024
}

fn connections_each() -> usize {
    64
}

fn requests_per_second() -> u32 {
    1000
}

fn body() -> u64 {
    8 << 20
}

fn decompressed() -> u64 {
    64 << 20
}

fn line() -> u64 {
    256 << 10
}

fn memory() -> u64 {
    256 << 20
}

fn answer_within() -> Duration {
    Duration::from_secs(30)
}

fn idle() -> Duration {
    Duration::ZERO
}

fn mode() -> String {
    "0600".to_owned()
}

fn journalctl() -> PathBuf {
    "journalctl".into()
}

impl UnixSource {
    /// The mode as a number.
    pub fn mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.mode, 8).ok().filter(|mode| *mode <= 0o777)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sections_are_enough_and_typos_are_refused() {
        let http: SourceConfig = toml::from_str("type = 'http'\nlisten = '127.0.0.1:8686'").unwrap();
        let SourceConfig::Http(http) = http else { panic!("not http") };
        assert_eq!((http.max_body, http.max_connections, http.receive.len()), (8 << 20, 1024, 4));
        let unix: SourceConfig = toml::from_str("type = 'unix'\npath = '/x'\nmode = '0660'").unwrap();
        let SourceConfig::Unix(unix) = unix else { panic!("not unix") };
        assert_eq!(unix.mode(), Some(0o660));
        for bad in [
            "type = 'http'",
            "type = 'http'\nlisten = 'nowhere'",
            "type = 'http'\nlisten = '[::1]:1'\nreceive = ['x']",
            "type = 'tcp'\nlisten = '127.0.0.1:1'\nframing = 'lines'",
            "type = 'journald'\nunit = 'x'",
            "type = 'udp'",
            // what can be read again is never dropped
            "type = 'file'\npaths = ['/x']\nwhen_slow = 'drop-oldest'",
            "type = 'stdin'\nwhen_slow = 'drop-newest'",
        ] {
            assert!(toml::from_str::<SourceConfig>(bad).is_err(), "{bad}");
        }
        assert_eq!(toml::from_str::<SourceConfig>("type = 'journald'").unwrap().lines(), Lines::default());
    }
}
