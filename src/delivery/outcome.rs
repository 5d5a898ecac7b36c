//! What one attempt to send came to.

use std::time::Duration;

/// The verdict on one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it; the text is its answer.
    Sent(String),
    /// The receiver as a whole does not work now: nothing else is tried there for a while, and no message is charged.
    Down {
        /// What happened, for people.
        error: String,
        /// How long the receiver asked us to wait.
        asked: Option<Duration>,
    },
    /// This message failed; others may pass. It is tried again.
    Failed {
        /// What happened, for people.
        error: String,
        /// How long the receiver asked us to wait.
        asked: Option<Duration>,
    },
    /// This message will never be taken.
    Refused {
        /// What happened, for people.
        error: String,
    },
}

impl Outcome {
    /// [`Outcome::Down`] without a wish for a wait.
    pub(super) fn down(error: impl Into<String>) -> Self {
        Self::Down { error: error.into(), asked: None }
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
    super::clean::line(&text, 400)
}
