//! `replay --budget`: thresholds that would have kept history within so many alerts in a time.
//!
//! An episode is as strong as its score (or its number) is against the line that was drawn. The lines of all kinds are
//! raised by one common factor, the smallest that leaves no more episodes than the budget has room for. The proposal is
//! then replayed, since a line that was raised also changes when an episode begins.

use std::collections::BTreeMap;

use super::exit::{Exit, Failure};
use super::replay_pass::{Outcome, Settings};
use crate::alert::{Alert, Urgency};
use crate::config::to_table;

/// So many alerts of an urgency in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pub count: f64,
    pub urgency: Urgency,
    pub seconds: f64,
}

impl Budget {
    /// Reads `1 page per week`.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            let message = format!("`{text}` is no budget");
            Failure::new(Exit::USAGE, message)
                .help("write it like `1 page per week` (page, ticket or digest; day, week or month)")
        };
        let words: Vec<&str> = text.split_whitespace().filter(|w| *w != "per" && *w != "a").collect();
        let [count, urgency, time] = words[..] else { return Err(wrong()) };
        let urgency = match urgency.trim_end_matches('s') {
            "page" => Urgency::Page,
            "ticket" => Urgency::Ticket,
            "digest" => Urgency::Digest,
            _ => return Err(wrong()),
        };
        let seconds = match time {
            "day" => 86_400.0,
            "week" => 604_800.0,
            "month" => 2_629_800.0,
            _ => return Err(wrong()),
        };
        let count = count.parse().ok().filter(|n| (0.0..1e9).contains(n)).ok_or_else(wrong)?;
        Ok(Self { count, urgency, seconds })
    }

    /// Alerts that fit into a stretch of history.
    pub fn room(&self, seconds: f64) -> usize {
        (self.count * seconds / self.seconds).floor() as usize
    }

    /// Alerts of its urgency.
    pub fn spent(&self, alerts: &[Alert]) -> usize {
        alerts.iter().filter(|a| a.urgency == self.urgency).count()
    }
}

/// The settings that draw the line of a kind; none for kinds that hold to a policy.
fn lines(kind: &str) -> &'static [&'static str] {
    match kind {
        "volume_spike" | "cost_spike" | "bytes_spike" => &["score_60m", "score_5m"],
        "error_rate" | "auth_failures" => &["min_ratio"],
        "volume_drop" | "source_silent" => &["score"],
        "volume_ramp" | "fleet_shift" => &["times_usual"],
        "after_hours" => &["min_events"],
        "key_fanout" => &["min_networks"],
        "key_enumeration" => &["min_keys"],
        _ => &[],
    }
}

/// How far above its line an episode was.
fn strength(alert: &Alert) -> f64 {
    let e = &alert.evidence;
    let Some(line) = e.threshold.filter(|t| *t > 0.0) else { return 1.0 };
    e.score.or(e.observed).map_or(1.0, |seen| seen / line).max(1.0)
}

/// What is proposed.
pub struct Proposal {
    /// Changes as `detect.KIND.SETTING=VALUE`.
    pub changes: Vec<String>,
    pub settings: Settings,
    /// Episodes that no threshold can thin out, by kind.
    pub fixed: BTreeMap<String, usize>,
}

/// Proposes settings for a budget; `None` when history is within it.
pub fn propose(budget: &Budget, found: &Outcome, settings: &Settings) -> Result<Option<Proposal>, Failure> {
    let span = found.report.span.map_or(0.0, |(first, last)| last.since(first).as_secs_f64());
    let room = budget.room(span);
    let counted: Vec<&Alert> = found.alerts.iter().filter(|a| a.urgency == budget.urgency).collect();
    if counted.len() <= room {
        return Ok(None);
    }
    let (tuned, others): (Vec<&Alert>, Vec<&Alert>) = counted.into_iter().partition(|a| !lines(&a.kind).is_empty());
    let mut fixed = BTreeMap::new();
    for alert in &others {
        *fixed.entry(alert.kind.clone()).or_default() += 1;
    }
    let mut strengths: Vec<f64> = tuned.iter().map(|a| strength(a)).collect();
    strengths.sort_by(|a, b| b.total_cmp(a));
    // The strongest that does not fit any more, and a little.
    let factor = strengths.get(room.saturating_sub(others.len())).copied().unwrap_or(1.0) * 1.05;
    let mut new = settings.clone();
    let mut changes = Vec::new();
    let kinds: std::collections::BTreeSet<&str> = tuned.iter().map(|a| a.kind.as_str()).collect();
    let table = to_table(settings).unwrap_or_default();
    for kind in kinds {
        for setting in lines(kind) {
            let now = table.get("detect").and_then(|d| d.get(kind)).and_then(|k| k.get(*setting));
            let value = match now {
                Some(toml::Value::Integer(n)) => format!("{}", (*n as f64 * factor).ceil() as i64),
                Some(toml::Value::Float(n)) if *setting == "min_ratio" => format!("{:.2}", (n * factor).min(1.0)),
                Some(toml::Value::Float(n)) => format!("{:.1}", n * factor),
                _ => continue,
            };
            let change = format!("detect.{kind}.{setting}={value}");
            new = new.with(&change)?;
            changes.push(change);
        }
    }
    Ok(Some(Proposal { changes, settings: new, fixed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_people_say_them() {
        let week = Budget::parse("1 page per week").unwrap();
        assert_eq!((week.urgency, week.room(3.0 * 604_800.0), week.room(604_799.0)), (Urgency::Page, 3, 0));
        assert_eq!(Budget::parse("10 tickets a month").unwrap().urgency, Urgency::Ticket);
        for bad in ["", "page", "1 page", "-1 pages per day", "1 call per week", "1 page per year"] {
            assert!(Budget::parse(bad).is_err(), "{bad}");
        }
    }
}
