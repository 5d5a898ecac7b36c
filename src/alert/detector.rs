//! What a detector is given and what it says.

use super::calendar::Calendar;
use super::kind::Kind;
use super::policy::Policy;
use crate::units::Timestamp;
use crate::window::{Facts, KeyState, Network};

/// One key at one moment of event time.
pub struct View<'a> {
    /// What is remembered of it, the newest counts included.
    pub state: &'a KeyState,
    /// The bucket that is looked at; the newest of the key.
    pub bucket: i64,
    /// What changed with the newest counts.
    pub facts: &'a Facts,
    /// What the operator says about it.
    pub policy: &'a Policy,
    /// Its calendar, with its name.
    pub calendar: Option<(&'a str, &'a Calendar)>,
    /// How much busier than usual all keys are.
    pub fleet: f64,
    /// Whether this detector's alert for the key is firing; then it takes less to go on.
    pub firing: bool,
    /// The newest event time.
    pub now: Timestamp,
}

/// A condition that holds, in numbers and words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// What was seen.
    pub observed: f64,
    /// What was to be expected.
    pub expected: Option<f64>,
    /// Where the line is drawn.
    pub threshold: Option<f64>,
    /// The detector's own score.
    pub score: Option<f64>,
    /// Length of the window in seconds.
    pub window_s: Option<u64>,
    /// What the numbers count.
    pub unit: &'static str,
    /// Networks that matter.
    pub networks: Vec<Network>,
    /// The rest of the one sentence that begins with the key's name.
    pub summary: String,
    /// The numbers in words.
    pub why: String,
    /// Whether it is worth a page whatever the kind's urgency.
    pub escalate: bool,
    /// Whether lines of failed requests are the better evidence.
    pub bad_lines: bool,
}

/// Looks at one key and says whether its condition holds.
pub trait Detector: Send {
    /// What it raises.
    fn kind(&self) -> Kind;

    /// The condition, when it holds.
    fn look(&self, view: &View<'_>) -> Option<Signal>;
}
