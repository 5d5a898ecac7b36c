//! A receiver of any type, ready to send.

use super::command::CommandSender;
use super::config::ReceiverConfig;
use super::email::EmailSender;
use super::outcome::Outcome;
use super::webhook::WebhookSender;
use crate::alert::Alert;
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// A receiver of any type, ready to send.
pub(super) enum Sender {
    /// Mail.
    Email(Box<EmailSender>),
    /// Webhook.
    Webhook(Box<WebhookSender>),
    /// A program.
    Command(Box<CommandSender>),
}

impl Sender {
    /// A sender for `config`; reads secrets and certificates, connects to nothing.
    ///
    /// # Errors
    /// What is wrong with the configuration, without any secret.
    pub(super) fn new(config: &ReceiverConfig) -> Result<Self, String> {
        match config {
            ReceiverConfig::Email(c) => EmailSender::new(c).map(|s| Self::Email(Box::new(s))),
            ReceiverConfig::Webhook(c) => WebhookSender::new(c).map(|s| Self::Webhook(Box::new(s))),
            ReceiverConfig::Command(c) => CommandSender::new(c).map(|s| Self::Command(Box::new(s))),
        }
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, row: &OutboxRow, now: Timestamp) -> Outcome {
        match self {
            Self::Email(s) => s.send(row, now).await,
            Self::Webhook(s) => s.send(row, now).await,
            Self::Command(s) => s.send(row).await,
        }
    }

    /// Whether the receiver forgets alerts that it is not reminded of.
    pub(super) fn forgets(&self) -> bool {
        matches!(self, Self::Webhook(s) if s.forgets())
    }

    /// Reminds a receiver that forgets of the alerts that still hold.
    pub(super) async fn remind(&self, alerts: &[Alert], now: Timestamp) -> Option<Outcome> {
        match self {
            Self::Webhook(s) => s.remind(alerts, now).await,
            Self::Email(_) | Self::Command(_) => None,
        }
    }
}
