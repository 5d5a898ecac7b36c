//! The parts that every message is made of: headline, figures, facts.

use std::time::Duration;

use super::chart::sparkline;
use super::clean;
use crate::alert::{Alert, Severity, Status};
use crate::units::{Timestamp, format_duration};

/// Longest headline, in characters.
const HEADLINE: usize = 200;

/// Cells of a bar.
const BAR: usize = 20;

/// The first word: how bad, or that it is over.
pub fn state(alert: &Alert) -> &'static str {
    match (alert.status, alert.severity) {
        (Status::Resolved, _) => "RESOLVED",
        (Status::Firing, Severity::Critical) => "CRITICAL",
        (Status::Firing, Severity::Warning) => "WARNING",
        (Status::Firing, Severity::Info) => "INFO",
    }
}

/// The colour that goes with [`state`], as 0xRRGGBB. Never the only sign.
pub fn colour(alert: &Alert) -> u32 {
    match state(alert) {
        "RESOLVED" => 0x002e_7d32,
        "CRITICAL" => 0x00c6_2828,
        "WARNING" => 0x00b2_6a00,
        _ => 0x0015_65c0,
    }
}

/// State and summary in one line.
pub fn headline(alert: &Alert) -> String {
    clean::line(&format!("{}: {}", state(alert), alert.summary.trim_end_matches('.')), HEADLINE)
}

/// The key as people know it: its label, else type and tag.
pub fn key_name(alert: &Alert) -> Option<String> {
    let key = alert.key.as_ref()?;
    let name = key.label.clone().unwrap_or_else(|| format!("{}:{}", key.kind, key.tag));
    Some(clean::line(&name, 80))
}

/// Since when, which key and where, in one line: what must be seen at once.
pub fn at_once(alert: &Alert) -> String {
    let since = match alert.ends_at {
        Some(end) => format!("{} to {}", time(alert.starts_at), time(end)),
        None => format!("since {}", time(alert.starts_at)),
    };
    let key = key_name(alert).map(|key| format!("key {key}"));
    let place = alert.source.as_ref().map_or(alert.host.clone(), |source| format!("{source} on {}", alert.host));
    let parts: Vec<String> = [Some(since), key, Some(place)].into_iter().flatten().collect();
    clean::line(&parts.join(" · "), 300)
}

/// One measured number: what it is, the number with its unit, and its size for a bar.
pub struct Figure {
    /// `observed`, `expected` or `threshold`.
    pub name: &'static str,
    /// For people: `5 200 requests`.
    pub text: String,
    /// The bare number.
    pub value: f64,
}

/// The numbers of an alert that can be set against each other.
pub fn figures(alert: &Alert) -> Vec<Figure> {
    let e = &alert.evidence;
    // With a score, the threshold is one for the score, and not to be set against what was observed.
    let threshold = e.threshold.filter(|_| e.score.is_none());
    let named = [("observed", e.observed), ("expected", e.expected), ("threshold", threshold)];
    let figure = |(name, value): (&'static str, Option<f64>)| {
        let value = value.filter(|v| v.is_finite())?;
        Some(Figure { name, text: clean::line(&quantity(value, &e.unit), 40), value })
    };
    named.into_iter().filter_map(figure).collect()
}

/// A number with its unit: ratios as per cent, seconds as a span, thousands set apart.
fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{} %", trimmed(value * 100.0)),
        "seconds" if value >= 0.0 => rounded(Duration::from_secs(value as u64)),
        _ => format!("{} {unit}", trimmed(value)),
    }
}

fn trimmed(value: f64) -> String {
    let digits = if value.abs() >= 100.0 || value == value.round() { 0 } else { 1 };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), ""), |(w, f)| (w, f));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("-", w));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A bare number to two decimals at most.
fn short(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

/// A bar of block characters for `value` where the widest stands for `most`; never empty for a value above zero.
pub fn bar(value: f64, most: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if !(value > 0.0 && most > 0.0) {
        return String::new();
    }
    let eighths = ((value / most).min(1.0) * (BAR * 8) as f64).round().max(1.0) as usize;
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// What [`day`] shows.
pub const DAY: &str = "Requests, last 24 hours";

/// A sparkline of the key's last 24 hours, and what its highest stands for.
pub fn day(alert: &Alert) -> Option<(String, String)> {
    let hours: Vec<u64> = alert.evidence.hours.iter().take(24).map(|n| u64::from(*n)).collect();
    let most = hours.iter().copied().max().filter(|n| *n > 0)?;
    Some((sparkline(&hours), format!("the hour at hand on the right; the highest is about {}", trimmed(most as f64))))
}

/// Where, what and since when, as (name, value); values are single lines.
pub fn facts(alert: &Alert) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: String| facts.push((name, clean::line(&value, 300)));
    if let Some(key) = &alert.key {
        let id = format!("{}:{}", key.kind, key.tag);
        add("Key", key.label.as_ref().map_or(id.clone(), |label| format!("{label} ({id})")));
        if let Some(group) = &key.group {
            add("Group", group.clone());
        }
    }
    add("Rule", alert.kind.clone());
    if let Some(score) = alert.evidence.score.filter(|s| s.is_finite()) {
        let fires = alert.evidence.threshold.map_or(String::new(), |t| format!(" (fires at {})", short(t)));
        add("Score", format!("{}{fires}", short(score)));
    }
    if let Some(window) = alert.evidence.window_s {
        add("Window", format_duration(Duration::from_secs(window)));
    }
    if !alert.evidence.networks.is_empty() {
        add("Networks", alert.evidence.networks.join(", "));
    }
    add("Began", time(alert.starts_at));
    if let Some(end) = alert.ends_at {
        add("Ended", format!("{} (after {})", time(end), rounded(end.since(alert.starts_at))));
    }
    if let Some(source) = &alert.source {
        add("Source", source.clone());
    }
    add("Host", alert.host.clone());
    add("Alert", alert.id.clone());
    facts
}

/// How to prove later that the audit log still reaches as far as it did: a command.
pub fn witness(alert: &Alert) -> Option<String> {
    let head = alert.evidence.audit_head.as_deref()?;
    Some(format!("logwarden audit verify --head {}", clean::line(head, 120)))
}

/// A time as it is written to people: UTC, to the second.
pub fn time(t: Timestamp) -> String {
    t.to_utc().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span to whole minutes from an hour on, else to whole seconds.
fn rounded(d: Duration) -> String {
    let step = if d.as_secs() >= 3_600 { 60 } else { 1 };
    format_duration(Duration::from_secs(d.as_secs() / step * step))
}

/// The runbook as (step, link that may be followed).
pub fn steps(alert: &Alert) -> Vec<(String, Option<&str>)> {
    alert.runbook.iter().map(|s| (clean::line(&s.step, 300), s.link.as_deref().and_then(clean::link))).collect()
}

/// The evidence, one line each, cut to `limit` characters.
pub fn evidence(alert: &Alert, limit: usize) -> Vec<String> {
    alert.evidence.lines.iter().map(|l| clean::line(l, limit)).collect()
}

/// The page of the alert, when it may be followed.
pub fn page(alert: &Alert) -> Option<&str> {
    alert.links.page.as_deref().and_then(clean::link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::alert;

    #[test]
    fn numbers_read_well() {
        assert_eq!(quantity(5_200.0, "requests"), "5 200 requests");
        assert_eq!(quantity(1_209_667.0, "seconds"), "14d1m");
        assert_eq!(quantity(0.4237, "ratio"), "42.4 %");
        assert_eq!(quantity(-1_234_567.4, "x"), "-1 234 567 x");
        assert_eq!(quantity(2.5, "requests"), "2.5 requests");
        assert_eq!(quantity(0.0, "requests"), "0 requests");
    }

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(10.0, 10.0).chars().count(), BAR);
        assert_eq!(bar(5.0, 10.0).chars().count(), BAR / 2);
        assert_eq!(bar(0.001, 10.0), "▏");
        assert_eq!(bar(0.0, 10.0), "");
        assert_eq!(bar(f64::NAN, 10.0), "");
    }

    #[test]
    fn the_headline_says_how_bad_first_and_is_one_line() {
        let mut a = alert();
        a.summary = format!("x\r\nBcc: a@b {}", "y".repeat(500));
        let line = headline(&a);
        assert!(line.starts_with("CRITICAL: x  Bcc") && line.chars().count() == HEADLINE, "{line}");
        a.status = Status::Resolved;
        assert!(headline(&a).starts_with("RESOLVED: "));
    }
}
