//! A mail's subject, text and HTML: what happened, what to do first, then the numbers and the evidence.

use std::fmt::Write as _;

use super::{clean, words};
use crate::alert::{Alert, Status};

/// Longest evidence line in a mail, in characters.
const EVIDENCE: usize = 600;

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line without acting characters.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub text: String,
    /// A whole HTML document with no outside references.
    pub html: String,
}

/// Writes the mail for one alert.
pub fn message(alert: &Alert) -> Message {
    Message { subject: format!("[logwarden] {}", words::headline(alert)), text: text(alert), html: html(alert) }
}

fn text(alert: &Alert) -> String {
    let mut out = format!("{}\n", words::headline(alert));
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _writing_to_a_string_cannot_fail = write!(out, "\n{title}\n  {}\n", lines.join("\n  "));
        }
    };
    section("Why", vec![clean::line(&alert.why, 1_000)]);
    if alert.status == Status::Firing {
        section("Do this first", numbered(alert));
    }
    section("Numbers", numbers(alert));
    section("Usual causes", alert.likely_causes.iter().map(|c| format!("- {}", clean::line(c, 300))).collect());
    section(evidence_title(alert), words::evidence(alert, EVIDENCE));
    section("Facts", words::facts(alert).into_iter().map(|(name, value)| format!("{name:<9} {value}")).collect());
    section("More", more(alert));
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

fn evidence_title(alert: &Alert) -> &'static str {
    if is_summary(alert) { "Alerts" } else { "Evidence (redacted)" }
}

fn is_summary(alert: &Alert) -> bool {
    matches!(alert.kind.as_str(), "digest" | "summary")
}

fn more(alert: &Alert) -> Vec<String> {
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

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">";

const BODY: &str = "font:15px/1.45 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;margin:0;padding:16px";

const H2: &str = "font-size:13px;margin:20px 0 4px;text-transform:uppercase;letter-spacing:.04em;opacity:.7";

const PRE: &str = "font:12px/1.5 Consolas,Menlo,monospace;margin:0 0 4px;padding:6px 8px;white-space:pre-wrap;\
word-break:break-all;border:1px solid #8884;border-radius:4px";

fn html(alert: &Alert) -> String {
    let headline = clean::html(&words::headline(alert));
    let mut out =
        format!("{HEAD}<title>{headline}</title></head>\n<body style=\"{BODY}\"><div style=\"max-width:640px\">\n");
    let colour = words::colour(alert);
    let summary = clean::html(&clean::line(alert.summary.trim_end_matches('.'), 300));
    let mut push = |part: String| {
        out.push_str(&part);
        out.push('\n');
    };
    push(format!(
        "<div style=\"border-left:6px solid #{colour:06x};padding:2px 0 2px 12px\"><div style=\"color:#{colour:06x};\
         font-weight:700\">{}</div><div style=\"font-size:19px;font-weight:600\">{summary}</div></div>",
        words::state(alert)
    ));
    push(format!("<p style=\"margin:12px 0 0\">{}</p>", clean::html(&clean::line(&alert.why, 1_000))));
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            push(format!("<h2 style=\"{H2}\">{title}</h2>\n{body}"));
        }
    };
    if alert.status == Status::Firing {
        section("Do this first", html_steps(alert));
    }
    section("Numbers", html_numbers(alert));
    let causes: String =
        alert.likely_causes.iter().map(|c| format!("<li>{}</li>", clean::html(&clean::line(c, 300)))).collect();
    section("Usual causes", wrap(&causes, "<ul style=\"margin:0;padding-left:22px\">", "</ul>"));
    let pre = |l: &String| format!("<pre style=\"{PRE}\">{}</pre>", clean::html(l));
    section(evidence_title(alert), words::evidence(alert, EVIDENCE).iter().map(pre).collect());
    let row = |(name, value): &(&str, String)| {
        format!("<tr><td style=\"padding:1px 16px 1px 0;opacity:.7\">{name}</td><td>{}</td></tr>", clean::html(value))
    };
    let facts: String = words::facts(alert).iter().map(row).collect();
    section("Facts", wrap(&facts, "<table style=\"border-collapse:collapse;font-size:14px\">", "</table>"));
    section("More", html_more(alert));
    out.push_str("</div></body></html>\n");
    out
}

fn wrap(body: &str, before: &str, after: &str) -> String {
    if body.is_empty() { String::new() } else { format!("{before}{body}{after}") }
}

fn html_steps(alert: &Alert) -> String {
    let item = |(i, (step, link)): (usize, (String, Option<&str>))| {
        let weight = if i == 0 { "700" } else { "400" };
        let step = clean::html(&step);
        let step = link.map_or(step.clone(), |l| format!("<a href=\"{}\">{step}</a>", clean::html(l)));
        format!("<li style=\"font-weight:{weight}\">{step}</li>")
    };
    let items: String = words::steps(alert).into_iter().enumerate().map(item).collect();
    wrap(&items, "<ol style=\"margin:0;padding-left:22px\">", "</ol>")
}

/// Bars are coloured table cells: they survive every mail client, with images off too.
fn html_numbers(alert: &Alert) -> String {
    let figures = words::figures(alert);
    let most = figures.iter().map(|f| f.value).fold(0.0, f64::max);
    let colour = words::colour(alert);
    let row = |f: &words::Figure| {
        let width = if figures.len() > 1 && f.value > 0.0 && most > 0.0 {
            (f.value / most * 240.0).round().max(2.0)
        } else {
            0.0
        };
        let fill = if f.name == "observed" { format!("#{colour:06x}") } else { "#8a8f98".to_owned() };
        format!(
            "<tr><td style=\"padding:2px 12px 2px 0\">{}</td><td style=\"padding:2px 12px 2px 0;text-align:right;\
             white-space:nowrap\"><b>{}</b></td><td><div style=\"background:{fill};height:12px;width:{width}px\"></div></td></tr>",
            f.name,
            clean::html(&f.text)
        )
    };
    let rows: String = figures.iter().map(row).collect();
    wrap(&rows, "<table style=\"border-collapse:collapse\">", "</table>")
}

fn html_more(alert: &Alert) -> String {
    let link =
        |l: &str| format!("<p style=\"margin:8px 0 0\"><a href=\"{}\">Open in logwarden</a></p>", clean::html(l));
    let mut lines = more(alert);
    let page = words::page(alert);
    if page.is_some() {
        lines.pop();
    }
    let commands: String = lines.iter().map(|c| format!("<pre style=\"{PRE}\">{}</pre>", clean::html(c))).collect();
    commands + &page.map_or(String::new(), link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::{alert, snapshots};

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
}
