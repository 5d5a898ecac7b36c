//! The privacy wall: raw lines in, [`Redacted`] lines out; nothing else in the program can make a [`Redacted`].
//!
//! Invariants (each has a property test):
//! 1. output differs from input only inside redacted spans;
//! 2. one line in, one line out; valid JSON stays valid JSON;
//! 3. redacting twice changes nothing;
//! 4. every byte sequence is accepted; a line that cannot be handled is withheld, counted, never passed on.

mod engine;
mod output;
mod tag;

pub use engine::{Redactor, Worker};
pub use output::{Finding, Redacted, RedactedLine, RuleId};
pub use tag::{PseudonymKey, Tag};
