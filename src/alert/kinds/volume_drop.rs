//! `volume_drop`: a key that is used all the time has fallen silent.
//!
//! Looked at once an hour, for keys whose week was learned twice over (14 days). With mu the requests that the hours of
//! silence would have brought at least ([`Profile::expected_at_least`]) and alpha the key's over-dispersion (at least
//! 0.1), silence has the score ln(1 + alpha mu)/alpha, the negative logarithm of its chance. It fires at a score of 10
//! when the silence is at least 2 hours and twice the key's longest so far, so that nights, weekends and most holidays are none.
//! After 7 days it is no news any more.
//!
//! [`Profile::expected_at_least`]: crate::window::Profile::expected_at_least

use std::time::Duration;

use super::super::detector::Signal;
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};
use super::super::words;
use crate::units::Timestamp;
use crate::window::{Clockwork, KeyState, hour_of_week};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::VolumeDrop,
    name: "volume_drop",
    urgency: Urgency::Ticket,
    doc: "a key that is used all the time has fallen silent",
    causes: &["the client is down or was switched off", "the key was revoked or replaced", "the log no longer arrives"],
    steps: &["Ask the key's owner whether the client runs", "Retire the key if nobody needs it any more"],
    tune: "Lower `silence` for keys whose absence is an outage; switch it off where keys come and go.",
};

kind_settings! {
    /// Expected traffic of a key that is absent.
    VolumeDropConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Score that the silence must reach: the negative logarithm of its chance.
        score: f64 = 10.0,
        /// Silence that counts at least.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        silence: Duration = Duration::from_secs(2 * HOUR),
        /// How many times the longest silence so far.
        times_longest: f64 = 2.0,
    }
}

/// Longest silence that is news.
const STALE_S: i64 = 7 * 86_400;

/// The silence of a key or a source up to `now`, when it is too long.
pub(in crate::alert) fn silence(
    state: &KeyState,
    now: Timestamp,
    c: &VolumeDropConfig,
    clock: &Clockwork,
    unit: &'static str,
) -> Option<Signal> {
    let silent = now.secs() - state.last_seen.secs();
    let longest = state.longest_gap_s() as f64;
    if (silent as f64) < (c.silence.as_secs_f64()).max(c.times_longest * longest) || silent > STALE_S {
        return None;
    }
    let profile = state.profile().filter(|p| p.is_settled())?;
    let hours = state.last_seen.secs().div_euclid(3600) + 1..now.secs().div_euclid(3600);
    let mu: f64 = hours.map(|h| profile.expected_at_least(hour_of_week(h, clock.zone))).sum();
    let alpha = profile.alpha().max(0.1);
    let score = (alpha * mu).ln_1p() / alpha;
    (score >= c.score).then(|| Signal {
        observed: 0.0,
        expected: Some(mu),
        threshold: Some(c.score),
        score: Some(score),
        window_s: Some(silent.unsigned_abs()),
        unit,
        summary: format!(
            "has been silent for {}, where about {} {unit} were to be expected",
            words::span(silent),
            words::count(mu)
        ),
        why: format!(
            "last used {}; its longest silence before was {}; score {score:.1}, fires at {}",
            state.last_seen,
            words::span(longest as i64),
            c.score
        ),
        ..Signal::default()
    })
}
