//! The alert about alerts: a receiver that does not take them.

use std::time::Duration;

use super::clean;
use super::outcome::{Cause, Failure};
use super::route::Router;
use crate::alert::{Alert, Evidence, Links, RunbookStep, Severity, Status, Urgency, episode_id, fingerprint};
use crate::store::OutboxRow;
use crate::units::{Timestamp, format_duration};

/// A receiver may be down for this long before the others are told; a message given up is told at once.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether one receiver fails, since when, and what was said about it.
pub(super) struct Failing {
    router: Router,
    host: String,
    since: Option<Timestamp>,
    /// What of `since` is in the store, for whoever comes after a reload or a restart.
    kept: Option<Timestamp>,
    lost: u64,
    told: Option<Alert>,
    /// What the log was told last.
    logged: Option<Cause>,
}

/// Since when a receiver fails, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since(pub(super) Option<Timestamp>);

impl Failing {
    /// Nothing fails yet, except what was told, or since when it was `kept` that it fails, before a restart.
    pub(super) fn new(router: Router, host: String, told: Option<Alert>, kept: Option<Timestamp>) -> Self {
        let since = told.as_ref().map(|a| a.starts_at).or(kept);
        Self { router, host, since, kept, lost: 0, told, logged: None }
    }

    /// Since when it fails, when the store has another word on that.
    pub(super) fn news(&self) -> Option<Since> {
        (self.since != self.kept).then_some(Since(self.since))
    }

    /// The store has it now.
    pub(super) fn kept(&mut self, since: Since) {
        self.kept = since.0;
    }

    /// An attempt failed and `lost` messages were given up: an alert when it is time to tell.
    pub(super) fn failed(&mut self, receiver: &str, failure: &Failure, lost: usize, now: Timestamp) -> Option<Alert> {
        let (error, cause) = (failure.error.as_str(), failure.cause.word());
        if lost > 0 {
            tracing::error!(receiver, cause, lost, "given up, and kept for `logwarden alerts retry`: {error}");
        } else if self.since.is_none() || self.logged != Some(failure.cause) {
            tracing::warn!(receiver, cause, "cannot deliver: {error}; it will be tried again");
        }
        self.logged = Some(failure.cause);
        let since = *self.since.get_or_insert(now);
        self.lost += lost as u64;
        let due = lost > 0 || now.since(since) >= PATIENCE;
        if self.told.is_some() || !due {
            return None;
        }
        tracing::error!(receiver, cause, lost = self.lost, "alerts do not get through: {error}");
        let alert = self.alert(receiver, error, since, now);
        self.told = Some(alert.clone());
        Some(alert)
    }

    /// A message got through: the end of the alert, if one was told.
    pub(super) fn recovered(&mut self, receiver: &str, now: Timestamp) -> Option<Alert> {
        if let Some(since) = self.since.take() {
            self.logged = None;
            tracing::info!(receiver, "delivers again after {}", format_duration(now.since(since)));
        }
        self.lost = 0;
        let mut alert = self.told.take()?;
        alert.status = Status::Resolved;
        alert.ends_at = Some(now);
        alert.updated_at = now;
        alert.summary = format!("Receiver {} takes alerts again", clean::line(receiver, 60));
        Some(alert)
    }

    /// The messages that tell everybody else.
    pub(super) fn rows(&self, receiver: &str, alert: &Alert, now: Timestamp) -> Vec<OutboxRow> {
        self.router.rows(alert, now).into_iter().filter(|r| r.receiver != receiver).collect()
    }

    fn alert(&self, receiver: &str, error: &str, since: Timestamp, now: Timestamp) -> Alert {
        let name = clean::line(receiver, 60);
        let given_up = match self.lost {
            0 => "Nothing is lost so far: messages wait and are tried again.".to_owned(),
            1 => "One message was given up; it is kept.".to_owned(),
            n => format!("{n} messages were given up; they are kept."),
        };
        Alert {
            schema: Alert::SCHEMA.to_owned(),
            id: episode_id(&fingerprint_of(receiver), now, &self.host),
            status: Status::Firing,
            kind: KIND.to_owned(),
            severity: Severity::Warning,
            urgency: Urgency::Ticket,
            key: None,
            source: None,
            fingerprint: fingerprint_of(receiver),
            starts_at: since,
            ends_at: None,
            updated_at: now,
            summary: format!("Receiver {name} does not take alerts"),
            why: format!("Last error: {}. {given_up}", clean::line(error, 300)),
            evidence: Evidence { unit: "messages".to_owned(), ..Evidence::default() },
            likely_causes: vec![
                "the server is down or unreachable".to_owned(),
                "a password, token or address changed".to_owned(),
            ],
            runbook: [
                format!("Run `logwarden alerts test` and mend receiver {name}"),
                format!("Run `logwarden alerts retry {name}` to send what waits or was given up"),
            ]
            .map(|step| RunbookStep { step, link: None })
            .to_vec(),
            count: 1,
            host: self.host.clone(),
            links: Links::default(),
        }
    }
}

/// The kind of the alert about a receiver.
pub(super) const KIND: &str = "delivery_failing";

/// Identity of the alert about `receiver`.
pub(super) fn fingerprint_of(receiver: &str) -> String {
    fingerprint(KIND, "", receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_after_a_while_or_at_once_when_something_is_lost_and_told_of_the_end() {
        let at = |s: i64| Timestamp::from_secs(1_777_636_800 + s);
        let refused = Failure::new(Cause::Unreachable, "connection refused");
        let after = |told, kept| Failing::new(Router::new(&[], ["mail", "chat"]), "web-1".to_owned(), told, kept);
        let new = || after(None, None);
        let mut f = new();
        assert_eq!(f.failed("mail", &refused, 0, at(0)), None);
        let told = f.failed("mail", &refused, 0, at(700)).unwrap();
        assert_eq!(told.starts_at, at(0));
        assert_eq!(f.rows("mail", &told, at(0)).iter().map(|r| r.receiver.as_str()).collect::<Vec<_>>(), ["chat"]);
        assert_eq!(f.failed("mail", &refused, 5, at(800)), None, "once");
        let over = f.recovered("mail", at(900)).unwrap();
        assert_eq!((over.status, &over.id, over.ends_at), (Status::Resolved, &told.id, Some(at(900))));
        assert_eq!(f.recovered("mail", at(901)), None);
        // where it began to fail is known after a restart, whether others were told or not
        let mut f = new();
        assert_eq!(f.news(), None);
        assert_eq!(f.failed("mail", &refused, 0, at(0)), None);
        let kept = f.news().unwrap();
        f.kept(kept);
        assert_eq!((kept, f.news()), (Since(Some(at(0))), None));
        let mut f = after(None, kept.0);
        assert_eq!(f.failed("mail", &refused, 0, at(599)), None);
        let told = f.failed("mail", &refused, 0, at(600)).unwrap();
        assert_eq!((told.starts_at, f.news()), (at(0), None));
        let mut f = after(Some(told), kept.0);
        assert_eq!(f.failed("mail", &refused, 0, at(700)), None, "once");
        assert!(f.recovered("mail", at(800)).is_some());
        assert_eq!(f.news(), Some(Since(None)));
        assert!(new().failed("mail", &refused, 2, at(0)).unwrap().why.contains("2 messages were given up"));
    }
}
