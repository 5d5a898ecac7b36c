//! What a source has seen and turned away, for whoever watches the service.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections, together or from one address.
    Connection,
    /// No token, or a wrong one.
    Unauthorized,
    /// Too many requests.
    Rate,
    /// A body or a line over its limit.
    TooLarge,
    /// A body that is not what it should be.
    Invalid,
    /// Too slow.
    Slow,
    /// The service is behind.
    Busy,
}

impl Refusal {
    /// All of them, with the name that each has in counters.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Connection, "connection"),
        (Self::Unauthorized, "unauthorized"),
        (Self::Rate, "rate"),
        (Self::TooLarge, "too_large"),
        (Self::Invalid, "invalid"),
        (Self::Slow, "slow"),
        (Self::Busy, "busy"),
    ];
}

/// Counters of one source. Those that do not fit its kind stay 0.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes that are there and were not read yet.
    pub lag_bytes: AtomicU64,
    /// File generations that are known now.
    pub generations: AtomicU64,
    /// Bytes of files that can never be read: what vanished before it was read to its end.
    pub abandoned_bytes: AtomicU64,
    /// How often bytes were abandoned, also where nobody can say how many.
    pub abandonments: AtomicU64,
    /// Connections that are open now.
    pub connections: AtomicU64,
    /// How often a program that this source reads from was started again.
    pub restarts: AtomicU64,
    /// Lines that were dropped, redacted, because the output was too slow.
    pub dropped_lines: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Meter {
    /// Counts a refusal.
    pub fn refuse(&self, why: Refusal) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was refused for this reason.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }

    /// Counts `bytes` bytes that nobody will ever read.
    pub fn abandon(&self, bytes: u64) {
        self.abandonments.fetch_add(1, Ordering::Relaxed);
        self.abandoned_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_apart() {
        let meter = Meter::default();
        for (n, (why, _)) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*why as usize, n);
        }
        meter.refuse(Refusal::Rate);
        meter.refuse(Refusal::Rate);
        assert_eq!((meter.refused(Refusal::Rate), meter.refused(Refusal::Busy)), (2, 0));
    }
}
