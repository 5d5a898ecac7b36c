//! Whether chunks that went into the corridor come out of it: what the watchdog is fed by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A chunk takes milliseconds, the longest line a second or two. One that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(20);

/// Counts what goes in and what comes out.
pub(super) struct Pulse {
    entered: Arc<AtomicU64>,
    left: u64,
    /// Since when nothing came out although something was in.
    since: Option<Instant>,
}

impl Pulse {
    /// `entered` counts what went in.
    pub(super) fn new(entered: Arc<AtomicU64>) -> Self {
        Self { entered, left: 0, since: None }
    }

    /// This many chunks came out.
    pub(super) fn left(&mut self, chunks: u64) {
        self.left += chunks;
        self.since = None;
    }

    /// Whether the corridor is well at `now`.
    pub(super) fn beats(&mut self, now: Instant) -> bool {
        if self.entered.load(Ordering::Relaxed) <= self.left {
            self.since = None;
            return true;
        }
        now.duration_since(*self.since.get_or_insert(now)) < STUCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_does_not_come_out_stops_the_pulse_and_idleness_does_not() {
        let entered = Arc::new(AtomicU64::new(0));
        let mut pulse = Pulse::new(Arc::clone(&entered));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert!(pulse.beats(at(0)) && pulse.beats(at(1_000)), "nothing to do");
        entered.store(2, Ordering::Relaxed);
        assert!(pulse.beats(at(1_001)));
        pulse.left(1);
        assert!(pulse.beats(at(1_019)) && pulse.beats(at(1_038)), "one came out meanwhile");
        assert!(!pulse.beats(at(1_040)), "the other is stuck");
        pulse.left(1);
        assert!(pulse.beats(at(1_041)) && pulse.beats(at(9_000)));
    }
}
