//! A real alert through every receiver, and each answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::config::{ReceiverConfig, TlsMode};
use super::format;
use super::outcome::Outcome;
use super::sender::Sender;
use crate::alert::{Alert, Evidence, Links, RunbookStep, Severity, Status, Urgency, episode_id, fingerprint};
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// What came of testing one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// The receiver's name.
    pub receiver: String,
    /// What it is: `email starttls`, `webhook slack`.
    pub kind: String,
    /// The receiver's answer, or what went wrong.
    pub answer: Result<String, String>,
    /// From the first byte to the answer.
    pub took: Duration,
}

/// Whether a receiver could send: its secrets and certificates are there, its addresses make sense. Connects to nothing.
///
/// # Errors
/// What is wrong, without any secret.
pub fn prove(config: &ReceiverConfig) -> Result<(), String> {
    Sender::new(config).map(drop)
}

/// Sends a test alert through every receiver at once, and its end too where an incident would stay open.
pub async fn send_test(
    receivers: &BTreeMap<String, ReceiverConfig>,
    host: &str,
    clock: &dyn Clock,
) -> Vec<TestOutcome> {
    let now = clock.now();
    let mut tasks = Vec::new();
    for (name, config) in receivers {
        let row = OutboxRow { receiver: name.clone(), alert: test_alert(host, now) };
        tasks.push((name.clone(), kind(config), tokio::spawn(one(config.clone(), row, now))));
    }
    let mut outcomes = Vec::new();
    for (receiver, kind, task) in tasks {
        let (answer, took) =
            task.await.unwrap_or_else(|e| (Err(format!("the test itself failed: {e}")), Duration::ZERO));
        outcomes.push(TestOutcome { receiver, kind, answer, took });
    }
    outcomes
}

async fn one(config: ReceiverConfig, mut row: OutboxRow, now: Timestamp) -> (Result<String, String>, Duration) {
    let sender = match Sender::new(&config) {
        Ok(sender) => sender,
        Err(problem) => return (Err(problem), Duration::ZERO),
    };
    let start = Instant::now();
    let first = answer(sender.send(&row, now).await);
    let took = start.elapsed();
    let stays_open = matches!(&config, ReceiverConfig::Webhook(c) if format::keeps_state(c.format));
    if first.is_err() || !stays_open {
        return (first, took);
    }
    row.alert.status = Status::Resolved;
    row.alert.ends_at = Some(now);
    let end = answer(sender.send(&row, now).await);
    (end.and(first), took)
}

fn answer(outcome: Outcome) -> Result<String, String> {
    match outcome {
        Outcome::Sent(answer) => Ok(answer),
        Outcome::Partly { problem, .. } => Err(problem),
        Outcome::Down(failure) | Outcome::Failed(failure) | Outcome::Refused(failure) => Err(failure.error),
    }
}

fn kind(config: &ReceiverConfig) -> String {
    match config {
        ReceiverConfig::Email(c) => {
            let tls = match c.tls {
                TlsMode::Starttls => "starttls",
                TlsMode::Implicit => "tls",
                TlsMode::Off => "without tls",
            };
            format!("email {tls}")
        }
        ReceiverConfig::Webhook(c) => format!("webhook {}", format!("{:?}", c.format).to_lowercase()),
        ReceiverConfig::Command(_) => "command".to_owned(),
    }
}

/// The alert that a test sends: it says that it is one.
pub fn test_alert(host: &str, now: Timestamp) -> Alert {
    let fingerprint = fingerprint("test", "", "");
    Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: episode_id(&fingerprint, now, host),
        status: Status::Firing,
        kind: "test".to_owned(),
        severity: Severity::Info,
        urgency: Urgency::Ticket,
        key: None,
        source: None,
        fingerprint,
        starts_at: now,
        ends_at: None,
        updated_at: now,
        summary: format!("Test alert from logwarden on {host}: this receiver works"),
        why: "Somebody ran `logwarden alerts test`. Nothing is wrong.".to_owned(),
        evidence: Evidence { unit: "requests".to_owned(), ..Evidence::default() },
        likely_causes: Vec::new(),
        runbook: vec![RunbookStep { step: "Nothing to do".to_owned(), link: None }],
        count: 1,
        host: host.to_owned(),
        links: Links::default(),
    }
}
