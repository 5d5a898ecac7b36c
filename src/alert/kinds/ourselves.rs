//! Watching ourselves: the kinds that say that the watching itself is in doubt.
//!
//! `clock_skew`, `source_lag`, `parse_failures` and `keys_evicted` are found by the monitor in what it is given;
//! `delivery_failing` is raised by the delivery, `audit_broken` by whoever keeps the audit log. Others tell the monitor by
//! [`Monitor::notice`](crate::alert::Monitor::notice).

use std::time::Duration;

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, MINUTE, kind_settings};

/// What is fixed about `clock_skew`.
pub(in crate::alert) const CLOCK_SKEW: KindInfo = KindInfo {
    kind: Kind::ClockSkew,
    name: "clock_skew",
    urgency: Urgency::Ticket,
    doc: "lines of a source bear times more than 5 minutes in the future",
    causes: &["the clock of a host is wrong", "times without a zone, read in the wrong one"],
    steps: &["Check the clock of the host (chronyc tracking)", "Set `zone` on the source if its times name none"],
    tune: "Correct clocks rather than the setting.",
};

kind_settings! {
    /// Lines from the future: more than 5 minutes ahead of their arrival.
    ClockSkewConfig {
        Ticket, for 0, resolve HOUR, renotify 24 * HOUR, mute 0;
        /// Lines of a source within an hour, below which nothing fires.
        min_lines: u64 = 10,
    }
}

/// What is fixed about `source_lag`.
pub(in crate::alert) const SOURCE_LAG: KindInfo = KindInfo {
    kind: Kind::SourceLag,
    name: "source_lag",
    urgency: Urgency::Ticket,
    doc: "the newest line of a source is older than it should be when it arrives",
    causes: &[
        "the service cannot keep up, or has just been started after a pause",
        "the shipper in front of it is behind",
    ],
    steps: &[
        "Compare the load of this machine with what the source writes",
        "Nothing is lost: alerts are late until it has caught up",
    ],
    tune: "Raise `max_lag` for sources that are shipped in batches.",
};

kind_settings! {
    /// Lines that arrive late.
    SourceLagConfig {
        Ticket, for 10 * MINUTE, resolve 15 * MINUTE, renotify 24 * HOUR, mute 0;
        /// How old the newest line may be when it arrives.
        #[serde(with = "crate::units::duration")]
        #[cfg_attr(test, schemars(with = "String"))]
        max_lag: Duration = Duration::from_secs(15 * MINUTE),
    }
}

/// What is fixed about `parse_failures`.
pub(in crate::alert) const PARSE_FAILURES: KindInfo = KindInfo {
    kind: Kind::ParseFailures,
    name: "parse_failures",
    urgency: Urgency::Ticket,
    doc: "most events of a source have no time that can be read, so they are taken to happen when they arrive",
    causes: &["a new format of the log", "times without a zone, and no `zone` on the source"],
    steps: &[
        "Run `logwarden explain` on a line of the source",
        "Set `roles = { time = \"/pointer\" }` in [event], or `zone` on the source",
    ],
    tune: "Raise `max_share` for sources in which most lines rightly bear no time.",
};

kind_settings! {
    /// Events whose time cannot be read.
    ParseFailuresConfig {
        Ticket, for 0, resolve HOUR, renotify 24 * HOUR, mute 0;
        /// Share of a source's events within an hour without a time, from 0 to 1.
        max_share: f64 = 0.5,
        /// Events of a source within an hour, below which nothing fires.
        min_events: u64 = 100,
    }
}

/// What is fixed about `keys_evicted`.
pub(in crate::alert) const KEYS_EVICTED: KindInfo = KindInfo {
    kind: Kind::KeysEvicted,
    name: "keys_evicted",
    urgency: Urgency::Ticket,
    doc: "there are more keys than are remembered, so that some are forgotten",
    causes: &[
        "somebody tries out random keys",
        "what identifies callers changes with each request, such as a session id",
    ],
    steps: &[
        "Look for one address that tries many keys",
        "Raise `detect.max_keys`, or choose another `identity` in [event]",
    ],
    tune: "Raise `max_keys` if the machine has about 1 KB of memory for each.",
};

kind_settings! {
    /// More keys than are remembered.
    KeysEvictedConfig {
        Ticket, for 0, resolve HOUR, renotify 24 * HOUR, mute 0;
    }
}

/// What is fixed about `delivery_failing`.
pub(in crate::alert) const DELIVERY_FAILING: KindInfo = KindInfo {
    kind: Kind::DeliveryFailing,
    name: "delivery_failing",
    urgency: Urgency::Ticket,
    doc: "a receiver does not take alerts; the others are told",
    causes: &["the server is down or unreachable", "a password, token or address changed"],
    steps: &["Run `logwarden alerts test` and mend the receiver"],
    tune: "Nothing to set but its urgency.",
};

kind_settings! {
    /// A receiver that does not take alerts.
    DeliveryFailingConfig {
        Ticket, for 0, resolve MINUTE, renotify 24 * HOUR, mute 0;
    }
}

/// What is fixed about `audit_broken`.
pub(in crate::alert) const AUDIT_BROKEN: KindInfo = KindInfo {
    kind: Kind::AuditBroken,
    name: "audit_broken",
    urgency: Urgency::Ticket,
    doc: "the audit log was changed, cut or cannot be written",
    causes: &["somebody edited or removed a part of it", "a full or damaged disk"],
    steps: &[
        "Keep a copy of the audit log as it is",
        "Run `logwarden audit verify`, which names the first broken entry",
    ],
    tune: "Nothing to set but its urgency.",
};

kind_settings! {
    /// An audit log that does not hold.
    AuditBrokenConfig {
        Ticket, for 0, resolve DAY, renotify 24 * HOUR, mute 0;
    }
}

/// What is fixed about `output_failing`.
pub(in crate::alert) const OUTPUT_FAILING: KindInfo = KindInfo {
    kind: Kind::OutputFailing,
    name: "output_failing",
    urgency: Urgency::Ticket,
    doc: "a sink or the state cannot be written, or is so slow that lines are dropped where `when_slow` allows it",
    causes: &[
        "the disk is full or failing",
        "the other side of a sink of type `http` does not answer",
        "nobody reads standard output",
    ],
    steps: &[
        "Make room or mend the disk: it goes on by itself, and nothing is lost of what can wait",
        "Lower `keep_total` of the sink",
    ],
    tune: "Nothing to set but its urgency.",
};

kind_settings! {
    /// A sink or the state that cannot be written.
    OutputFailingConfig {
        Ticket, for 0, resolve MINUTE, renotify HOUR, mute 0;
    }
}
