//! The HTML form of a mail. Only what every client understands: tables, inline styles, cells with a background as bars;
//! no image, no script, nothing from outside. It has no colours of its own for text and ground, so that it follows a
//! dark client; colour is never the only sign.

use super::chart::{Chart, KindCount, sparkline};
use super::message::{EVIDENCE, WITNESS, evidence_title, more};
use super::{clean, words};
use crate::alert::{Alert, Status};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
<meta name=\"supported-color-schemes\" content=\"light dark\">";

const BODY: &str = "font:15px/1.45 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;margin:0;padding:16px";

const H2: &str = "font-size:13px;margin:20px 0 4px;text-transform:uppercase;letter-spacing:.04em;opacity:.75";

const PRE: &str = "font:12px/1.5 Consolas,Menlo,monospace;margin:0 0 4px;padding:6px 8px;white-space:pre-wrap;\
overflow-wrap:anywhere;word-break:break-word;border:1px solid #8884;border-radius:4px";

/// A table without lines, as wide as the text.
const TABLE: &str =
    "<table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" style=\"border-collapse:collapse\">";

/// A table as wide as there is room, for bars.
const WIDE: &str = "<table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" width=\"100%\" \
style=\"border-collapse:collapse;max-width:520px\">";

/// The colour of what is compared with.
const GREY: &str = "8a8f98";

/// A text that somebody wrote a template for.
pub(super) fn plain(subject: &str, body: &str) -> String {
    let text: Vec<String> = body.lines().map(clean::html).collect();
    format!(
        "{HEAD}<title>{}</title></head>\n<body style=\"{BODY}\"><div style=\"max-width:640px;white-space:pre-wrap\">{}</div></body></html>\n",
        clean::html(subject),
        text.join("\n")
    )
}

/// The built-in document.
pub(super) fn document(alert: &Alert, chart: Option<&Chart>) -> String {
    let headline = clean::html(&words::headline(alert));
    let mut out =
        format!("{HEAD}<title>{headline}</title></head>\n<body style=\"{BODY}\"><div style=\"max-width:640px\">\n");
    let mut push = |part: String| {
        out.push_str(&part);
        out.push('\n');
    };
    push(banner(alert));
    if chart.is_none() {
        push(format!("<p style=\"margin:12px 0 0\">{}</p>", clean::html(&clean::line(&alert.why, 1_000))));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            push(format!("<h2 style=\"{H2}\">{title}</h2>\n{body}"));
        }
    };
    if alert.status == Status::Firing {
        section("Do this first", steps(alert));
    }
    match chart {
        Some(chart) => {
            section("How many", kinds(chart));
            section("When they began", hours(chart));
        }
        None => {
            section("Numbers", numbers(alert));
            section(words::DAY, words::day(alert).map_or_else(String::new, |(line, scale)| spark(&line, &scale)));
        }
    }
    let causes: String =
        alert.likely_causes.iter().map(|c| format!("<li>{}</li>", clean::html(&clean::line(c, 300)))).collect();
    section("Usual causes", wrap(&causes, "<ul style=\"margin:0;padding-left:22px\">", "</ul>"));
    let pre = |l: &String| format!("<pre style=\"{PRE}\">{}</pre>", clean::html(l));
    section(evidence_title(alert), words::evidence(alert, EVIDENCE).iter().map(pre).collect());
    let row = |(name, value): &(&str, String)| {
        format!(
            "<tr><td valign=\"top\" style=\"padding:1px 16px 1px 0;opacity:.75\">{name}</td><td style=\"overflow-wrap:anywhere\">{}</td></tr>",
            clean::html(value)
        )
    };
    let facts: String = words::facts(alert).iter().map(row).collect();
    section("Facts", wrap(&facts, TABLE, "</table>"));
    section("More", leads(alert));
    section(WITNESS, words::witness(alert).map_or_else(String::new, |l| pre(&l)));
    out.push_str("</div></body></html>\n");
    out
}

fn wrap(inner: &str, before: &str, after: &str) -> String {
    if inner.is_empty() { String::new() } else { format!("{before}{inner}{after}") }
}

/// How bad, and what.
fn banner(alert: &Alert) -> String {
    let colour = words::colour(alert);
    let summary = clean::html(&clean::line(alert.summary.trim_end_matches('.'), 300));
    format!(
        "<div style=\"border-left:6px solid #{colour:06x};padding:2px 0 2px 12px\"><span style=\"background:#{colour:06x};\
         color:#fff;font-size:12px;font-weight:700;padding:2px 8px;border-radius:3px\">{}</span>\
         <div style=\"font-size:19px;font-weight:600;margin-top:4px\">{summary}</div>\
         <div style=\"margin-top:2px\">{}</div></div>",
        words::state(alert),
        clean::html(&words::at_once(alert))
    )
}

fn steps(alert: &Alert) -> String {
    let item = |(i, (step, link)): (usize, (String, Option<&str>))| {
        let weight = if i == 0 { "700" } else { "400" };
        let step = clean::html(&step);
        let step = link.map_or(step.clone(), |l| format!("<a href=\"{}\">{step}</a>", clean::html(l)));
        format!("<li style=\"font-weight:{weight}\">{step}</li>")
    };
    let items: String = words::steps(alert).into_iter().enumerate().map(item).collect();
    wrap(&items, "<ol style=\"margin:0;padding-left:22px\">", "</ol>")
}

/// A bar of `share` (0 to 1) of the room: a cell with a background, which no client takes away.
fn bar(share: f64, colour: &str) -> String {
    let width = (share * 100.0).round().clamp(1.0, 100.0);
    format!(
        "<table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" width=\"{width}%\"><tr><td bgcolor=\"#{colour}\" \
         height=\"12\" style=\"background:#{colour};height:12px;line-height:12px;font-size:1px\">&nbsp;</td></tr></table>"
    )
}

/// A row of a bar chart: what, how much, and the bar.
fn row(name: &str, text: &str, bar: &str) -> String {
    let cell = "padding:2px 12px 2px 0;white-space:nowrap";
    format!(
        "<tr><td style=\"{cell}\">{}</td><td align=\"right\" style=\"{cell}\"><b>{}</b></td><td width=\"100%\">{bar}</td></tr>",
        clean::html(name),
        clean::html(text)
    )
}

fn numbers(alert: &Alert) -> String {
    let figures = words::figures(alert);
    let most = figures.iter().map(|f| f.value).fold(0.0, f64::max);
    let colour = format!("{:06x}", words::colour(alert));
    let one = |f: &words::Figure| {
        let fill = if f.name == "observed" { colour.as_str() } else { GREY };
        let shown = figures.len() > 1 && f.value > 0.0 && most > 0.0;
        row(f.name, &f.text, &if shown { bar(f.value / most, fill) } else { String::new() })
    };
    wrap(&figures.iter().map(one).collect::<String>(), WIDE, "</table>")
}

fn kinds(chart: &Chart) -> String {
    let most = chart.kinds.first().map_or(1, |k| k.all).max(1) as f64;
    let one = |k: &KindCount| {
        let over = if k.over > 0 { format!(" ({} resolved)", k.over) } else { String::new() };
        row(&format!("{}{over}", k.kind), &k.all.to_string(), &bar(k.all as f64 / most, "1565c0"))
    };
    wrap(&chart.kinds.iter().map(one).collect::<String>(), WIDE, "</table>")
}

fn hours(chart: &Chart) -> String {
    if chart.hours.is_empty() {
        return String::new();
    }
    let most = chart.hours.iter().max().copied().unwrap_or(0);
    spark(&sparkline(&chart.hours), &format!("24 hours, the last one on the right; the highest stands for {most}"))
}

/// A line of block characters and what it means.
fn spark(line: &str, scale: &str) -> String {
    format!(
        "<div style=\"font:20px/1.2 Consolas,Menlo,DejaVu Sans Mono,monospace;letter-spacing:1px\">{}</div>\
         <div style=\"font-size:12px;opacity:.75\">{}</div>",
        clean::html(line),
        clean::html(scale)
    )
}

/// Where to read on.
fn leads(alert: &Alert) -> String {
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
