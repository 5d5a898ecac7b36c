//! The stored form of a key's memory.

use super::day::Day;
use super::extra::Extra;
use super::habits::Habits;
use super::id::Network;
use super::networks::{Known, MAX_KNOWN};
use super::pack::{Pack, Unpack};
use super::profile::Profile;
use super::state::{Hour, KeyState};
use super::tally::Counts;
use crate::units::Timestamp;

/// First byte of the stored form.
const VERSION: u8 = 3;

impl KeyState {
    /// Compact bytes for the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut p = Pack(vec![VERSION]);
        p.text(&self.kind);
        p.int(self.first_seen.0);
        p.int(self.last_seen.0);
        p.uint(self.total);
        p.int(self.head);
        let counts = |p: &mut Pack, c: &Counts| [c.uses, c.errors, c.refused].iter().for_each(|n| p.uint((*n).into()));
        self.ring.iter().for_each(|c| counts(&mut p, c));
        for hour in &self.hours {
            p.int(hour.at);
            counts(&mut p, &hour.sum);
            p.uint(hour.peak.into());
        }
        [self.active_hours, self.longest_gap_s, self.new_networks].iter().for_each(|n| p.uint((*n).into()));
        p.uint(self.networks.len() as u64);
        for known in &self.networks {
            let (v6, bits) = known.network.parts();
            p.uint(v6.into());
            p.uint(bits);
            p.uint(known.hour.into());
        }
        self.base.iter().for_each(|f| p.float(*f));
        self.day.pack(&mut p);
        self.habits.pack(&mut p);
        p.uint(self.profile.is_some().into());
        if let Some(profile) = &self.profile {
            profile.pack(&mut p);
        }
        p.uint(self.extra.is_some().into());
        if let Some(extra) = &self.extra {
            extra.pack(&mut p);
        }
        p.0
    }

    /// Reads what [`KeyState::to_bytes`] wrote; `None` for other bytes and other versions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut u = Unpack(bytes);
        if u.byte()? != VERSION {
            return None;
        }
        let mut this = Self::new(u.text()?, Timestamp(u.int()?));
        this.last_seen = Timestamp(u.int()?);
        this.total = u.uint()?;
        this.head = u.int()?;
        let counts = |u: &mut Unpack<'_>| Some(Counts { uses: u.small()?, errors: u.small()?, refused: u.small()? });
        for c in &mut this.ring {
            *c = counts(&mut u)?;
        }
        for hour in &mut this.hours {
            *hour = Hour { at: u.int()?, sum: counts(&mut u)?, peak: u.small()? };
        }
        for n in [&mut this.active_hours, &mut this.longest_gap_s, &mut this.new_networks] {
            *n = u.small()?;
        }
        let networks = u.uint()?.min(MAX_KNOWN as u64);
        this.networks.reserve_exact(networks as usize);
        for _ in 0..networks {
            let network = Network::from_parts(u.uint()? == 1, u.uint()?);
            this.networks.push(Known { network, hour: u.small()? });
        }
        for f in &mut this.base {
            *f = u.float()?;
        }
        this.day = Day::unpack(&mut u)?;
        this.habits = Habits::unpack(&mut u)?;
        if u.uint()? == 1 {
            this.profile = Some(Box::new(Profile::unpack(&mut u)?));
        }
        if u.uint()? == 1 {
            this.extra = Some(Box::new(Extra::unpack(&mut u)?));
        }
        u.0.is_empty().then_some(this)
    }
}
