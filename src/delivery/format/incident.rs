//! Services that keep an incident open until it is resolved: PagerDuty, Opsgenie.

use serde_json::{Map, Value, json};

use super::post::Post;
use crate::alert::{Alert, Severity, Status};
use crate::delivery::{clean, words};

/// The facts, figures and evidence as one flat object of texts.
fn details(alert: &Alert) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("why".to_owned(), json!(clean::line(&alert.why, 1_000)));
    for figure in words::figures(alert) {
        map.insert(figure.name.to_owned(), json!(figure.text));
    }
    for (name, value) in words::facts(alert) {
        map.insert(name.to_lowercase(), json!(value));
    }
    let steps: Vec<String> =
        words::steps(alert).into_iter().map(|(s, l)| l.map_or(s.clone(), |l| format!("{s}: {l}"))).collect();
    let causes: Vec<String> = alert.likely_causes.iter().map(|c| clean::line(c, 300)).collect();
    for (name, lines) in [("runbook", steps), ("likely_causes", causes), ("evidence", words::evidence(alert, 400))] {
        if !lines.is_empty() {
            map.insert(name.to_owned(), json!(clean_join(&lines)));
        }
    }
    map
}

fn clean_join(lines: &[String]) -> String {
    lines.join("\n").chars().take(4_000).collect()
}

/// PagerDuty Events API v2. One firing episode is one incident.
pub(super) fn pagerduty(alert: &Alert, key: &str) -> Value {
    let mut event = json!({
        "routing_key": key,
        "event_action": if alert.status == Status::Firing { "trigger" } else { "resolve" },
        "dedup_key": alert.id,
    });
    if alert.status == Status::Resolved {
        return event;
    }
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    event["payload"] = json!({
        "summary": clean::line(&alert.summary, 1_000),
        "source": clean::line(&alert.host, 200),
        "severity": severity,
        "timestamp": alert.starts_at,
        "component": words::key_name(alert),
        "group": alert.source,
        "class": alert.kind,
        "custom_details": details(alert),
    });
    event["client"] = json!("logwarden");
    let links =
        words::steps(alert).into_iter().filter_map(|(step, link)| link.map(|l| json!({"href": l, "text": step})));
    event["links"] = links.collect();
    if let Some(page) = words::page(alert) {
        event["client_url"] = json!(page);
    }
    event
}

/// Opsgenie Alert API: create, or close by alias.
pub(super) fn opsgenie(alert: &Alert) -> Post {
    let post = |path: String, body| Post { path, scheme: "GenieKey", ..Post::json(body) };
    let source = clean::line(&format!("logwarden on {}", alert.host), 100);
    if alert.status == Status::Resolved {
        let id: String = url::form_urlencoded::byte_serialize(alert.id.as_bytes()).collect();
        let body = json!({"source": source, "note": clean::line(&alert.why, 1_000)});
        return post(format!("/{id}/close?identifierType=alias"), body);
    }
    let priority = match (alert.urgency, alert.severity) {
        (_, Severity::Critical) => "P1",
        (crate::alert::Urgency::Page, _) => "P2",
        (_, Severity::Warning) => "P3",
        (_, Severity::Info) => "P5",
    };
    let details = details(alert);
    let description =
        clean_join(&[clean::line(&alert.why, 1_000), text(&details, "runbook"), text(&details, "evidence")]);
    let body = json!({
        "message": clean::line(&alert.summary, 130),
        "alias": alert.id,
        "description": description,
        "priority": priority,
        "source": source,
        "entity": words::key_name(alert),
        "tags": ["logwarden", alert.kind],
        "details": details,
    });
    post(String::new(), body)
}

fn text(details: &Map<String, Value>, name: &str) -> String {
    details.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
