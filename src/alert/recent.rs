//! The last lines of each key, as evidence.

use std::collections::{HashMap, VecDeque};

use crate::units::Timestamp;
use crate::window::{KeyDelta, KeyId, MAX_LINES, Samples};

/// Keys whose lines are kept.
const MAX_KEYS: usize = 4096;

/// Newest first.
type Lines = Vec<(Timestamp, Box<str>)>;

/// Lines of the keys seen last, up to five that went well and five that did not. Not stored: after a restart evidence is
/// gathered anew.
#[derive(Default)]
pub(super) struct Recent {
    keys: HashMap<KeyId, (Lines, Lines)>,
    order: VecDeque<KeyId>,
}

impl Recent {
    /// Remembers the lines of a tally.
    pub(super) fn add(&mut self, id: &KeyId, delta: &KeyDelta) {
        if !self.keys.contains_key(id) {
            self.order.push_back(*id);
            if self.order.len() > MAX_KEYS
                && let Some(old) = self.order.pop_front()
            {
                self.keys.remove(&old);
            }
        }
        let (good, bad) = self.keys.entry(*id).or_default();
        put(good, &delta.good);
        put(bad, &delta.bad);
    }

    /// Up to five lines, oldest first; those that failed first of all when `bad`.
    pub(super) fn lines(&self, id: &KeyId, bad: bool) -> Vec<String> {
        let Some((good, failed)) = self.keys.get(id) else { return Vec::new() };
        let mut lines: Vec<&(Timestamp, Box<str>)> = if bad {
            failed.iter().chain(good).take(MAX_LINES).collect()
        } else {
            let mut all: Vec<_> = failed.iter().chain(good).collect();
            all.sort_by(|a, b| b.cmp(a));
            all.truncate(MAX_LINES);
            all
        };
        lines.sort();
        lines.into_iter().map(|(_, line)| line.to_string()).collect()
    }
}

fn put(lines: &mut Lines, new: &Samples) {
    for sample in new.in_order() {
        lines.push((sample.time, sample.line.clone()));
    }
    lines.sort_by(|a, b| b.cmp(a));
    lines.dedup();
    lines.truncate(MAX_LINES);
}
