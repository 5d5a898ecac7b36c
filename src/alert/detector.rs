//! What a detector is given and what it says.

use super::calendar::Calendar;
use super::kind::Kind;
use super::policy::Policy;
use crate::units::Timestamp;
use crate::window::{Aspect, Counts, Facts, KeyId, KeyState, Network, Seen, Slice, Visit, Word, Words};

/// One key at one moment of event time.
pub struct View<'a> {
    /// The key.
    pub id: &'a KeyId,
    /// What is remembered of it, the newest counts included.
    pub state: &'a KeyState,
    /// The newest counts, of one bucket.
    pub slice: &'a Slice,
    /// The bucket that is looked at; the newest of the key.
    pub bucket: i64,
    /// The last 5 minutes.
    pub five: Counts,
    /// The last 15 minutes.
    pub quarter: Counts,
    /// The last 60 minutes.
    pub hour: Counts,
    /// What changed with the newest counts.
    pub facts: &'a Facts,
    /// The addresses of the newest uses.
    pub visits: &'a [Visit],
    /// What the operator says about it.
    pub policy: &'a Policy,
    /// Its calendar, with its name.
    pub calendar: Option<(&'a str, &'a Calendar)>,
    /// The names behind words.
    pub words: &'a Words,
    /// How much busier than usual all keys are.
    pub fleet: f64,
    /// How fast it would have had to travel since its last use, in kilometres an hour, and how far, when the operator's
    /// database knows.
    pub travel: Option<Travel>,
    /// Whether this detector's alert for the key is firing; then it takes less to go on.
    pub firing: bool,
    /// The newest event time.
    pub now: Timestamp,
}

/// A move of a key from one place to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Travel {
    /// The way in kilometres.
    pub km: f64,
    /// Kilometres an hour that it took at least.
    pub km_h: f64,
    /// The network it moved to.
    pub to: Network,
}

impl View<'_> {
    /// What of an aspect was seen in the newest uses.
    pub(super) fn seen(&self, aspect: Aspect) -> impl Iterator<Item = &Seen> {
        self.facts.seen.iter().filter(move |s| s.sighting.aspect == aspect)
    }

    /// The name behind a word.
    pub(super) fn name(&self, word: Word) -> &str {
        self.words.get(word).unwrap_or("(a name that was not kept)")
    }

    /// The networks that it was used from last.
    pub(super) fn networks(&self) -> Vec<Network> {
        self.state.networks().iter().rev().take(5).map(|k| k.network).collect()
    }

    /// The networks of the newest uses, newest first.
    pub(super) fn visited(&self) -> Vec<Network> {
        let mut all: Vec<Network> = self.visits.iter().map(|v| Network::of(v.ip)).collect();
        all.dedup();
        all.truncate(5);
        all
    }
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
    /// An urgency other than the kind's.
    pub urgency: Option<super::object::Urgency>,
    /// Whether lines of failed requests are the better evidence.
    pub bad_lines: bool,
}

/// Looks at one key and says whether its condition holds.
pub trait Detector: Send {
    /// What it raises.
    fn kind(&self) -> Kind;

    /// Whether the condition can hold for keys of a policy; where it cannot, the detector is not asked.
    fn concerns(&self, _policy: &Policy) -> bool {
        true
    }

    /// The condition, when it holds.
    fn look(&self, view: &View<'_>) -> Option<Signal>;
}
