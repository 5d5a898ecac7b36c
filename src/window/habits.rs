//! What a key is used for, remembered: endpoints, models, origins, countries.

use super::pack::{Pack, Unpack};
use super::sighting::{Aspect, Sighting};
use super::words::Word;

/// One remembered thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// What it is.
    pub word: Word,
    /// Hour of its last use, counted from 1970.
    pub hour: u32,
    /// Uses, up to 65,535.
    pub uses: u16,
    /// Which side of the use.
    pub aspect: Aspect,
}

/// A sighting, compared with what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was seen.
    pub sighting: Sighting,
    /// Whether the key was never seen with it.
    pub new: bool,
    /// How many things of this aspect were known before.
    pub known: u8,
}

/// Everything remembered of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Habits(Vec<Habit>);

impl Habits {
    /// Takes over a sighting and compares it with what was known before.
    pub(super) fn see(&mut self, s: &Sighting) -> Seen {
        let hour = u32::try_from(s.last.secs().div_euclid(3600)).unwrap_or(0);
        let known = self.0.iter().filter(|h| h.aspect == s.aspect).count();
        if let Some(old) = self.0.iter_mut().find(|h| h.word == s.word && h.aspect == s.aspect) {
            old.hour = old.hour.max(hour);
            old.uses = old.uses.saturating_add(u16::try_from(s.uses).unwrap_or(u16::MAX));
            return Seen { sighting: *s, new: false, known: known as u8 };
        }
        if known >= s.aspect.remembered() {
            // The one seen longest ago makes room.
            let oldest = self.0.iter().enumerate().filter(|(_, h)| h.aspect == s.aspect);
            if let Some(at) = oldest.min_by_key(|(_, h)| (h.hour, h.word)).map(|(i, _)| i) {
                self.0.remove(at);
            }
        }
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(2);
        }
        let uses = u16::try_from(s.uses).unwrap_or(u16::MAX);
        self.0.push(Habit { word: s.word, hour, uses, aspect: s.aspect });
        Seen { sighting: *s, new: true, known: known as u8 }
    }

    pub(super) fn all(&self) -> &[Habit] {
        &self.0
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        p.uint(self.0.len() as u64);
        for h in &self.0 {
            p.uint(h.aspect as u64);
            p.uint(h.word.0);
            p.uint(h.hour.into());
            p.uint(h.uses.into());
        }
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let n = usize::try_from(u.uint()?).ok().filter(|n| *n <= 256)?;
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            let aspect = *Aspect::ALL.get(usize::try_from(u.uint()?).ok()?)?;
            let word = Word(u.uint()?);
            let hour = u.small()?;
            all.push(Habit { aspect, word, hour, uses: u16::try_from(u.uint()?).ok()? });
        }
        Some(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn the_hour_is_that_of_the_last_use_however_long_a_sighting_took() {
        let hour = |n: i64| Timestamp::from_secs(n * 3600);
        let see = |habits: &mut Habits, first, last| {
            habits.see(&Sighting {
                aspect: Aspect::Endpoint,
                word: Word(1),
                first: hour(first),
                last: hour(last),
                uses: 2,
            });
            habits.all()[0].hour
        };
        let mut habits = Habits::default();
        assert_eq!(see(&mut habits, 500_000, 500_096), 500_096);
        assert_eq!(see(&mut habits, 500_010, 500_020), 500_096);
        assert_eq!(see(&mut habits, 500_097, 500_098), 500_098);
    }
}
