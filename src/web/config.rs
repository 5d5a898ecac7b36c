//! The `[http]` section of the configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::net::ServerTls;
use crate::secret::Secret;

/// The socket's name in the state directory.
pub const SOCKET_NAME: &str = "http.sock";

/// The page, the API and the metrics for operators. Without this section nothing listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port to listen on. Beyond this machine a token and TLS are needed, or client certificates.
    #[cfg_attr(test, schemars(with = "String"))]
    pub listen: SocketAddr,
    /// A Unix socket that serves the same, for `logwarden top`. Who may open it may do everything. The default is
    /// `http.sock` in the state directory.
    #[cfg_attr(test, schemars(example = "/run/logwarden/http.sock"))]
    pub socket: Option<PathBuf>,
    /// Who may open the socket, as its mode in octal.
    pub socket_mode: String,
    /// What must be shown to acknowledge and to silence, as `Authorization: Bearer`: `${env:NAME}`, `${file:/path}` or
    /// `${cred:NAME}`. Without it both work over the Unix socket only.
    #[cfg_attr(test, schemars(example = "${cred:http}"))]
    pub token: Option<Secret>,
    /// Ask for the token before anything is shown, `/healthz` and `/readyz` excepted. Beyond this machine that is always
    /// so.
    pub token_for_reads: bool,
    /// Names by which browsers reach this page, beside `localhost` and addresses: a request under any other name is
    /// refused.
    #[cfg_attr(test, schemars(example = ["logwarden.example.com"]))]
    pub hosts: Vec<String>,
    /// Address under which people reach the page, for the links in alerts: `https://logwarden.example.com`. Without it
    /// alerts have no link.
    #[cfg_attr(test, schemars(example = "https://logwarden.example.com"))]
    pub public_url: Option<String>,
    /// TLS of this port.
    pub tls: Option<ServerTls>,
    /// Listen beyond this machine without TLS, behind something that encrypts. The token is needed all the same.
    pub allow_plain: bool,
    /// Most connections at once. When it is full, the client with most connections makes room.
    pub max_connections: usize,
    /// Requests a second from one address, with a burst of twice as many; 0 is no limit.
    pub max_requests_per_second: u32,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8687)),
            socket: None,
            socket_mode: "0600".to_owned(),
            token: None,
            token_for_reads: false,
            hosts: Vec::new(),
            public_url: None,
            tls: None,
            allow_plain: false,
            max_connections: 256,
            max_requests_per_second: 100,
        }
    }
}

impl HttpConfig {
    /// The socket's mode as a number.
    pub fn mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.socket_mode, 8).ok().filter(|mode| *mode <= 0o777)
    }

    /// Where the page shows the alert `id`, when it is known how people reach the page.
    pub fn page_of(&self, id: &str) -> Option<String> {
        self.public_url.as_ref().map(|url| format!("{}/#alert/{id}", url.trim_end_matches('/')))
    }

    /// The secrets that it refers to, with the name of their key.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.token.iter().map(|token| ("token", token)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_an_alert_is_made_of_the_address_that_people_use() {
        let config: HttpConfig = toml::from_str("public_url = 'https://logs.example.com/'").unwrap();
        assert_eq!(config.page_of("01KQ").as_deref(), Some("https://logs.example.com/#alert/01KQ"));
        assert_eq!(HttpConfig::default().page_of("01KQ"), None);
    }

    #[test]
    fn an_empty_section_is_enough() {
        let config: HttpConfig = toml::from_str("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!((config.mode(), config.token_for_reads), (Some(0o600), false));
        assert!(toml::from_str::<HttpConfig>("listn = '127.0.0.1:1'").is_err());
        let odd: HttpConfig = toml::from_str("socket_mode = 'rw'").unwrap();
        assert_eq!(odd.mode(), None);
    }
}
