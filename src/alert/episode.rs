//! The life of an alert: pending, firing, resolved, muted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::object::{Alert, Status};
use super::settings::Common;
use crate::units::{Timestamp, hex};

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// The condition holds, but not yet for long enough.
    Pending,
    /// The alert is out.
    Firing,
    /// It is over; kept while it mutes the next one.
    Over,
}

/// One condition from its first sign to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    pub phase: Phase,
    /// First sign.
    pub since: Timestamp,
    /// Last time the condition held.
    pub last_true: Timestamp,
    /// Last time something was sent.
    pub sent: Timestamp,
    /// The alert as it stands.
    pub alert: Alert,
}

impl Episode {
    /// A condition that begins at `at`, with its alert not yet sent.
    pub(super) fn new(alert: Alert, at: Timestamp) -> Self {
        Self { phase: Phase::Pending, since: at, last_true: at, sent: at, alert }
    }

    /// The condition holds at `at`. `fresh` is its alert made anew. Gives what is to be sent.
    pub(super) fn holds(&mut self, fresh: Alert, at: Timestamp, c: &Common) -> Option<Alert> {
        self.last_true = self.last_true.max(at);
        match self.phase {
            Phase::Over => {
                if at.since(self.alert.starts_at) < c.mute || self.alert.ends_at.is_some_and(|e| at < e) {
                    return None;
                }
                *self = Self::new(fresh, at);
                self.fire(at, c)
            }
            Phase::Pending => {
                let (id, starts_at) = (self.alert.id.clone(), self.alert.starts_at);
                self.alert = Alert { id, starts_at, ..fresh };
                self.fire(at, c)
            }
            Phase::Firing => {
                self.alert.count += 1;
                self.alert.updated_at = at;
                let worse = fresh.urgency > self.alert.urgency;
                if worse {
                    (self.alert.urgency, self.alert.severity) = (fresh.urgency, fresh.severity);
                }
                self.take_peak(fresh);
                let again = !c.renotify.is_zero() && at.since(self.sent) >= c.renotify;
                (worse || again).then(|| self.send(at))
            }
        }
    }

    /// Takes over the numbers and words of a stronger showing of the same condition.
    fn take_peak(&mut self, fresh: Alert) {
        let worth = |a: &Alert| a.evidence.score.or(a.evidence.observed).unwrap_or(0.0);
        if worth(&fresh) > worth(&self.alert) {
            let lines = std::mem::take(&mut self.alert.evidence.lines);
            (self.alert.evidence, self.alert.summary, self.alert.why) = (fresh.evidence, fresh.summary, fresh.why);
            self.alert.evidence.lines = lines;
        }
    }

    fn fire(&mut self, at: Timestamp, c: &Common) -> Option<Alert> {
        if at.since(self.since) < c.for_ {
            return None;
        }
        self.phase = Phase::Firing;
        Some(self.send(at))
    }

    /// Time has come to `at`. Gives the resolved alert when the condition has been over for long enough.
    pub(super) fn settle(&mut self, at: Timestamp, c: &Common) -> Option<Alert> {
        let end = self.last_true.plus(c.resolve_after);
        if self.phase != Phase::Firing || at < end {
            return None;
        }
        self.phase = Phase::Over;
        self.alert.status = Status::Resolved;
        self.alert.ends_at = Some(end);
        Some(self.send(end))
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_spent(&self, at: Timestamp, c: &Common) -> bool {
        match self.phase {
            Phase::Pending => at.since(self.last_true) > c.for_,
            Phase::Firing => false,
            Phase::Over => at.since(self.alert.starts_at) >= c.mute,
        }
    }

    fn send(&mut self, at: Timestamp) -> Alert {
        self.sent = at;
        self.alert.updated_at = at;
        self.alert.clone()
    }
}

/// Identity across episodes: the first 128 bits of SHA-256 over kind, key and policy, in hex.
pub fn fingerprint(kind: &str, tag: &str, policy: &str) -> String {
    let mut hash = Sha256::new();
    for part in [kind, tag, policy] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hex(&hash.finalize()[..16])
}

/// Identity of one episode: time from `starts`, the rest from a hash, so that history replayed gives the same ids.
pub fn episode_id(fingerprint: &str, starts: Timestamp, host: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(fingerprint.as_bytes());
    hash.update(starts.0.to_be_bytes());
    hash.update(host.as_bytes());
    let random = hash.finalize()[..10].iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
    let ms = u64::try_from(starts.0.div_euclid(1000)).unwrap_or(0);
    Ulid::from_parts(ms, random).to_string()
}
