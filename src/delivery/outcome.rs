//! What one attempt to send came to.

use std::time::Duration;

use super::clean;

/// The verdict on one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it; the text is its answer.
    Sent(String),
    /// The receiver has it, but not all is well: a recipient was refused, a template failed.
    Partly {
        /// The receiver's answer.
        answer: String,
        /// What is not well.
        flaw: Failure,
    },
    /// The receiver as a whole does not work now: nothing else is tried there for a while, and no message is charged.
    Down(Failure),
    /// This message failed; others may pass. It is tried again.
    Failed(Failure),
    /// This message will never be taken.
    Refused(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In one word.
    pub cause: Cause,
    /// For people: what happened, and what may help. One line, no secret.
    pub error: String,
    /// How long the receiver asked us to wait.
    pub asked: Option<Duration>,
}

/// Why an attempt failed, as one word for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The name of the server cannot be looked up.
    UnknownHost,
    /// Nobody listens there, or the way is blocked.
    Unreachable,
    /// The name leads to an address that a webhook may not reach.
    PrivateAddress,
    /// The server's certificate is not to be trusted: expired, for another name, of an unknown authority.
    Certificate,
    /// No secure connection comes about.
    Tls,
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer.
    Cut,
    /// User name, password, token or URL are not accepted.
    Login,
    /// The server sends us elsewhere.
    Redirect,
    /// There is nothing at this URL, or no longer.
    Gone,
    /// Too many requests.
    RateLimited,
    /// The server is in trouble of its own.
    Server,
    /// The server will not take this message.
    Refused,
    /// A program did not do what it should.
    Program,
    /// A template of the operator's own failed; the built-in text was sent.
    Template,
    /// Some recipients of a mail were refused; the others have it.
    Recipient,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::UnknownHost,
        Self::Unreachable,
        Self::PrivateAddress,
        Self::Certificate,
        Self::Tls,
        Self::Timeout,
        Self::Cut,
        Self::Login,
        Self::Redirect,
        Self::Gone,
        Self::RateLimited,
        Self::Server,
        Self::Refused,
        Self::Program,
        Self::Template,
        Self::Recipient,
    ];

    /// The word: `unknown_host`, `certificate`, ...
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::Unreachable => "unreachable",
            Self::PrivateAddress => "private_address",
            Self::Certificate => "certificate",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::Login => "login",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::RateLimited => "rate_limited",
            Self::Server => "server_error",
            Self::Refused => "refused",
            Self::Program => "program",
            Self::Template => "template",
            Self::Recipient => "recipient",
        }
    }
}

impl Failure {
    /// A failure; `error` becomes one line.
    pub(super) fn new(cause: Cause, error: impl AsRef<str>) -> Self {
        Self { cause, error: clean::line(error.as_ref(), 400), asked: None }
    }

    /// With the wait that the receiver asked for.
    pub(super) fn asking(self, asked: Option<Duration>) -> Self {
        Self { asked, ..self }
    }
}

impl Outcome {
    /// What was wrong, when the receiver does not have it.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Sent(_) | Self::Partly { .. } => None,
            Self::Down(failure) | Self::Failed(failure) | Self::Refused(failure) => Some(failure),
        }
    }

    /// What is to be counted as a failure, also when the receiver has the message.
    pub(super) fn flaw(&self) -> Option<&Failure> {
        match self {
            Self::Partly { flaw, .. } => Some(flaw),
            other => other.failure(),
        }
    }

    /// The same outcome with `flaw` beside what it says, when the receiver has it.
    pub(super) fn but(self, flaw: Option<Failure>) -> Self {
        match (self, flaw) {
            (Self::Sent(answer), Some(flaw)) => Self::Partly { answer, flaw },
            (Self::Partly { answer, flaw: first }, Some(second)) => {
                Self::Partly { answer, flaw: Failure::new(first.cause, format!("{}; {}", first.error, second.error)) }
            }
            (same, _) => same,
        }
    }
}

/// The whole chain of an error in one line, each cause once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = cause.source();
    }
    clean::line(&text, 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_place_and_its_own_word() {
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, n);
            assert_eq!(Cause::ALL.iter().filter(|c| c.word() == cause.word()).count(), 1);
        }
    }
}
