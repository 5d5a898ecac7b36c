//! `secret_leaked`: a credential was written into a log in clear.
//!
//! Each credential with a pseudonym has an alert of its own; passwords and the like have one per rule and source. An
//! access log that records the credentials its callers present is one alert per source and type, not one per caller.

use super::super::compose::RuleNotes;
use super::super::detector::Signal;
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use crate::units::Timestamp;
use crate::window::{KeyId, LeakDelta, LeakId, Lines, Tally};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::SecretLeaked,
    name: "secret_leaked",
    urgency: Urgency::Ticket,
    doc: "a credential was written into a log in clear, where everybody who reads logs could read it",
    causes: &["code that logs whole requests, headers or errors", "a secret passed in a URL", "debug logging left on"],
    steps: &[
        "Stop the service from logging it: see the field and the lines in the evidence",
        "Remove it from logs that were written before redaction",
    ],
    tune: "Set `access_logs = false` when the access log must hold credentials and everybody knows.",
};

kind_settings! {
    /// A credential written into a log.
    SecretLeakedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 30 * DAY;
        /// Whether to say, once per source and type, that an access log records the credentials of its callers.
        access_logs: bool = true,
    }
}

/// Credentials found in the log, ready to be alerted.
pub(in crate::alert) struct Found {
    /// The key that leaked, when it is known by a pseudonym.
    pub leaked: Option<KeyId>,
    /// Its type.
    pub kind: String,
    pub source: Option<String>,
    pub policy: String,
    pub first: Timestamp,
    pub lines: Vec<String>,
    pub signal: Signal,
    /// In words: `source app, field /msg`.
    pub place: String,
    /// Whether callers pass it in the URL of their requests.
    pub in_url: bool,
}

/// Everything that leaked, in order of time.
pub(in crate::alert) fn found(
    tally: &Tally,
    lines: &Lines,
    rules: &RuleNotes,
    sources: &[String],
    access_logs: bool,
) -> Vec<Found> {
    let mut all: Vec<(&LeakId, &LeakDelta)> = tally
        .leaks
        .iter()
        .filter(|(id, _)| {
            // In a URL everybody on the way can read it, in an access log or not.
            rules.is_credential(id.rule) && (access_logs || !id.presented || id.in_url)
        })
        .collect();
    all.sort_by_key(|(id, d)| (d.first, *id));
    all.into_iter().filter_map(|(id, delta)| one(id, delta, lines, rules, sources)).collect()
}

fn one(id: &LeakId, delta: &LeakDelta, lines: &Lines, rules: &RuleNotes, sources: &[String]) -> Option<Found> {
    let rule = rules.get(id.rule)?;
    let source = sources.get(usize::from(id.source.0)).cloned();
    let place = match &*delta.field {
        "" => "plain text".to_owned(),
        field => format!("field `{field}`"),
    };
    let at = source.as_ref().map_or_else(String::new, |s| format!(" of source `{s}`"));
    let leaked = id.key.filter(|_| !id.presented && !id.in_url);
    let n = words::often(delta.count);
    let summary = match (id.presented, leaked) {
        _ if id.in_url => format!("callers pass their credential ({}) in the URL{at}", rule.kind),
        (true, _) => format!("the access log{at} records the credentials of its callers ({})", rule.kind),
        (false, Some(_)) => format!("was written into the log{at}, in {place}"),
        (false, None) => format!("a credential ({}) was written into the log{at}, in {place}", rule.kind),
    };
    let why = format!(
        "rule `{}` ({}) found it {n} in {place}{at}; it was redacted here, but stands in clear where the log is written",
        rule.id, rule.description
    );
    let policy = match leaked {
        Some(_) => String::new(),
        None => {
            let how = if id.in_url || !id.presented { "" } else { "/access" };
            format!("{}/{}{how}", source.as_deref().unwrap_or("-"), rule.id)
        }
    };
    let signal = Signal { observed: f64::from(delta.count), unit: "redactions", summary, why, ..Signal::default() };
    let lines = delta.lines.in_order(lines);
    let named = source.as_ref().map(|s| format!("source {s}, "));
    let place = format!("{}{place}", named.unwrap_or_default());
    let in_url = id.in_url;
    Some(Found { place, in_url, leaked, kind: rule.kind.clone(), source, policy, first: delta.first, lines, signal })
}
