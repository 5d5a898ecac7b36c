//! What is remembered of few keys only, so that the others do not pay for it.

use super::meter::Meter;
use super::networks::Fan;
use super::pack::{Pack, Unpack};
use crate::units::Timestamp;

/// A point on the earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Where {
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
}

/// Where a key was used last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The place of its network.
    pub at: Where,
    /// When.
    pub time: Timestamp,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extra {
    pub leaked_at: Option<Timestamp>,
    pub leaked_in: Box<str>,
    pub signal_at: Option<Timestamp>,
    pub tokens: Option<Box<Meter>>,
    pub bytes: Option<Box<Meter>>,
    pub fan: Option<Box<Fan>>,
    pub place: Option<Place>,
    /// Times that the key was farther away than anybody travels.
    pub jumps: u32,
    /// Uses after the day on which the operator retired it.
    pub since_retired: u32,
}

impl Extra {
    pub(super) fn pack(&self, p: &mut Pack) {
        for t in [self.leaked_at, self.signal_at] {
            p.int(t.map_or(i64::MIN, |t| t.0));
        }
        p.text(&self.leaked_in);
        for meter in [&self.tokens, &self.bytes] {
            p.uint(meter.is_some().into());
            if let Some(meter) = meter {
                meter.pack(p);
            }
        }
        p.uint(self.fan.is_some().into());
        if let Some(fan) = &self.fan {
            fan.pack(p);
        }
        p.uint(self.place.is_some().into());
        if let Some(place) = &self.place {
            p.float(place.at.latitude);
            p.float(place.at.longitude);
            p.int(place.time.0);
        }
        p.uint(self.jumps.into());
        p.uint(self.since_retired.into());
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let mut this = Self::default();
        for t in [&mut this.leaked_at, &mut this.signal_at] {
            *t = Some(u.int()?).filter(|n| *n != i64::MIN).map(Timestamp);
        }
        this.leaked_in = u.text()?.into();
        for meter in [&mut this.tokens, &mut this.bytes] {
            if u.uint()? == 1 {
                *meter = Some(Box::new(Meter::unpack(u)?));
            }
        }
        if u.uint()? == 1 {
            this.fan = Some(Box::new(Fan::unpack(u)?));
        }
        if u.uint()? == 1 {
            let at = Where { latitude: u.float()?, longitude: u.float()? };
            this.place = Some(Place { at, time: Timestamp(u.int()?) });
        }
        this.jumps = u.small()?;
        this.since_retired = u.small()?;
        Some(this)
    }
}
