//! The table of what can be alerted: names, defaults, causes, what to do.

use super::object::Urgency;
use crate::rules::Severity;

/// A kind of alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Far more requests than usual.
    VolumeSpike,
    /// Far more failing requests than usual.
    ErrorRate,
    /// Far more refused requests than usual.
    AuthFailures,
    /// Use from a network that does not fit the key.
    NewIp,
    /// Use outside the hours of the key's calendar.
    AfterHours,
    /// Use after a long silence.
    KeyDormant,
    /// A credential stands in a log.
    SecretLeaked,
    /// A credential that stood in a log is used from a new network.
    LeakedKeyUsed,
}

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The kind.
    pub kind: Kind,
    /// Its name in alerts and configuration.
    pub name: &'static str,
    /// How soon somebody should look, unless configured otherwise.
    pub urgency: Urgency,
    /// One sentence for the manual.
    pub doc: &'static str,
    /// What usually causes it.
    pub causes: &'static [&'static str],
    /// What to do after the key is revoked.
    pub steps: &'static [&'static str],
}

/// All kinds, in the order of the manual.
pub const KINDS: &[KindInfo] = &[
    KindInfo {
        kind: Kind::VolumeSpike,
        name: "volume_spike",
        urgency: Urgency::Page,
        doc: "a key is used far more often in 5 or 60 minutes than its own past explains",
        causes: &[
            "a compromised key",
            "a client that retries or loops because of a bug",
            "a planned load that was not announced",
        ],
        steps: &["Ask the key's owner whether the load is theirs", "Limit the key's rate until the cause is known"],
    },
    KindInfo {
        kind: Kind::ErrorRate,
        name: "error_rate",
        urgency: Urgency::Ticket,
        doc: "the share of a key's requests that fail is far above its usual share",
        causes: &[
            "a client that is misconfigured or was just deployed",
            "abuse: somebody tries out what the key can do",
            "a fault of the service itself",
        ],
        steps: &["Look at the paths and statuses in the evidence", "Ask the key's owner about a recent change"],
    },
    KindInfo {
        kind: Kind::AuthFailures,
        name: "auth_failures",
        urgency: Urgency::Page,
        doc: "the share of a key's requests that are refused (401, 403) is far above its usual share",
        causes: &[
            "credential stuffing or guessing",
            "a revoked or expired key that a client still uses",
            "a key used where it has no rights",
        ],
        steps: &[
            "Block the networks in the evidence if they are not yours",
            "Replace the key in clients that still use an old one",
        ],
    },
    KindInfo {
        kind: Kind::NewIp,
        name: "new_ip",
        urgency: Urgency::Digest,
        doc: "a key that keeps to few networks is used from a new one",
        causes: &["use by somebody who should not have the key", "a move to another host, office or provider"],
        steps: &["Check whether the network belongs to the key's owner", "Allow only known networks for this key"],
    },
    KindInfo {
        kind: Kind::AfterHours,
        name: "after_hours",
        urgency: Urgency::Page,
        doc: "a key is used outside the hours of its calendar",
        causes: &["unauthorised use while nobody watches", "a job that was scheduled without changing the calendar"],
        steps: &["Ask the key's owner whether they were at work", "Extend the calendar if the use is right"],
    },
    KindInfo {
        kind: Kind::KeyDormant,
        name: "key_dormant",
        urgency: Urgency::Page,
        doc: "a key is used again after a silence far longer than any before",
        causes: &["an old key found by somebody else", "a rare job, such as a yearly report"],
        steps: &["Ask the key's owner whether it is still needed", "Retire keys that nobody uses"],
    },
    KindInfo {
        kind: Kind::SecretLeaked,
        name: "secret_leaked",
        urgency: Urgency::Ticket,
        doc: "a credential was written into a log in clear, where everybody who reads logs could read it",
        causes: &[
            "code that logs whole requests, headers or errors",
            "a secret passed in a URL",
            "debug logging left on",
        ],
        steps: &[
            "Stop the service from logging it: see the field and the lines in the evidence",
            "Remove it from logs that were written before redaction",
        ],
    },
    KindInfo {
        kind: Kind::LeakedKeyUsed,
        name: "leaked_key_used",
        urgency: Urgency::Page,
        doc: "a credential that stood in a log is now used from a network that was never seen with it",
        causes: &["somebody read the key in a log and uses it"],
        steps: &["Look at everything the key did since it leaked", "Find out who can read the log in which it stood"],
    },
];

impl Kind {
    /// What is fixed about it.
    pub fn info(self) -> &'static KindInfo {
        // The table is in the order of the enum; a test holds it to that.
        &KINDS[self as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

/// The severity that goes with an urgency by default.
pub fn usual_severity(urgency: Urgency) -> Severity {
    match urgency {
        Urgency::Page => Severity::Critical,
        Urgency::Ticket => Severity::Warning,
        Urgency::Digest => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (i, info) in KINDS.iter().enumerate() {
            assert_eq!(info.kind as usize, i);
            assert_eq!(info.kind.name(), info.name);
            assert!(!info.causes.is_empty() && !info.steps.is_empty());
        }
    }
}
