//! Redaction once more, on the way out: what slipped into an alert by any road does not leave the machine.

use std::sync::{Mutex, PoisonError};

use super::outcome::{Failure, Outcome};
use crate::alert::Alert;
use crate::redact::{Redacted, Redactor, Worker};

/// Redacts evidence before it is sent, and answers before they are kept.
pub(super) struct Scrub(Mutex<(Worker, Redacted)>);

impl Scrub {
    /// With the installation's rules and pseudonyms; labels that are there already stay as they are.
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self(Mutex::new((redactor.worker(), Redacted::default())))
    }

    /// One line of text, redacted.
    pub(super) fn line(&self, text: &str) -> String {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (worker, redacted) = &mut *inner;
        // Each text is a stream of its own: nothing of the one before matters.
        worker.redact(format!("{}\n", text.replace(['\n', '\r'], " ")).as_bytes(), redacted);
        String::from_utf8_lossy(redacted.bytes()).trim_end_matches('\n').to_owned()
    }

    /// The alert with its evidence redacted. Lines of a summary are our own words.
    pub(super) fn alert(&self, alert: &Alert) -> Alert {
        let mut alert = alert.clone();
        if !matches!(alert.kind.as_str(), "digest" | "summary") {
            alert.evidence.lines.iter_mut().for_each(|line| *line = self.line(line));
        }
        alert
    }

    /// What a receiver said, redacted: it may repeat what it was sent, or say more.
    pub(super) fn outcome(&self, outcome: Outcome) -> Outcome {
        let failure = |f: Failure| Failure { error: self.line(&f.error), ..f };
        match outcome {
            Outcome::Sent(answer) => Outcome::Sent(self.line(&answer)),
            Outcome::Partly { answer, flaw } => Outcome::Partly { answer: self.line(&answer), flaw: failure(flaw) },
            Outcome::Down(f) => Outcome::Down(failure(f)),
            Outcome::Failed(f) => Outcome::Failed(failure(f)),
            Outcome::Refused(f) => Outcome::Refused(failure(f)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::outcome::Cause;
    use crate::delivery::sample::alert;
    use crate::redact::PseudonymKey;

    #[test]
    fn what_was_missed_before_is_redacted_and_labels_stay() {
        let scrub = Scrub::new(&Redactor::new(PseudonymKey::new(0, b"k")));
        let mut a = alert();
        a.evidence.lines.push(r#"{"password":"hunter2hunter2","user":"x@example.com"}"#.to_owned());
        let out = scrub.alert(&a);
        assert_eq!(out.evidence.lines[..2], a.evidence.lines[..2]);
        assert_eq!(out.evidence.lines[2], r#"{"password":"[PASSWORD]","user":"[EMAIL]"}"#);
        let said = Failure::new(Cause::Refused, "answered 400: bad password=hunter2hunter2");
        let Outcome::Refused(said) = scrub.outcome(Outcome::Refused(said)) else { panic!("another outcome") };
        assert!(!said.error.contains("hunter2") && said.error.starts_with("answered 400: bad"), "{}", said.error);
    }
}
