//! The sources as a whole: how many events, how many of them from the future or without a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;
use crate::window::{Clockwork, Counts, Facts, KeyState, Slice, SourceDelta, bucket, bucket_start};

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    /// Its events, remembered as those of a key.
    pub state: KeyState,
    /// The hour at hand and what came in it.
    pub hour: i64,
    pub events: u64,
    pub untimed: u64,
    pub ahead: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    state: Vec<u8>,
    hour: i64,
    events: u64,
    untimed: u64,
    ahead: u64,
}

impl Origin {
    fn new(at: Timestamp) -> Self {
        Self { state: KeyState::new("SOURCE", at), hour: 0, events: 0, untimed: 0, ahead: 0 }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { state, hour, events, untimed, ahead } = self;
        let stored = Stored { state: state.to_bytes(), hour: *hour, events: *events, untimed: *untimed, ahead: *ahead };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let Stored { state, hour, events, untimed, ahead } = serde_json::from_slice(bytes).ok()?;
        Some(Self { state: KeyState::from_bytes(&state)?, hour, events, untimed, ahead })
    }
}

/// All sources, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub all: BTreeMap<String, Origin>,
    /// Names whose row has changed.
    pub changed: Vec<String>,
}

impl Sources {
    /// Adds what a source gave.
    pub(super) fn add(&mut self, name: &str, delta: &SourceDelta, clock: &Clockwork, limit: Timestamp) -> &Origin {
        let last = delta.last.min(limit);
        let origin = self.all.entry(name.to_owned()).or_insert_with(|| Origin::new(delta.first.min(limit)));
        let hour = last.secs().div_euclid(3600);
        if hour > origin.hour {
            (origin.hour, origin.events, origin.untimed, origin.ahead) = (hour, 0, 0, 0);
        }
        origin.events += delta.events;
        origin.untimed += delta.untimed;
        origin.ahead += delta.ahead;
        // What came late is added to the newest bucket: here only the flow counts.
        let b = bucket(last).max(origin.state.head());
        let uses = u32::try_from(delta.events).unwrap_or(u32::MAX);
        let slice = Slice { bucket: b, counts: Counts { uses, ..Counts::default() }, ..Slice::default() };
        origin.state.advance(b, clock);
        let first = delta.first.clamp(bucket_start(b), last.max(bucket_start(b)));
        origin.state.add(&slice, &[], &[], (first, last), clock, &mut Facts::default());
        if self.changed.last().is_none_or(|n| n != name) {
            self.changed.push(name.to_owned());
        }
        origin
    }
}
