//! What the monitor is told from outside.

use super::kind::Kind;

/// A condition that somebody else has found, in numbers and words.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The kind; one of those that watch ourselves.
    pub kind: Kind,
    /// What sets it apart from others of its kind: a source, a receiver, a file. Never a raw byte of a log.
    pub subject: String,
    /// The source, when it is about one.
    pub source: Option<String>,
    /// What was seen.
    pub observed: Option<f64>,
    /// Where the line is drawn.
    pub threshold: Option<f64>,
    /// What the numbers count.
    pub unit: &'static str,
    /// One sentence.
    pub summary: String,
    /// The numbers in words.
    pub why: String,
}
