//! Webhooks over HTTP.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;
use zeroize::Zeroizing;

use super::config::{WebhookConfig, WebhookFormat};
use super::format::{self, Post};
use super::guard::{GuardedResolver, Reach};
use super::outcome::{Outcome, chain};
use super::retry::retry_after;
use super::sign::Signer;
use super::{clean, tls};
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
    format: WebhookFormat,
    signer: Option<Signer>,
    token: Option<Zeroizing<String>>,
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
        Ok(Self { client, url, format: config.format, signer: signer(config)?, token })
    }

    /// Sends one alert.
    pub async fn send(&self, row: &OutboxRow, now: Timestamp) -> Outcome {
        let id = row.message_id();
        let token = self.token.as_ref().map(|t| t.as_str());
        self.post(&format::post(self.format, &row.alert, &id, token), &id, now).await
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
                Err(_) => return Outcome::down("the token holds characters that no header may have"),
            }
        }
        match request.body(body).send().await {
            Ok(answer) => self.verdict(answer, now).await,
            Err(e) if e.is_timeout() => Outcome::down("no answer in time"),
            Err(e) => Outcome::down(chain(&e.without_url())),
        }
    }

    async fn verdict(&self, mut answer: Response, now: Timestamp) -> Outcome {
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now));
        let location = answer.headers().get(LOCATION).is_some();
        let mut bytes = Vec::new();
        while bytes.len() < ANSWER {
            // An answer that breaks off is judged by its status alone.
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER - bytes.len())]);
        }
        let said = self.hide(&clean::line(&String::from_utf8_lossy(&bytes), 200));
        let error = if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
        match status {
            s if s.is_success() => Outcome::Sent(error),
            s if s.is_redirection() => {
                let hint =
                    if location { "redirects are not followed; set `url` to the final address" } else { "unexpected" };
                Outcome::down(format!("answered {s}: {hint}"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Outcome::down(format!("{error} (is the token or URL right?)"))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED => {
                Outcome::down(format!("{error} (the endpoint is gone or the URL is wrong)"))
            }
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Down { error, asked },
            s if s.is_server_error() => Outcome::Failed { error, asked },
            _ => Outcome::Refused { error },
        }
    }

    /// Our own secrets, should an answer repeat them.
    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in [self.token.as_ref().map(|t| t.as_str()), Some(self.url.path())].into_iter().flatten() {
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
