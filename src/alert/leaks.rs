//! `secret_leaked`: a credential was written into a log in clear.
//!
//! Each credential with a pseudonym has an alert of its own; passwords and the like have one per rule and source. An
//! access log that records the credentials its callers present is one alert per source and type, not one per caller.

use super::compose::RuleNotes;
use super::detector::Signal;
use super::words;
use crate::units::Timestamp;
use crate::window::{KeyId, LeakDelta, LeakId, Lines, Tally};

/// Credentials found in the log, ready to be alerted.
pub(super) struct Found {
    /// The key that leaked, when it is known by a pseudonym.
    pub leaked: Option<KeyId>,
    /// Its type.
    pub kind: String,
    pub source: Option<String>,
    pub policy: String,
    pub first: Timestamp,
    pub lines: Vec<String>,
    pub signal: Signal,
}

/// Everything that leaked, in order of time.
pub(super) fn found(tally: &Tally, rules: &RuleNotes, sources: &[String], access_logs: bool) -> Vec<Found> {
    let mut all: Vec<(&LeakId, &LeakDelta)> =
        tally.leaks.iter().filter(|(id, _)| rules.is_credential(id.rule) && (access_logs || !id.presented)).collect();
    all.sort_by_key(|(id, d)| (d.first, *id));
    all.into_iter().filter_map(|(id, delta)| one(id, delta, &tally.lines, rules, sources)).collect()
}

fn one(id: &LeakId, delta: &LeakDelta, lines: &Lines, rules: &RuleNotes, sources: &[String]) -> Option<Found> {
    let rule = rules.get(id.rule)?;
    let source = sources.get(usize::from(id.source.0)).cloned();
    let place = match &*delta.field {
        "" => "plain text".to_owned(),
        field => format!("field `{field}`"),
    };
    let at = source.as_ref().map_or_else(String::new, |s| format!(" of source `{s}`"));
    let leaked = id.key.filter(|_| !id.presented);
    let n = words::count(f64::from(delta.count));
    let summary = match (id.presented, leaked) {
        (true, _) => format!("the access log{at} records the credentials of its callers ({})", rule.kind),
        (false, Some(_)) => format!("was written into the log{at}, in {place}"),
        (false, None) => format!("a credential ({}) was written into the log{at}, in {place}", rule.kind),
    };
    let why = format!(
        "rule `{}` ({}) found it {n} times in {place}{at}; it was redacted here, but stands in clear where the log is written",
        rule.id, rule.description
    );
    let policy = match leaked {
        Some(_) => String::new(),
        None => {
            format!("{}/{}{}", source.as_deref().unwrap_or("-"), rule.id, if id.presented { "/access" } else { "" })
        }
    };
    let signal = Signal { observed: f64::from(delta.count), unit: "redactions", summary, why, ..Signal::default() };
    let lines = delta.lines.in_order(lines).into_iter().map(|(_, line)| line.to_owned()).collect();
    Some(Found { leaked, kind: rule.kind.clone(), source, policy, first: delta.first, lines, signal })
}
