//! Whether all keys are busier than usual at once, which is no key's own doing.

use chrono_tz::Tz;

use crate::window::{Keys, RING, hour_of_week};

/// Keys that must take part.
const MIN_KEYS: usize = 20;

/// Requests an hour that a key must expect to take part.
const MIN_EXPECTED: f64 = 36.0;

/// Medians up to this are chance.
const MIN_FACTOR: f64 = 1.15;

/// The median of observed over expected requests in the hour up to `bucket`, over keys that expect at least 36; 1 when
/// there are fewer than 20 of them or the median is not above 1.15.
pub(super) fn factor(keys: &Keys, bucket: i64, zone: Tz) -> f64 {
    if keys.len() < MIN_KEYS {
        return 1.0;
    }
    let hour = hour_of_week(bucket.div_euclid(RING as i64), zone);
    let ratio = |s: &crate::window::KeyState| {
        let expected = s.profile()?.expected(hour);
        (expected >= MIN_EXPECTED).then(|| f64::from(s.window(bucket, RING as i64).uses) / expected)
    };
    let mut ratios: Vec<f64> =
        keys.iter().filter(|(_, s)| s.head() > bucket - RING as i64).filter_map(|(_, s)| ratio(s)).collect();
    if ratios.len() < MIN_KEYS {
        return 1.0;
    }
    let middle = ratios.len() / 2;
    let median = *ratios.select_nth_unstable_by(middle, f64::total_cmp).1;
    if median > MIN_FACTOR { median } else { 1.0 }
}
