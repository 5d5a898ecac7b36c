//! How busy each of the last hours was, in a byte an hour.

use super::pack::{Pack, Unpack};

/// Hours in a day.
const HOURS: usize = 24;

/// Steps of the scale in which a number doubles: what comes back is right to 5 %.
const STEPS: f32 = 8.0;

/// Requests in each of the last 24 hours that are over, by hour counted from 1970 modulo 24, on a logarithmic scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Day([u8; HOURS]);

impl Day {
    /// Takes note of an hour that is over; what was known of the same hour of the day before is forgotten.
    pub(super) fn close(&mut self, hour: i64, uses: u32) {
        let code = if uses == 0 { 0 } else { 1 + ((uses as f32).log2() * STEPS).round().min(254.0) as u8 };
        self.0[hour.rem_euclid(HOURS as i64) as usize] = code;
    }

    /// Requests in an hour that is over for less than a day.
    pub(super) fn uses(&self, hour: i64) -> u32 {
        match self.0[hour.rem_euclid(HOURS as i64) as usize] {
            0 => 0,
            code => ((f32::from(code - 1) / STEPS).exp2().round()) as u32,
        }
    }

    pub(super) fn pack(&self, p: &mut Pack) {
        self.0.iter().for_each(|code| p.uint(u64::from(*code)));
    }

    pub(super) fn unpack(u: &mut Unpack<'_>) -> Option<Self> {
        let mut this = Self::default();
        for code in &mut this.0 {
            *code = u8::try_from(u.uint()?).ok()?;
        }
        Some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_comes_back_to_five_per_cent() {
        let mut day = Day::default();
        for (hour, uses) in (0i64..).zip([0, 1, 2, 3, 10, 57, 1_000, 123_456, 2_000_000_000]) {
            day.close(hour, uses);
            let back = f64::from(day.uses(hour));
            assert!((back - f64::from(uses)).abs() <= f64::from(uses) * 0.05, "{uses} {back}");
        }
        day.close(24, 7);
        assert_eq!((day.uses(24), day.uses(0)), (7, 7), "a day later the same place is used again");
    }
}
