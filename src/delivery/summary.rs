//! Many alerts as one: the daily digest, and what a storm held back.

use super::chart::{Chart, KindCount};
use super::clean;
use crate::alert::{Alert, Evidence, Links, RunbookStep, Severity, Status, Urgency, episode_id, fingerprint};
use crate::units::Timestamp;

/// So many alerts are listed by name.
const LISTED: usize = 100;

/// Why many became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The time of day for it has come.
    Digest,
    /// There were too many to tell one by one.
    Storm,
}

/// One alert that stands for `alerts`, none of which is told by itself. Its id depends on the receiver and `at` only, so
/// that a second attempt has the same. With it goes what it looks like. A digest may stand for none.
pub(super) fn summary(reason: Reason, receiver: &str, alerts: &[Alert], host: &str, at: Timestamp) -> (Alert, Chart) {
    let chart = Chart::new(alerts, at);
    let kind = if reason == Reason::Digest { "digest" } else { "summary" };
    let fingerprint = fingerprint(kind, "", receiver);
    let worst = alerts.iter().map(|a| a.severity).max().unwrap_or(Severity::Info);
    let urgency = alerts.iter().map(|a| a.urgency).max().unwrap_or(Urgency::Digest);
    let n = alerts.len();
    let s = if n == 1 { "" } else { "s" };
    let summary = match reason {
        Reason::Digest if n == 0 => "Digest: nothing was found".to_owned(),
        Reason::Digest => format!("Digest: {n} finding{s} that can wait"),
        Reason::Storm => format!("{n} more alert{s} at once, held back and told together here"),
    };
    let mut lines: Vec<String> = alerts.iter().take(LISTED).map(line).collect();
    if n > LISTED {
        lines.push(format!("... and {} more: logwarden alerts list", n - LISTED));
    }
    let counts: Vec<String> = chart.kinds.iter().map(KindCount::words).collect();
    let alert = Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: episode_id(&fingerprint, at, host),
        status: Status::Firing,
        kind: kind.to_owned(),
        severity: if reason == Reason::Digest { Severity::Info } else { worst },
        urgency,
        key: None,
        source: None,
        fingerprint,
        starts_at: alerts.iter().map(|a| a.starts_at).min().unwrap_or(at),
        ends_at: None,
        updated_at: at,
        summary,
        why: match n {
            0 => "logwarden runs, and no alert has waited for this digest.".to_owned(),
            _ => format!("{}.", counts.join(", ")),
        },
        evidence: Evidence { unit: "alerts".to_owned(), observed: Some(n as f64), lines, ..Evidence::default() },
        likely_causes: Vec::new(),
        runbook: match reason {
            Reason::Digest => Vec::new(),
            Reason::Storm => vec![RunbookStep {
                step: "Look for one cause behind all of them: a deployment, a leaked list of keys, an outage"
                    .to_owned(),
                link: None,
            }],
        },
        count: n as u64,
        host: host.to_owned(),
        links: Links::default(),
    };
    (alert, chart)
}

fn line(alert: &Alert) -> String {
    let over = if alert.status == Status::Resolved { "resolved: " } else { "" };
    let day = alert.starts_at.to_utc().format("%m-%d %H:%M");
    clean::line(&format!("{day} {over}{} [{}]", alert.summary.trim_end_matches('.'), alert.id), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::message::message;
    use crate::delivery::sample::{alert, snapshots};
    use crate::delivery::template::Said;

    #[test]
    fn counts_are_exact_and_the_worst_decides() {
        let mut alerts = vec![alert(); 150];
        alerts[0].status = Status::Resolved;
        alerts.extend(vec![Alert { kind: "new_ip".to_owned(), severity: Severity::Info, ..alert() }; 9_850]);
        let (s, _) = summary(Reason::Storm, "ops", &alerts, "web-1", alert().updated_at);
        assert_eq!((s.count, s.severity, s.urgency), (10_000, Severity::Critical, Urgency::Page));
        assert_eq!(s.why, "9850 new_ip, 150 volume_spike (1 resolved).");
        assert_eq!(s.evidence.lines.len(), LISTED + 1);
        assert!(s.evidence.lines[LISTED].contains("9900 more"));
        let (again, _) = summary(Reason::Storm, "ops", &alerts[..5], "web-1", alert().updated_at);
        assert_eq!(again.id, s.id);
    }

    #[test]
    fn a_digest_reads_well() {
        let mut items = vec![alert(), alert()];
        items[1].kind = "new_ip".to_owned();
        let earlier = |n: u64| Alert {
            kind: "new_ip".to_owned(),
            starts_at: alert().starts_at.minus(std::time::Duration::from_secs(n * n * 900)),
            ..alert()
        };
        items.extend((0..9).map(earlier));
        let (mut digest, chart) = summary(Reason::Digest, "ops", &items, "web-1", alert().updated_at);
        digest.evidence.audit_head = Some(format!("1204:{}", "8f1c".repeat(16)));
        let mail = message(&digest, Some(&chart), &Said::default());
        snapshots(|| {
            insta::assert_snapshot!("mail_digest", mail.text);
            insta::assert_snapshot!("mail_digest_html", mail.html);
        });
    }
}
