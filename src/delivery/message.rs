//! A mail's subject and text: what happened, what to do first, then the numbers and the evidence.

use std::fmt::Write as _;

use super::chart::{Chart, sparkline};
use super::template::Said;
use super::{clean, html, words};
use crate::alert::{Alert, Status};

/// Longest evidence line in a mail, in characters.
pub(super) const EVIDENCE: usize = 600;

/// What stands over the head of the audit log.
pub(super) const WITNESS: &str = "Proof of the audit log (keep this mail)";

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// One line without acting characters.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub text: String,
    /// A whole HTML document with no outside references.
    pub html: String,
}

/// Writes the mail for one alert; `chart` goes with one that stands for many, `said` holds what templates made of it.
pub(super) fn message(alert: &Alert, chart: Option<&Chart>, said: &Said) -> Message {
    let subject = said.subject.clone().unwrap_or_else(|| format!("[logwarden] {}", words::headline(alert)));
    match &said.body {
        Some(body) => Message { html: html::plain(&subject, body), text: format!("{body}\n"), subject },
        None => Message { subject, text: text(alert, chart), html: html::document(alert, chart) },
    }
}

/// The built-in text.
pub(super) fn text(alert: &Alert, chart: Option<&Chart>) -> String {
    let mut out = format!("{}\n{}\n", words::headline(alert), words::at_once(alert));
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _writing_to_a_string_cannot_fail = write!(out, "\n{title}\n  {}\n", lines.join("\n  "));
        }
    };
    let why = if chart.is_some() { Vec::new() } else { vec![clean::line(&alert.why, 1_000)] };
    section("Why", why);
    if alert.status == Status::Firing {
        section("Do this first", numbered(alert));
    }
    match chart {
        Some(chart) => counts(chart, &mut section),
        None => {
            section("Numbers", numbers(alert));
            section(words::DAY, words::day(alert).map_or_else(Vec::new, |(line, scale)| vec![line, scale]));
        }
    }
    section("Usual causes", alert.likely_causes.iter().map(|c| format!("- {}", clean::line(c, 300))).collect());
    section(evidence_title(alert), words::evidence(alert, EVIDENCE));
    section("Facts", words::facts(alert).into_iter().map(|(name, value)| format!("{name:<9} {value}")).collect());
    section("More", more(alert));
    section(WITNESS, words::witness(alert).into_iter().collect());
    out
}

fn numbered(alert: &Alert) -> Vec<String> {
    let steps = words::steps(alert).into_iter().enumerate();
    steps
        .map(|(i, (step, link))| format!("{}. {step}{}", i + 1, link.map_or(String::new(), |l| format!(": {l}"))))
        .collect()
}

fn numbers(alert: &Alert) -> Vec<String> {
    let figures = words::figures(alert);
    let most = figures.iter().map(|f| f.value).fold(0.0, f64::max);
    let width = figures.iter().map(|f| f.text.chars().count()).max().unwrap_or(0);
    let bar = |f: &words::Figure| if figures.len() > 1 { words::bar(f.value, most) } else { String::new() };
    let row = |f: &words::Figure| format!("{:<9} {:>width$}  {}", f.name, f.text, bar(f));
    figures.iter().map(|f| row(f).trim_end().to_owned()).collect()
}

fn counts(chart: &Chart, section: &mut impl FnMut(&str, Vec<String>)) {
    let most = chart.kinds.first().map_or(0, |k| k.all) as f64;
    let width = chart.kinds.iter().map(|k| k.words().chars().count()).max().unwrap_or(0);
    let row = |k: &super::chart::KindCount| format!("{:<width$}  {}", k.words(), words::bar(k.all as f64, most));
    section("How many", chart.kinds.iter().map(row).collect());
    if !chart.hours.is_empty() {
        section("When they began (24 hours, the last one on the right)", vec![sparkline(&chart.hours)]);
    }
}

/// What the lines of an alert are.
pub(super) fn evidence_title(alert: &Alert) -> &'static str {
    if is_summary(alert) { "Alerts" } else { "Evidence (redacted)" }
}

fn is_summary(alert: &Alert) -> bool {
    matches!(alert.kind.as_str(), "digest" | "summary")
}

/// Commands that lead on, and the page at the end when there is one.
pub(super) fn more(alert: &Alert) -> Vec<String> {
    if is_summary(alert) {
        return vec!["logwarden alerts list".to_owned()];
    }
    let id = clean::line(&alert.id, 40);
    let mut lines = vec![format!("logwarden alerts show {id}")];
    if alert.status == Status::Firing {
        lines.push(format!("logwarden alerts ack {id}"));
    }
    lines.extend(words::page(alert).map(str::to_owned));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::{alert, snapshots};

    fn message(alert: &Alert) -> Message {
        super::message(alert, None, &Said::default())
    }

    #[test]
    fn a_mail_in_text() {
        snapshots(|| insta::assert_snapshot!("mail_text", message(&alert()).text));
    }

    #[test]
    fn a_mail_in_html() {
        snapshots(|| insta::assert_snapshot!("mail_html", message(&alert()).html));
    }

    #[test]
    fn a_resolved_mail_says_how_long_and_asks_for_nothing() {
        let mut a = alert();
        a.status = Status::Resolved;
        a.ends_at = Some(a.starts_at.plus(std::time::Duration::from_secs(1_500)));
        let m = message(&a);
        assert!(m.subject.starts_with("[logwarden] RESOLVED: Key billing-prod"), "{}", m.subject);
        assert!(m.text.contains("after 25m") && !m.text.contains("Do this first") && !m.text.contains("alerts ack"));
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut a = alert();
        let hostile = "</pre><img src=x onerror=alert(1)>\r\n.\r\nBcc: x@y\u{202e}\u{0}";
        a.summary = hostile.to_owned();
        a.why = hostile.to_owned();
        a.likely_causes = vec![hostile.to_owned()];
        a.host = hostile.to_owned();
        a.runbook[0].step = hostile.to_owned();
        a.runbook[0].link = Some("javascript:alert(1)".to_owned());
        a.links.page = Some("https://x/\" onmouseover=\"y".to_owned());
        a.evidence.unit = hostile.to_owned();
        a.evidence.lines = vec![hostile.to_owned()];
        let m = message(&a);
        for part in [&m.text, &m.html] {
            assert!(part.chars().all(|c| c == '\n' || !c.is_control()) && !part.contains('\u{202e}'));
            assert!(!part.contains("javascript:") && !part.contains("onmouseover"));
        }
        assert!(!m.html.contains("<img") && !m.subject.contains(['\r', '\n']));
        assert!(m.text.lines().all(|l| l != "." && !l.starts_with("Bcc")));
    }

    #[test]
    fn a_text_of_the_operators_own_stands_in_both_forms() {
        let own =
            Said { subject: Some("Subject <b>".to_owned()), body: Some("one\n  <i>two</i>".to_owned()), problem: None };
        let m = super::message(&alert(), None, &own);
        assert_eq!((m.subject.as_str(), m.text.as_str()), ("Subject <b>", "one\n  <i>two</i>\n"));
        assert!(m.html.contains("one\n  &lt;i&gt;two&lt;/i&gt;") && m.html.contains("Subject &lt;b&gt;"), "{}", m.html);
    }
}
