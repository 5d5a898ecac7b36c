//! A receiver of any type, ready to send: redact once more, put into words, hand over.

use super::command::CommandSender;
use super::config::{ReceiverConfig, TemplateConfig};
use super::email::EmailSender;
use super::outcome::{Cause, Failure, Outcome};
use super::scrub::Scrub;
use super::template::{Escape, Said, Templates};
use super::webhook::WebhookSender;
use super::{chart::Chart, format};
use crate::alert::Alert;
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// A receiver, ready to send.
pub(super) struct Sender {
    road: Road,
    templates: Option<Templates>,
}

/// How a message gets there.
enum Road {
    Email(Box<EmailSender>),
    Webhook(Box<WebhookSender>),
    Command(Box<CommandSender>),
}

impl Sender {
    /// A sender for `config`; reads secrets and certificates, connects to nothing.
    ///
    /// # Errors
    /// What is wrong with the configuration, without any secret.
    pub(super) fn new(config: &ReceiverConfig) -> Result<Self, String> {
        let road = match config {
            ReceiverConfig::Email(c) => Road::Email(Box::new(EmailSender::new(c)?)),
            ReceiverConfig::Webhook(c) => Road::Webhook(Box::new(WebhookSender::new(c)?)),
            ReceiverConfig::Command(c) => Road::Command(Box::new(CommandSender::new(c)?)),
        };
        Ok(Self { road, templates: templates(config)? })
    }

    /// Tries the templates; `None` when there are none or all is well.
    pub(super) fn careless(&self) -> Option<String> {
        self.templates.as_ref().and_then(|t| t.prove().err())
    }

    /// Makes one attempt. `chart` goes with a message that stands for many.
    pub(super) async fn send(&self, row: &OutboxRow, chart: Option<&Chart>, scrub: &Scrub, now: Timestamp) -> Outcome {
        let row = OutboxRow { receiver: row.receiver.clone(), alert: scrub.alert(&row.alert) };
        let said = self.templates.as_ref().map_or_else(Said::default, |t| t.say(&row.alert));
        let outcome = match &self.road {
            Road::Email(s) => s.send(&row, chart, &said, now).await,
            Road::Webhook(s) => s.send(&row, &said, now).await,
            Road::Command(s) => s.send(&row).await,
        };
        let flaw = |p| Failure::new(Cause::Template, format!("the built-in text was used, because {p}"));
        scrub.outcome(outcome.but(said.problem.map(flaw)))
    }

    /// Whether the receiver forgets alerts that it is not reminded of.
    pub(super) fn forgets(&self) -> bool {
        matches!(&self.road, Road::Webhook(s) if s.forgets())
    }

    /// Reminds a receiver that forgets of the alerts that still hold.
    pub(super) async fn remind(&self, alerts: &[Alert], scrub: &Scrub, now: Timestamp) -> Option<Outcome> {
        let alerts: Vec<Alert> = alerts.iter().map(|a| scrub.alert(a)).collect();
        match &self.road {
            Road::Webhook(s) => s.remind(&alerts, now).await,
            Road::Email(_) | Road::Command(_) => None,
        }
    }

    /// How private the way is.
    pub(super) async fn tls(&self) -> Option<String> {
        let probe = match &self.road {
            Road::Email(s) => s.probe(),
            Road::Webhook(s) => s.probe(),
            Road::Command(_) => None,
        };
        probe?.look().await
    }

    /// Goes as far as one can without telling anything: looks the name up, connects, logs in.
    pub(super) async fn greet(&self) -> Outcome {
        match &self.road {
            Road::Email(s) => s.greet().await,
            Road::Webhook(s) => s.greet().await,
            Road::Command(_) => Outcome::Sent("the program is there; it was not run".to_owned()),
        }
    }
}

/// The texts of a receiver's own; where one has no place that is said.
fn templates(config: &ReceiverConfig) -> Result<Option<Templates>, String> {
    let (template, escape) = match config {
        ReceiverConfig::Email(c) => (&c.template, Some(Escape::Plain)),
        ReceiverConfig::Webhook(c) => (&c.template, format::escape(c.format)),
        ReceiverConfig::Command(_) => return Ok(None),
    };
    let Some(template) = template.as_ref().filter(|t| **t != TemplateConfig::default()) else { return Ok(None) };
    let Some(escape) = escape else {
        return Err("`template` has no place in this format, whose body is fixed".to_owned());
    };
    if escape == Escape::Json && template.subject.is_some() {
        return Err("`template.subject` has no place in format `generic`; write it into `template.body`".to_owned());
    }
    Templates::new(template, escape).map(Some)
}
