//! `/metrics`: OpenMetrics 1.0, or the text format 0.0.4 that came before it, by what the client accepts.
//!
//! The two differ in the name under which a counter is described (`x` and `x_total`), in the type of what describes the
//! build, and in the mark at the end.

use std::fmt::Write;

use super::face::{Face, get};

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 16] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4.
    Text,
}

impl Format {
    /// What a client that says `Accept: {accept}` wants most; the text format when it does not say.
    pub(super) fn wanted(accept: &str) -> Self {
        let quality = |item: &str| {
            let q = item.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok());
            q.unwrap_or(1.0)
        };
        let (mut open, mut text) = (0.0f32, 0.0f32);
        for item in accept.split(',') {
            let essence = item.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
            match &*essence {
                "application/openmetrics-text" => open = open.max(quality(item)),
                "text/plain" | "text/*" | "*/*" => text = text.max(quality(item)),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A text of metrics that grows family by family.
struct Page {
    out: String,
    format: Format,
}

#[derive(Clone, Copy)]
enum Type {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Page {
    /// Begins a family. `name` is without `_total` and `_info`.
    fn family(&mut self, name: &str, kind: Type, unit: &str, help: &str) {
        let open = self.format == Format::OpenMetrics;
        let (suffix, word) = match kind {
            Type::Counter => (if open { "" } else { "_total" }, "counter"),
            Type::Gauge => ("", "gauge"),
            Type::Histogram => ("", "histogram"),
            Type::Info if open => ("", "info"),
            Type::Info => ("_info", "gauge"),
        };
        let _ = writeln!(self.out, "# HELP logwarden_{name}{suffix} {help}");
        let _ = writeln!(self.out, "# TYPE logwarden_{name}{suffix} {word}");
        if open && !unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT logwarden_{name} {unit}");
        }
    }

    /// One sample; `name` is whole.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.out, "logwarden_{name}");
        for (n, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{label}=\"{}\"", if n == 0 { "{" } else { "," }, escaped(text));
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All metrics.
pub(super) fn metrics(face: &Face, format: Format) -> String {
    let mut page = Page { out: String::with_capacity(8 << 10), format };
    lines(face, &mut page);
    redactions(face, &mut page);
    watching(face, &mut page);
    telling(face, &mut page);
    latency(face, &mut page);
    let successful = u8::from(face.reloads.last().successful);
    page.family(
        "config_last_reload_successful",
        Type::Gauge,
        "",
        "Whether the configuration read last is the one that runs.",
    );
    page.sample("config_last_reload_successful", &[], successful);
    page.family("build", Type::Info, "", "The version that runs.");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    if format == Format::OpenMetrics {
        page.out.push_str("# EOF\n");
    }
    page.out
}

fn lines(face: &Face, page: &mut Page) {
    page.family("lines", Type::Counter, "", "Lines read, withheld ones included.");
    for s in &face.sources {
        page.sample("lines_total", &[("source", &s.name)], get(&s.counters.lines));
    }
    page.family("bytes", Type::Counter, "bytes", "Bytes read.");
    for s in &face.sources {
        page.sample("bytes_total", &[("source", &s.name)], get(&s.counters.bytes));
    }
    let help = "Lines that begin as a JSON object and do not end as one.";
    page.family("lines_invalid_json", Type::Counter, "", help);
    for s in &face.sources {
        page.sample("lines_invalid_json_total", &[("source", &s.name)], get(&s.counters.invalid_json));
    }
    page.family("events", Type::Counter, "", "Lines that say something about a caller, a request or a secret.");
    for s in &face.sources {
        page.sample("events_total", &[("source", &s.name)], get(&s.counters.events));
    }
    let help = "Lines that were dropped because the output was too slow.";
    page.family("lines_dropped", Type::Counter, "", help);
    for s in &face.sources {
        page.sample("lines_dropped_total", &[("source", &s.name)], get(&s.meter.dropped_lines));
    }
    page.family("source_lag_bytes", Type::Gauge, "bytes", "Bytes that are there and were not read yet.");
    for s in &face.sources {
        page.sample("source_lag_bytes", &[("source", &s.name)], get(&s.meter.lag_bytes));
    }
}

fn redactions(face: &Face, page: &mut Page) {
    page.family("redactions", Type::Counter, "", "Values that were replaced.");
    for (rule, n) in face.counters.redactions() {
        let id = face.rules.get(usize::from(rule.0)).map_or("unknown", |r| &r.id);
        page.sample("redactions_total", &[("rule", id)], n);
    }
    page.family(
        "lines_withheld",
        Type::Counter,
        "",
        "Lines that were not passed on because they could not be redacted.",
    );
    for (reason, n) in face.counters.withheld_by_reason() {
        page.sample("lines_withheld_total", &[("reason", reason)], n);
    }
}

fn watching(face: &Face, page: &mut Page) {
    let numbers = face.board.numbers();
    page.family("events_late", Type::Counter, "", "Uses that came too late to be scored.");
    page.sample("events_late_total", &[], numbers.monitor.late);
    page.family("keys_tracked", Type::Gauge, "", "Keys that are remembered.");
    page.sample("keys_tracked", &[], numbers.monitor.keys);
    page.family("keys_evicted", Type::Counter, "", "Keys that had to make room.");
    page.sample("keys_evicted_total", &[], numbers.monitor.evicted);
    page.family("alerts", Type::Counter, "", "Alerts that began, changed or ended.");
    for (kind, status, n) in face.store.alert_counts().unwrap_or_default() {
        page.sample("alerts_total", &[("kind", &kind), ("status", &status)], n);
    }
}

fn telling(face: &Face, page: &mut Page) {
    page.family(
        "notifications",
        Type::Counter,
        "",
        "Messages to receivers: sent, failed and to be tried again, given up.",
    );
    let counts = face.store.notification_counts().unwrap_or_default();
    for r in &face.receivers {
        for outcome in ["sent", "failed", "dead"] {
            let is = |(receiver, of, _): &&(String, String, u64)| *receiver == r.name && of == outcome;
            let n = counts.iter().find(is).map_or(0, |(_, _, n)| *n);
            page.sample("notifications_total", &[("receiver", &r.name), ("outcome", outcome)], n);
        }
    }
    let help = "Attempts since the start that did not go as they should, by what was wrong.";
    page.family("notification_failures", Type::Counter, "", help);
    for counts in (face.sent)() {
        for (cause, n) in counts.causes {
            page.sample("notification_failures_total", &[("receiver", &counts.receiver), ("cause", cause)], n);
        }
    }
    let queues = face.store.queues().unwrap_or_default();
    page.family("outbox_pending", Type::Gauge, "", "Messages that wait to be sent, digest items included.");
    for r in &face.receivers {
        let waiting = queues.iter().find(|q| q.receiver == r.name).map_or(0, |q| q.pending + q.digest);
        page.sample("outbox_pending", &[("receiver", &r.name)], waiting);
    }
}

fn latency(face: &Face, page: &mut Page) {
    let (below, all, sum) = face.counters.latency_buckets(&BOUNDS);
    page.family("line_latency_seconds", Type::Histogram, "seconds", "From read to written.");
    for (bound, n) in BOUNDS.iter().zip(below) {
        // OpenMetrics wants 1.0 where the other format has 1; both read it
        let le = format!("{:?}", *bound as f64 / 1e6);
        page.sample("line_latency_seconds_bucket", &[("le", &le)], n);
    }
    page.sample("line_latency_seconds_bucket", &[("le", "+Inf")], all);
    page.sample("line_latency_seconds_sum", &[], sum.as_secs_f64());
    page.sample("line_latency_seconds_count", &[], all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_client_wants_most() {
        use Format::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, want) in [
            (prometheus, OpenMetrics),
            ("", Text),
            ("*/*", Text),
            ("text/plain", Text),
            ("application/openmetrics-text; version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;q=0.1,text/plain;q=0.5", Text),
            ("application/openmetrics-text;q=0", Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
        ] {
            assert_eq!(Format::wanted(accept), want, "{accept}");
        }
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page { out: String::new(), format: Format::Text };
        page.sample("x", &[("a", "q\"b\\n\nl"), ("b", "é")], 1);
        assert_eq!(page.out, "logwarden_x{a=\"q\\\"b\\\\n\\nl\",b=\"é\"} 1\n");
    }
}
