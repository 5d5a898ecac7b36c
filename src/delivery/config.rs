//! The `[receivers.NAME]` and `[[routes]]` sections of the configuration.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pace::{Allowance, DayTime};
use crate::alert::{Rate, Urgency, Zone};
use crate::secret::Secret;
use crate::units::duration;

/// Somebody who wants to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ReceiverConfig {
    /// Mail over SMTP.
    Email(EmailConfig),
    /// An HTTP request to a program or a chat.
    Webhook(WebhookConfig),
    /// A program on this machine that does something about it.
    Command(CommandConfig),
}

/// How an SMTP connection is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// The connection begins in the clear and must be upgraded before anything is said. Port 587.
    #[default]
    Starttls,
    /// TLS from the first byte. Port 465.
    Implicit,
    /// None. Only for a server on this machine. Port 25.
    Off,
}

/// Texts of your own in place of the built-in ones, in the language of Jinja. `{{ summary }}`, `{{ key.label }}` and all
/// other fields of the alert can be used; docs/alerting.md lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TemplateConfig {
    /// In place of the headline: a mail's subject, the first line in a chat, the summary of an incident.
    #[cfg_attr(test, schemars(example = &"{{ state }} {{ kind }}: {{ summary }}"))]
    pub subject: Option<String>,
    /// In place of the text. With format `generic` it is the whole body and must make JSON; values bring their own quotes.
    #[cfg_attr(test, schemars(example = &"{{ why }}"))]
    pub body: Option<String>,
}

/// A receiver of type `email`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Name or address of the SMTP server.
    #[cfg_attr(test, schemars(example = "mail.example.com"))]
    pub host: String,
    /// Port. Default: 587 with `starttls`, 465 with `implicit`, 25 with `off`.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = 587))]
    pub port: Option<u16>,
    /// `starttls` (the server must offer it), `implicit`, or `off` (only to this machine).
    #[serde(default)]
    pub tls: TlsMode,
    /// A file of certificates (PEM) to trust beside the system's, for a private authority.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "/etc/ssl/private-ca.pem"))]
    pub ca_file: Option<PathBuf>,
    /// User name, when the server wants one.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "logwarden@example.com"))]
    pub username: Option<String>,
    /// Password: `${env:NAME}`, `${file:/path}` or `${cred:NAME}`.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "${cred:smtp}"))]
    pub password: Option<Secret>,
    /// Sender, for example `Logwarden <logwarden@example.com>`.
    #[cfg_attr(test, schemars(example = "Logwarden <logwarden@example.com>"))]
    pub from: String,
    /// Recipients.
    #[cfg_attr(test, schemars(example = ["ops@example.com"]))]
    pub to: Vec<String>,
    /// Longest time for a whole conversation with the server, from the connection to its last answer.
    #[serde(default = "smtp_timeout", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub timeout: Duration,
    /// A message that could not be delivered for this long is given up, kept, and alerted through the other receivers.
    #[serde(default = "give_up_after", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub give_up_after: Duration,
    /// When the daily digest leaves: alerts of urgency `digest`, together.
    #[serde(default)]
    pub digest_at: DayTime,
    /// Time zone of `digest_at`, for example `Europe/Berlin`. Default: UTC.
    #[serde(default)]
    pub zone: Zone,
    /// Send the digest also on days without findings, so that silence means trouble, and the head of the audit log
    /// leaves the machine every day.
    #[serde(default)]
    pub digest_when_quiet: bool,
    /// How many messages may come one by one, on average. What is more is held back for a minute and told together, with
    /// exact counts; pages have an allowance of their own of the same size.
    #[serde(default = "rate")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub rate: Rate,
    /// How many messages may come one by one at once.
    #[serde(default = "burst")]
    pub burst: NonZeroU32,
    /// Texts of your own.
    #[serde(default)]
    pub template: Option<TemplateConfig>,
}

/// The shape of a webhook's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The alert object itself, schema `logwarden.alert/v1`.
    #[default]
    Generic,
    /// A Slack incoming webhook.
    Slack,
    /// A Discord webhook.
    Discord,
    /// A Microsoft Teams workflow ("when a Teams webhook request is received").
    Teams,
    /// PagerDuty Events API v2; `token` is the integration key.
    Pagerduty,
    /// Opsgenie Alert API; `token` is the API key.
    Opsgenie,
    /// Prometheus Alertmanager API v2; `url` is its base address.
    Alertmanager,
    /// CloudEvents 1.0, structured JSON.
    Cloudevents,
}

/// A receiver of type `webhook`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to post. Must be https, except to this machine. Chat URLs are secrets: `${env:NAME}` or `${file:/path}`.
    /// PagerDuty and Opsgenie have a default.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "https://hooks.example.com/logwarden"))]
    pub url: Option<Secret>,
    /// Shape of the body.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Signing secret after the Standard Webhooks specification: `whsec_` and base64. Any receiver of any format may
    /// have one.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "${cred:webhook}"))]
    pub secret: Option<Secret>,
    /// The former signing secret; while it is set, requests carry both signatures.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "${file:/etc/logwarden/webhook.old}"))]
    pub previous_secret: Option<Secret>,
    /// PagerDuty: integration key. Opsgenie: API key. Else sent as `Authorization: Bearer`.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "${env:TOKEN}"))]
    pub token: Option<Secret>,
    /// Allow private, link-local and other inner addresses, and plain http to them.
    #[serde(default)]
    pub allow_private: bool,
    /// A file of certificates (PEM) to trust beside the system's, for a private authority.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "/etc/ssl/private-ca.pem"))]
    pub ca_file: Option<PathBuf>,
    /// Longest wait for a whole request.
    #[serde(default = "http_timeout", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub timeout: Duration,
    /// A message that could not be delivered for this long is given up, kept, and alerted through the other receivers.
    #[serde(default = "give_up_after", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub give_up_after: Duration,
    /// When the daily digest leaves: alerts of urgency `digest`, together. Only for formats that people read; programs
    /// get each at once.
    #[serde(default)]
    pub digest_at: DayTime,
    /// Time zone of `digest_at`, for example `Europe/Berlin`. Default: UTC.
    #[serde(default)]
    pub zone: Zone,
    /// Send the digest also on days without findings, so that silence means trouble, and the head of the audit log
    /// leaves the machine every day.
    #[serde(default)]
    pub digest_when_quiet: bool,
    /// How many messages may come one by one, on average. What is more is held back for a minute and told together, with
    /// exact counts; pages have an allowance of their own of the same size. Only for formats
    /// that people read; programs get each.
    #[serde(default = "rate")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub rate: Rate,
    /// How many messages may come one by one at once.
    #[serde(default = "burst")]
    pub burst: NonZeroU32,
    /// Texts of your own.
    #[serde(default)]
    pub template: Option<TemplateConfig>,
}

/// A receiver of type `command`: a program that contains the damage, such as one that revokes the key. It runs only for
/// alerts that a route leads to it, and gets the alert as JSON on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program, with its full path. It is run as it is, without a shell.
    #[cfg_attr(test, schemars(example = "/usr/local/sbin/revoke-key"))]
    pub program: PathBuf,
    /// Its arguments, as they are. Every user of the machine can read them: no secrets here.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["--dry-run"]))]
    pub args: Vec<String>,
    /// Variables of our own environment that it may see; beside them it gets PATH, HOME, LANG and LOGWARDEN_*.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["AWS_PROFILE"]))]
    pub pass_env: Vec<String>,
    /// How long it may run; then it and all it started are killed.
    #[serde(default = "command_timeout", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub timeout: Duration,
    /// An alert for which the program did not succeed for this long is given up, kept, and alerted through the other
    /// receivers.
    #[serde(default = "command_give_up", with = "duration")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub give_up_after: Duration,
}

/// Which alerts go to whom. Every route that fits applies; an alert that fits several goes to a receiver once. With no
/// route at all every receiver gets every alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Names of receivers.
    #[cfg_attr(test, schemars(example = ["email"]))]
    pub receivers: Vec<String>,
    /// Only these urgencies: `page`, `ticket`, `digest`. Default: all.
    #[serde(default)]
    pub urgency: Vec<Urgency>,
    /// Only these kinds, for example `volume_spike`. Default: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Only alerts about keys of these groups. Default: all.
    #[serde(default)]
    pub key_groups: Vec<String>,
    /// Only in the hours of this calendar (`[calendars.NAME]`). Who was told of the beginning hears of the end at any hour.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"office"))]
    pub during: Option<String>,
    /// Only outside of the hours of this calendar.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"office"))]
    pub outside: Option<String>,
    /// Also tell when an alert is over.
    #[serde(default = "yes")]
    pub resolved: bool,
}

fn rate() -> Rate {
    Rate { count: 10, per_s: 60 }
}

fn burst() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(59)
}

fn smtp_timeout() -> Duration {
    Duration::from_secs(60)
}

fn http_timeout() -> Duration {
    Duration::from_secs(10)
}

fn command_timeout() -> Duration {
    Duration::from_secs(30)
}

fn command_give_up() -> Duration {
    Duration::from_secs(3_600)
}

fn give_up_after() -> Duration {
    Duration::from_secs(3 * 86_400)
}

fn yes() -> bool {
    true
}

impl ReceiverConfig {
    /// How long a message is tried.
    pub fn give_up_after(&self) -> Duration {
        match self {
            Self::Email(c) => c.give_up_after,
            Self::Webhook(c) => c.give_up_after,
            Self::Command(c) => c.give_up_after,
        }
    }

    /// How much it is told at once; `None` when a program reads it, which wants each alert by itself.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        match self {
            Self::Email(c) => {
                let (digest, when_quiet) = ((c.digest_at, c.zone), c.digest_when_quiet);
                Some(Allowance { digest, when_quiet, rate: c.rate, burst: c.burst })
            }
            Self::Webhook(c) => {
                use WebhookFormat::{Discord, Slack, Teams};
                let (digest, when_quiet) = ((c.digest_at, c.zone), c.digest_when_quiet);
                let allowance = Allowance { digest, when_quiet, rate: c.rate, burst: c.burst };
                matches!(c.format, Slack | Discord | Teams).then_some(allowance)
            }
            Self::Command(_) => None,
        }
    }

    /// The secrets that it refers to, with the name of their key.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::Email(c) => c.password.iter().map(|s| ("password", s)).collect(),
            Self::Webhook(c) => {
                [("url", &c.url), ("secret", &c.secret), ("previous_secret", &c.previous_secret), ("token", &c.token)]
                    .into_iter()
                    .filter_map(|(name, s)| s.as_ref().map(|s| (name, s)))
                    .collect()
            }
            Self::Command(_) => Vec::new(),
        }
    }
}

impl EmailConfig {
    /// The port in use.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            TlsMode::Starttls => 587,
            TlsMode::Implicit => 465,
            TlsMode::Off => 25,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_section_is_enough_and_typos_are_refused() {
        let mail: ReceiverConfig =
            toml::from_str("type = 'email'\nhost = 'mail.example.com'\nfrom = 'a@example.com'\nto = ['b@example.com']")
                .unwrap();
        let ReceiverConfig::Email(mail) = mail else { panic!("not mail") };
        assert_eq!((mail.port(), mail.tls, mail.timeout.as_secs()), (587, TlsMode::Starttls, 60));
        assert_eq!((mail.rate.to_string().as_str(), mail.burst.get()), ("10/min", 60));
        let hook: ReceiverConfig = toml::from_str("type = 'webhook'\nurl = '${env:HOOK}'\nformat = 'slack'").unwrap();
        assert_eq!(hook.secrets().len(), 1);
        for bad in [
            "type = 'webhook'\nurll = 'x'",
            "type = 'webhook'\nburst = 0",
            "type = 'webhook'\nrate = '10'",
            "type = 'webhook'\nformat = 'slak'",
            "type = 'sms'",
            "url = 'x'",
        ] {
            assert!(toml::from_str::<ReceiverConfig>(bad).is_err(), "{bad}");
        }
        assert!(toml::from_str::<RouteConfig>("receivers = ['a']\nurgency = ['pager']").is_err());
    }
}
