//! The report of `replay` for a browser: one file without scripts and without anything from elsewhere.
//!
//! Every chart has its numbers in a table beside it, and no colour says what no word does. Everything that comes from a
//! log is escaped.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::alert::{Alert, DetectConfig, KINDS, Report, Urgency};
use crate::units::Timestamp;
use crate::window::KeyId;

const STYLE: &str = include_str!("replay.css");

/// Keys shown with their volume.
const MAX_KEYS: usize = 200;

/// Alerts shown in full.
const MAX_ALERTS: usize = 1000;

/// Text made safe for HTML, also inside of attributes.
fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Page => "page",
        Urgency::Ticket => "ticket",
        Urgency::Digest => "digest",
    }
}

fn time(t: Timestamp) -> String {
    t.to_utc().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The whole document.
pub fn document(report: &Report, alerts: &[Alert], detect: &DetectConfig) -> String {
    let mut out = String::new();
    let page = Page { report, alerts };
    let _ = page.write(&mut out, detect);
    out
}

struct Page<'a> {
    report: &'a Report,
    alerts: &'a [Alert],
}

impl Page<'_> {
    fn write(&self, out: &mut String, detect: &DetectConfig) -> std::fmt::Result {
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>What would have been alerted</title>\n<style>\n{STYLE}</style>\n<main>\n"
        )?;
        self.head(out)?;
        self.timeline(out)?;
        self.episodes(out)?;
        self.keys(out)?;
        self.kinds(out, detect)?;
        writeln!(
            out,
            "<p class=\"soft\">Made by logwarden {} from redacted lines; times are in UTC.</p>\n</main>\n</html>",
            env!("CARGO_PKG_VERSION")
        )
    }

    fn head(&self, out: &mut String) -> std::fmt::Result {
        let (c, days) = (&self.report.counters, self.report.key_days);
        writeln!(out, "<h1>What would have been alerted</h1>")?;
        if let Some((first, last)) = self.report.span {
            writeln!(out, "<p class=\"soft\">{} to {}</p>", time(first), time(last))?;
        }
        writeln!(out, "<div class=\"tiles\">")?;
        for urgency in [Urgency::Page, Urgency::Ticket, Urgency::Digest] {
            let n = self.alerts.iter().filter(|a| a.urgency == urgency).count();
            let rate = n as f64 * 1000.0 / days.max(1) as f64;
            writeln!(
                out,
                "<div class=\"tile\"><span class=\"mark {0}\">{0}</span><b>{n}</b><span class=\"soft\">{rate:.2} for 1000 key-days</span></div>",
                word(urgency)
            )?;
        }
        for (n, what) in [(c.events, "events"), (c.keys + c.evicted, "keys"), (days, "key-days")] {
            writeln!(out, "<div class=\"tile\"><span class=\"soft\">{what}</span><b>{n}</b></div>")?;
        }
        writeln!(out, "</div>")?;
        if c.late + c.ahead + c.untimed > 0 {
            let (late, ahead, untimed) = (c.late, c.ahead, c.untimed);
            writeln!(
                out,
                "<p class=\"soft\">Not scored: {late} events too late, {ahead} from the future, {untimed} without a time.</p>"
            )?;
        }
        Ok(())
    }

    /// Where an instant stands on a line of `width`.
    fn x(&self, t: Timestamp, width: f64) -> f64 {
        let Some((first, last)) = self.report.span else { return 0.0 };
        let whole = last.since(first).as_secs_f64().max(1.0);
        (t.since(first).as_secs_f64() / whole * width).clamp(0.0, width)
    }

    fn timeline(&self, out: &mut String) -> std::fmt::Result {
        let Some((first, last)) = self.report.span.filter(|_| !self.alerts.is_empty()) else {
            return writeln!(out, "<h2>Timeline</h2>\n<p>Nothing would have been alerted.</p>");
        };
        let kinds: Vec<&str> =
            KINDS.iter().map(|k| k.name).filter(|k| self.alerts.iter().any(|a| a.kind == *k)).collect();
        let (left, width, lane) = (150.0, 820.0, 26.0);
        let height = kinds.len() as f64 * lane + 34.0;
        writeln!(
            out,
            "<h2>Timeline</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline of alerts\">"
        )?;
        writeln!(
            out,
            "<svg viewBox=\"0 0 {} {height}\" style=\"min-width:860px\" role=\"img\" aria-label=\"Alerts by kind over time; the list below has the same in words\">",
            left + width + 20.0
        )?;
        for step in 0..=4 {
            let t = first.plus(last.since(first).mul_f64(f64::from(step) / 4.0));
            let x = left + self.x(t, width);
            let anchor = ["start", "middle", "middle", "middle", "end"][step as usize];
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"6\" y2=\"{:.1}\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                height - 24.0,
                height - 8.0,
                t.to_utc().format("%m-%d %H:%M")
            )?;
        }
        for (row, kind) in kinds.iter().enumerate() {
            let y = row as f64 * lane + 8.0;
            writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{kind}</text>", left - 10.0, y + 14.0)?;
            for alert in self.alerts.iter().filter(|a| a.kind == *kind) {
                let (from, to) = (self.x(alert.starts_at, width), self.x(alert.ends_at.unwrap_or(last), width));
                let (x, w, class) = (left + from, (to - from).max(5.0), word(alert.urgency));
                writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"18\" rx=\"2\"><title>{}: {}</title></rect>",
                    word(alert.urgency),
                    esc(&alert.summary)
                )?;
            }
        }
        writeln!(out, "</svg>\n</div>")
    }

    fn episodes(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "<h2>Alerts</h2>")?;
        for alert in self.alerts.iter().take(MAX_ALERTS) {
            let until = alert.ends_at.map_or_else(|| "goes on".to_owned(), |t| format!("until {}", time(t)));
            writeln!(
                out,
                "<details><summary><span class=\"mark {0}\">{0}</span> <b>{1}</b> <span class=\"soft\">{2}</span><br>{3}</summary><div>",
                word(alert.urgency),
                esc(&alert.kind),
                time(alert.starts_at),
                esc(&alert.summary)
            )?;
            writeln!(
                out,
                "<p>{}</p><dl><dt>lasted</dt><dd>{until}, confirmed {} times</dd>",
                esc(&alert.why),
                alert.count
            )?;
            let e = &alert.evidence;
            let numbers =
                [("observed", e.observed), ("expected", e.expected), ("score", e.score), ("fires at", e.threshold)];
            for (name, n) in numbers.iter().filter_map(|(name, n)| Some((name, (*n)?))) {
                let unit = if matches!(*name, "observed" | "expected") { esc(&e.unit) } else { String::new() };
                writeln!(out, "<dt>{name}</dt><dd>{n} {unit}</dd>")?;
            }
            if !e.networks.is_empty() {
                writeln!(out, "<dt>networks</dt><dd>{}</dd>", esc(&e.networks.join(", ")))?;
            }
            if let Some(source) = &alert.source {
                writeln!(out, "<dt>source</dt><dd>{}</dd>", esc(source))?;
            }
            writeln!(out, "<dt>likely causes</dt><dd>{}</dd>", esc(&alert.likely_causes.join("; ")))?;
            let steps: Vec<&str> = alert.runbook.iter().map(|s| s.step.as_str()).collect();
            writeln!(out, "<dt>what to do</dt><dd>{}</dd></dl>", esc(&steps.join(". ")))?;
            if !e.lines.is_empty() {
                writeln!(out, "<pre tabindex=\"0\">{}</pre>", esc(&e.lines.join("\n")))?;
            }
            writeln!(out, "</div></details>")?;
        }
        if self.alerts.len() > MAX_ALERTS {
            writeln!(out, "<p>{} more; `--format json` lists all.</p>", self.alerts.len() - MAX_ALERTS)?;
        }
        Ok(())
    }

    fn keys(&self, out: &mut String) -> std::fmt::Result {
        let mut alerts: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
        for alert in self.alerts {
            if let Some(key) = &alert.key {
                alerts.entry(key.tag.as_str()).or_default().push(alert);
            }
        }
        let mut rows: Vec<(&KeyId, u64)> =
            self.report.charts.iter().map(|(id, hours)| (id, hours.values().map(|n| u64::from(*n)).sum())).collect();
        let of = |id: &KeyId| alerts.get(id.name()).map_or(0, Vec::len);
        rows.sort_by(|a, b| (of(b.0), b.1, a.0).cmp(&(of(a.0), a.1, b.0)));
        writeln!(
            out,
            "<h2>Keys</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Keys and their volume\"><table class=\"keys\">"
        )?;
        writeln!(
            out,
            "<tr><th>key<th class=\"n\">requests<th class=\"n opt\">busiest hour<th class=\"n\">alerts<th>requests an hour, alerts marked</tr>"
        )?;
        for (id, total) in rows.iter().take(MAX_KEYS) {
            let hours = &self.report.charts[*id];
            let most = hours.values().max().copied().unwrap_or(0);
            let name = self.report.names.get(*id).map_or_else(
                || format!("<code>{}</code>", esc(id.as_str())),
                |k| {
                    let label = k.label.as_ref().map(|l| format!("{} ", esc(l))).unwrap_or_default();
                    format!("{label}<code>{} {}</code>", esc(&k.kind), esc(&k.tag))
                },
            );
            writeln!(
                out,
                "<tr><td>{name}<td class=\"n\">{total}<td class=\"n opt\">{most}<td class=\"n\">{}<td>",
                of(id)
            )?;
            self.spark(out, hours, most, alerts.get(id.name()).map_or(&[][..], Vec::as_slice))?;
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</table></div>")?;
        if rows.len() > MAX_KEYS {
            writeln!(out, "<p class=\"soft\">{} more keys.</p>", rows.len() - MAX_KEYS)?;
        }
        Ok(())
    }

    /// Requests an hour as bars, alerts as marks above.
    fn spark(&self, out: &mut String, hours: &BTreeMap<i64, u32>, most: u32, alerts: &[&Alert]) -> std::fmt::Result {
        let (width, height) = (260.0, 36.0);
        let Some((first, last)) = self.report.span else { return Ok(()) };
        let columns = ((last.since(first).as_secs() / 3600) as usize + 1).min(130);
        let mut sums = vec![0u64; columns];
        for (hour, n) in hours {
            let x = self.x(Timestamp::from_secs(hour * 3600).max(first), columns as f64) as usize;
            // Of hours that share a column the busiest is shown, so that a spike is not averaged away.
            let sum = &mut sums[x.min(columns - 1)];
            *sum = (*sum).max(u64::from(*n));
        }
        write!(
            out,
            "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"at most {most} requests an hour, {} alerts\">",
            alerts.len()
        )?;
        let w = width / columns as f64;
        for (at, n) in sums.iter().enumerate().filter(|(_, n)| **n > 0) {
            let h = (*n as f64 / f64::from(most.max(1)) * 26.0).max(1.0);
            write!(
                out,
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{h:.1}\"/>",
                at as f64 * w,
                height - h,
                (w - 0.4).max(0.6)
            )?;
        }
        for alert in alerts {
            let x = self.x(alert.starts_at, width - 6.0);
            write!(
                out,
                "<path class=\"{}\" d=\"M{x:.1} 0h6l-3 7z\"><title>{} {}</title></path>",
                word(alert.urgency),
                esc(&alert.kind),
                time(alert.starts_at)
            )?;
        }
        write!(out, "</svg>")
    }

    fn kinds(&self, out: &mut String, detect: &DetectConfig) -> std::fmt::Result {
        writeln!(
            out,
            "<h2>What each detector saw</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Detectors\"><table>"
        )?;
        writeln!(
            out,
            "<tr><th>detector<th>urgency<th class=\"n\">alerts<th class=\"n\">keys<th>strongest<th>what it looks for</tr>"
        )?;
        for info in KINDS {
            let mine: Vec<&Alert> = self.alerts.iter().filter(|a| a.kind == info.name).collect();
            let keys: std::collections::BTreeSet<_> =
                mine.iter().filter_map(|a| a.key.as_ref().map(|k| &k.tag)).collect();
            let worth = |a: &&&Alert| a.evidence.score.or(a.evidence.observed).unwrap_or(0.0);
            let strongest =
                mine.iter().max_by(|a, b| worth(a).total_cmp(&worth(b))).map_or_else(String::new, |a| esc(&a.summary));
            let common = detect.common(info.kind);
            let urgency = if common.enabled { word(common.urgency) } else { "off" };
            writeln!(
                out,
                "<tr><td><code>{}</code><td><span class=\"mark {urgency}\">{urgency}</span><td class=\"n\">{}<td class=\"n\">{}<td>{strongest}<td class=\"soft\">{}</tr>",
                info.name,
                mine.len(),
                keys.len(),
                esc(info.doc)
            )?;
        }
        writeln!(out, "</table></div>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_a_log_stays_text() {
        assert_eq!(esc("<b a=\"x\" b='y'>&\u{1b}"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}");
    }
}
