//! A real alert through every receiver, and each answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::clock::Clock;
use super::config::{ReceiverConfig, TlsMode};
use super::format;
use super::outcome::Outcome;
use super::scrub::Scrub;
use super::sender::Sender;
use super::summary::{Reason, summary};
use crate::alert::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency, episode_id, fingerprint};
use crate::redact::Redactor;
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// What came of testing one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// The receiver's name.
    pub receiver: String,
    /// What it is: `email starttls`, `webhook slack`.
    pub kind: String,
    /// The kind of TLS and the certificate's end, when the way is private.
    pub tls: Option<String>,
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
    match Sender::new(config)?.careless() {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

/// Goes as far as one can without telling anything: looks each server up, connects, logs in.
pub async fn greet(receivers: &BTreeMap<String, ReceiverConfig>, redactor: &Redactor) -> Vec<TestOutcome> {
    let scrub = Arc::new(Scrub::new(redactor));
    let each = receivers.iter().map(|(name, config)| {
        let (config, scrub) = (config.clone(), Arc::clone(&scrub));
        let greeting = async move {
            let sender = match Sender::new(&config) {
                Ok(sender) => sender,
                Err(problem) => return (Err(problem), None, Duration::ZERO),
            };
            let start = Instant::now();
            let outcome = answer(scrub.outcome(sender.greet().await));
            let took = start.elapsed();
            (outcome, sender.tls().await, took)
        };
        (name.clone(), config_kind(receivers, name), tokio::spawn(greeting))
    });
    gather(each.collect()).await
}

/// Sends a test alert through every receiver at once, and its end too where an incident would stay open.
pub async fn send_test(
    receivers: &BTreeMap<String, ReceiverConfig>,
    redactor: &Redactor,
    host: &str,
    clock: &dyn Clock,
) -> Vec<TestOutcome> {
    let (now, scrub) = (clock.now(), Arc::new(Scrub::new(redactor)));
    let each = receivers.iter().map(|(name, config)| {
        let row = OutboxRow { receiver: name.clone(), alert: test_alert(host, now) };
        let test = one(config.clone(), row, Arc::clone(&scrub), now);
        (name.clone(), config_kind(receivers, name), tokio::spawn(test))
    });
    gather(each.collect()).await
}

type Answer = (Result<String, String>, Option<String>, Duration);

async fn gather(tasks: Vec<(String, String, JoinHandle<Answer>)>) -> Vec<TestOutcome> {
    let mut outcomes = Vec::new();
    for (receiver, kind, task) in tasks {
        let failed = |e| (Err(format!("the test itself failed: {e}")), None, Duration::ZERO);
        let (answer, tls, took) = task.await.unwrap_or_else(failed);
        outcomes.push(TestOutcome { receiver, kind, tls, answer, took });
    }
    outcomes
}

async fn one(config: ReceiverConfig, mut row: OutboxRow, scrub: Arc<Scrub>, now: Timestamp) -> Answer {
    let sender = match Sender::new(&config) {
        Ok(sender) => sender,
        Err(problem) => return (Err(problem), None, Duration::ZERO),
    };
    let start = Instant::now();
    let first = answer(sender.send(&row, None, &scrub, now).await);
    let took = start.elapsed();
    let stays_open = matches!(&config, ReceiverConfig::Webhook(c) if format::keeps_state(c.format));
    if first.is_err() || !stays_open {
        return (first, sender.tls().await, took);
    }
    row.alert.status = Status::Resolved;
    row.alert.ends_at = Some(now);
    let end = answer(sender.send(&row, None, &scrub, now).await);
    (end.and(first), sender.tls().await, took)
}

fn answer(outcome: Outcome) -> Result<String, String> {
    match outcome {
        Outcome::Sent(answer) => Ok(answer),
        Outcome::Partly { flaw, .. } => Err(flaw.error),
        Outcome::Down(failure) | Outcome::Failed(failure) | Outcome::Refused(failure) => Err(failure.error),
    }
}

fn config_kind(receivers: &BTreeMap<String, ReceiverConfig>, name: &str) -> String {
    receivers.get(name).map(kind).unwrap_or_default()
}

/// What a receiver is, in a word: `email`, `slack`.
pub fn kind(config: &ReceiverConfig) -> String {
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

/// Alerts of every sort, to try templates on: with much in them, with little, over, and standing for many.
pub(super) fn specimens() -> Vec<Alert> {
    let now = Timestamp::from_secs(1_777_636_800);
    let bare = test_alert("web-1", now);
    let number = Some(1.0);
    let full = Alert {
        kind: "volume_spike".to_owned(),
        severity: Severity::Critical,
        urgency: Urgency::Page,
        key: Some(AlertKey {
            kind: "API_KEY".to_owned(),
            tag: "0abc".to_owned(),
            label: Some("billing".to_owned()),
            group: Some("prod".to_owned()),
        }),
        source: Some("nginx".to_owned()),
        evidence: Evidence {
            unit: "requests".to_owned(),
            observed: number,
            expected: number,
            threshold: number,
            window_s: Some(300),
            score: number,
            networks: vec!["203.0.113.0/24".to_owned()],
            lines: vec!["{}".to_owned()],
            hours: vec![1; 24],
            audit_head: Some("1:00".to_owned()),
        },
        likely_causes: vec!["a stolen key".to_owned()],
        runbook: vec![RunbookStep { step: "Revoke the key".to_owned(), link: Some("https://example.com/".to_owned()) }],
        links: Links { page: Some("https://example.com/".to_owned()) },
        ..bare.clone()
    };
    let over = Alert { status: Status::Resolved, ends_at: Some(now), ..full.clone() };
    let digest = summary(Reason::Digest, "ops", std::slice::from_ref(&full), "web-1", now).0;
    vec![full, over, bare, digest]
}
