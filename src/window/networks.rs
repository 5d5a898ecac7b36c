//! The networks that a key was used from.

use super::distinct::Distinct;
use super::id::Network;
use super::pack::{Pack, Unpack};

/// Networks remembered per key.
pub(super) const MAX_KNOWN: usize = 16;

/// A network that the key was used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The network.
    pub network: Network,
    /// Hour of its last use, counted from 1970.
    pub hour: u32,
}

/// From how many networks a key is used within an hour, for keys with more than can be remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fan {
    /// The hour at hand, counted from 1970.
    hour: u32,
    now: Distinct,
    /// The most within an hour that is over; halves in 14 days.
    usual: f32,
}

/// Per-hour factor of a half-life of 14 days.
const DECAY: f32 = 0.997_939_2;

impl Fan {
    /// Adds a network at `hour`.
    pub(super) fn add(&mut self, network: Network, hour: u32) {
        if hour > self.hour {
            let passed = hour - self.hour;
            let record = if self.hour == 0 { 0.0 } else { self.now.count() as f32 };
            self.usual = (self.usual.max(record)) * DECAY.powf(passed.min(100_000) as f32);
            (self.hour, self.now) = (hour, Distinct::default());
        }
        if hour == self.hour {
            self.now.add(network.spread());
        }
    }

    /// Networks in the hour `hour`, and the most in an hour before.
    pub(super) fn at(&self, hour: u32) -> (f64, f64) {
        (if hour == self.hour { self.now.count() } else { 0.0 }, f64::from(self.usual))
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        p.uint(u64::from(self.hour));
        self.now.pack(p);
        p.float(self.usual);
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        Some(Self { hour: u.small()?, now: Distinct::unpack(u)?, usual: u.float()? })
    }
}
