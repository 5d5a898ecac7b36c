//! Webhooks over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;
use zeroize::Zeroizing;

use super::config::{WebhookConfig, WebhookFormat};
use super::format::{self, Post};
use super::guard::{GuardedResolver, Reach};
use super::outcome::{Cause, Failure, Outcome, chain};
use super::probe::Probe;
use super::retry::retry_after;
use super::sign::Signer;
use super::template::Said;
use super::{clean, diagnose, tls};
use crate::alert::Alert;
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How much of an answer is read, in bytes.
const ANSWER: usize = 2 << 10;

/// A receiver of webhooks, ready to send.
pub struct WebhookSender {
    client: Client,
    url: Url,
    /// Host and port, for messages.
    place: String,
    format: WebhookFormat,
    signer: Option<Signer>,
    token: Option<Zeroizing<String>>,
    reach: Reach,
    ca_file: Option<PathBuf>,
}

impl WebhookSender {
    /// A sender for `config`; reads its secrets and certificates, connects to nothing.
    ///
    /// # Errors
    /// When the URL is missing or not allowed, or a secret or certificate cannot be had. The text holds no secret.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        let named = |name: &'static str| move |e: crate::secret::SecretError| format!("{name}: {e}");
        let url = match (&config.url, format::default_url(config.format)) {
            (Some(secret), _) => secret.resolve().map_err(named("url"))?,
            (None, Some(url)) => Zeroizing::new(url.to_owned()),
            (None, None) => return Err("`url` is missing; say where to post".to_owned()),
        };
        let url = Url::parse(&url).map_err(|e| format!("url: not a URL ({e})"))?;
        let reach = Reach::of(&url, config.allow_private).map_err(|e| format!("url: {e}"))?;
        let token = config.token.as_ref().map(|t| t.resolve().map_err(named("token"))).transpose()?;
        if token.is_none() && matches!(config.format, WebhookFormat::Pagerduty | WebhookFormat::Opsgenie) {
            return Err(
                "`token` is missing; PagerDuty wants its integration key there, Opsgenie its API key".to_owned()
            );
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls::for_http(config.ca_file.as_deref())?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(GuardedResolver(reach))
            .connect_timeout(CONNECT.min(config.timeout))
            .timeout(config.timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("logwarden/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| chain(&e))?;
        let port = url.port().map_or(String::new(), |p| format!(":{p}"));
        let place = format!("{}{port}", url.host_str().unwrap_or_default());
        let ca_file = config.ca_file.clone();
        Ok(Self { client, url, place, format: config.format, signer: signer(config)?, token, reach, ca_file })
    }

    /// Sends one alert.
    pub(super) async fn send(&self, row: &OutboxRow, said: &Said, now: Timestamp) -> Outcome {
        let id = row.message_id();
        let token = self.token.as_ref().map(|t| t.as_str());
        self.post(&format::post(self.format, &row.alert, &id, token, said), &id, now).await
    }

    /// The look at how private the way is.
    pub(super) fn probe(&self) -> Option<Probe> {
        (self.url.scheme() == "https").then(|| Probe {
            host: self.url.host_str().unwrap_or_default().to_owned(),
            port: self.url.port().unwrap_or(443),
            reach: self.reach,
            starttls: false,
            ca_file: self.ca_file.clone(),
        })
    }

    /// Asks the server for its headers, which tells it nothing. Every answer shows that the way there is open; what it
    /// thinks of such a question does not matter.
    pub async fn greet(&self) -> Outcome {
        match self.client.head(self.url.clone()).send().await {
            Ok(answer) if answer.status().is_redirection() => judge(answer.status(), String::new(), None),
            Ok(answer) => Outcome::Sent(format!("answers (to HEAD with {})", answer.status())),
            Err(e) => self.lost(e),
        }
    }

    /// Tells a receiver that forgets, in one request, which alerts still hold. `None` when the format does not forget.
    pub async fn remind(&self, alerts: &[Alert], now: Timestamp) -> Option<Outcome> {
        let post = (self.format == WebhookFormat::Alertmanager).then(|| format::remind(alerts))?;
        Some(self.post(&post, &format!("reminder-{}", now.secs()), now).await)
    }

    /// Whether [`WebhookSender::remind`] is wanted.
    pub fn forgets(&self) -> bool {
        self.format == WebhookFormat::Alertmanager
    }

    async fn post(&self, post: &Post, id: &str, now: Timestamp) -> Outcome {
        let body = post.body.to_string();
        let mut url = self.url.clone();
        if !post.path.is_empty() {
            let (path, query) = post.path.split_once('?').map_or((post.path.as_str(), None), |(p, q)| (p, Some(q)));
            let base = url.path().trim_end_matches('/').trim_end_matches(path).to_owned();
            url.set_path(&format!("{base}{path}"));
            url.set_query(query.or(self.url.query()));
        }
        let mut request = self.client.post(url).header(CONTENT_TYPE, post.content_type).header("webhook-id", id);
        if let Some(signer) = &self.signer {
            request = request
                .header("webhook-timestamp", now.secs())
                .header("webhook-signature", signer.sign(id, now, body.as_bytes()));
        }
        if let Some(token) = self.token.as_ref().filter(|_| !format::token_in_body(self.format)) {
            match HeaderValue::from_str(&format!("{} {}", post.scheme, token.as_str())) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    request = request.header(AUTHORIZATION, value);
                }
                Err(_) => {
                    let error = "the token holds characters that no header may have; is it the right file?";
                    return Outcome::Down(Failure::new(Cause::Login, error));
                }
            }
        }
        match request.body(body).send().await {
            Ok(answer) => self.verdict(answer, now).await,
            Err(e) => self.lost(e),
        }
    }

    /// An attempt without an answer. Who could not be connected to is down; one who did not answer this message may
    /// answer another.
    fn lost(&self, e: reqwest::Error) -> Outcome {
        let connected = !e.is_connect();
        let failure = if e.is_timeout() {
            let what = if connected { "no answer" } else { "no connection" };
            Failure::new(Cause::Timeout, format!("{what} in time from {} (`timeout` says how long)", self.place))
        } else {
            diagnose::connection(&e, &self.place).unwrap_or_else(|| {
                if connected {
                    Failure::new(Cause::Cut, format!("{} cut the connection before it answered", self.place))
                } else {
                    Failure::new(Cause::Unreachable, self.hide(&chain(&e.without_url())))
                }
            })
        };
        if connected { Outcome::Failed(failure) } else { Outcome::Down(failure) }
    }

    async fn verdict(&self, mut answer: Response, now: Timestamp) -> Outcome {
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now));
        let mut bytes = Vec::new();
        while bytes.len() < ANSWER {
            // An answer that breaks off is judged by its status alone.
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER - bytes.len())]);
        }
        let said = self.hide(&clean::line(&String::from_utf8_lossy(&bytes), 200));
        let said = if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
        judge(status, said, asked)
    }

    /// Our own secrets, should an answer repeat them.
    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let secrets = [self.token.as_ref().map(|t| t.as_str()), Some(self.url.path()), self.url.query()];
        for secret in secrets.into_iter().flatten() {
            if secret.len() >= 8 {
                text = text.replace(secret, "***");
            }
        }
        text
    }
}

fn signer(config: &WebhookConfig) -> Result<Option<Signer>, String> {
    let mut secrets = Vec::new();
    for (name, secret) in [("secret", &config.secret), ("previous_secret", &config.previous_secret)] {
        if let Some(secret) = secret {
            secrets.push(secret.resolve().map_err(|e| format!("{name}: {e}"))?);
        }
    }
    if secrets.is_empty() {
        return Ok(None);
    }
    Signer::new(secrets.iter().map(|s| s.as_str())).map(Some)
}

/// What the answer `said` with `status` means. Only what is surely about the receiver as a whole holds back the other
/// messages.
fn judge(status: StatusCode, said: String, asked: Option<Duration>) -> Outcome {
    let failure = |cause, hint: &str| {
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        Failure::new(cause, format!("{said}{hint}")).asking(asked)
    };
    match status {
        s if s.is_success() => Outcome::Sent(said),
        s if s.is_redirection() => {
            let hint = "redirects are not followed; set `url` to the final address";
            Outcome::Down(Failure::new(Cause::Redirect, format!("answered {s}: {hint}")))
        }
        StatusCode::UNAUTHORIZED => Outcome::Down(failure(Cause::Login, "is the token or URL right?")),
        // A firewall may refuse the evidence in one message.
        StatusCode::FORBIDDEN => Outcome::Failed(failure(Cause::Login, "is the token or URL right?")),
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED => {
            Outcome::Down(failure(Cause::Gone, "the endpoint is gone or the URL is wrong"))
        }
        StatusCode::TOO_MANY_REQUESTS => Outcome::Down(failure(Cause::RateLimited, "")),
        StatusCode::SERVICE_UNAVAILABLE if asked.is_some() => Outcome::Down(failure(Cause::Server, "")),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Outcome::Failed(failure(Cause::Server, "")),
        s if s.is_server_error() => Outcome::Failed(failure(Cause::Server, "")),
        _ => Outcome::Refused(failure(Cause::Refused, "")),
    }
}
