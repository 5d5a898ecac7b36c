//! `key_fanout`: one key is used from many networks at once, as when it was published.
//!
//! Networks (IPv4 /24, IPv6 /64) within the hour: exact up to 16, beyond by HyperLogLog ([`crate::window::Distinct`]). It
//! fires at max(12, 3 × the key's own record), the record halving in 14 days, for keys older than a day.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyFanout,
    name: "key_fanout",
    urgency: Urgency::Page,
    doc: "one key is used from many networks within an hour",
    causes: &[
        "the key was published, and many try it",
        "a botnet or a pool of proxies uses it",
        "a client on many devices",
    ],
    steps: &["Search public code and pages for the key", "Give every device a key of its own"],
    tune: "Raise `min_networks` for keys built into apps, best by a key for each device.",
};

kind_settings! {
    /// Use from many networks within an hour.
    KeyFanoutConfig {
        Page, for 0, resolve HOUR, renotify 4 * HOUR, mute 0;
        /// Networks within an hour, below which nothing fires.
        min_networks: f64 = 12.0,
        /// How many times the key's own record.
        times_usual: f64 = 3.0,
    }
}

/// See the module.
pub(super) struct KeyFanout {
    pub(super) config: KeyFanoutConfig,
}

impl Detector for KeyFanout {
    fn kind(&self) -> Kind {
        Kind::KeyFanout
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let c = &self.config;
        if (view.state.networks().len() as f64) < c.min_networks.min(16.0) || view.state.age_s(view.bucket) < DAY as i64
        {
            return None;
        }
        let (now, usual) = view.state.fan(view.now);
        let bound = c.min_networks.max(c.times_usual * usual) * if view.firing { 0.5 } else { 1.0 };
        (now >= bound).then(|| Signal {
            observed: now.round(),
            expected: Some(usual.round()),
            threshold: Some(bound.round()),
            window_s: Some(3600),
            unit: "networks",
            networks: view.networks(),
            summary: format!("was used from about {} networks within an hour", words::count(now)),
            why: format!(
                "about {} networks within the hour; the most before was {}, fires at {}",
                words::count(now),
                words::count(usual),
                words::count(bound)
            ),
            ..Signal::default()
        })
    }
}
