//! A token bucket for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::gate::network;

/// Addresses that are remembered; when there are more, those whose bucket is full again are forgotten first.
const MOST: usize = 16_384;

/// How many requests a second each address may make, with a burst of twice as many.
pub struct Pace {
    per_second: f64,
    buckets: Mutex<HashMap<u128, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Pace {
    /// `per_second` requests a second for each address; 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), buckets: Mutex::default() }
    }

    /// Takes one request of `address`.
    ///
    /// # Errors
    /// How long until the next one may come.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let burst = 2.0 * self.per_second;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            let refills = Duration::from_secs(2);
            buckets.retain(|_, b| now.saturating_duration_since(b.at) < refills);
            if buckets.len() >= MOST {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(network(address)).or_insert(Bucket { left: burst, at: now });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * self.per_second).min(burst);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / self.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let pace = Pace::new(10);
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        assert!((0..20).all(|_| pace.take(a, start).is_ok()));
        let wait = pace.take(a, start).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90), "{wait:?}");
        assert!(pace.take(b, start).is_ok());
        assert!(pace.take(a, start + Duration::from_millis(101)).is_ok());
        assert!(pace.take(a, start + Duration::from_millis(102)).is_err());
        assert!((0..1000).all(|_| Pace::new(0).take(a, start).is_ok()));
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let pace = Pace::new(1);
        let start = Instant::now();
        for n in 0..3 * MOST as u32 {
            assert!(pace.take(IpAddr::from(n.to_be_bytes()), start).is_ok());
        }
        assert!(pace.buckets.lock().unwrap().len() <= MOST);
    }
}
