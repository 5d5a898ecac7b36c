//! Prometheus Alertmanager, API v2. Labels are identity: nothing in them changes within an episode, and no number.

use serde_json::{Map, Value, json};

use super::post::Post;
use crate::alert::{Alert, Severity, Status};
use crate::delivery::{clean, words};

/// The request for any number of alerts.
pub(crate) fn post(alerts: &[Alert]) -> Post {
    Post { path: "/api/v2/alerts".to_owned(), ..Post::json(alerts.iter().map(one).collect()) }
}

fn one(alert: &Alert) -> Value {
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let mut labels = Map::new();
    let mut label = |name: &str, value: &str| {
        labels.insert(name.to_owned(), json!(clean::line(value, 200)));
    };
    label("alertname", &alert.kind);
    label("severity", severity);
    label("service", "logwarden");
    label("instance", &alert.host);
    label("fingerprint", &alert.fingerprint);
    if let Some(source) = &alert.source {
        label("source", source);
    }
    if let Some(key) = &alert.key {
        label("key", &key.tag);
        label("key_type", &key.kind);
        for (name, value) in [("key_label", &key.label), ("key_group", &key.group)] {
            if let Some(value) = value {
                label(name, value);
            }
        }
    }
    let steps: Vec<String> =
        words::steps(alert).into_iter().map(|(s, l)| l.map_or(s.clone(), |l| format!("{s}: {l}"))).collect();
    let figures: Vec<String> = words::figures(alert).iter().map(|f| format!("{} {}", f.name, f.text)).collect();
    let mut body = json!({
        "labels": labels,
        "annotations": {
            "summary": clean::line(&alert.summary, 300),
            "description": clean::line(&alert.why, 1_000),
            "figures": figures.join(", "),
            "runbook": steps.join("\n"),
            "evidence": words::evidence(alert, 400).join("\n"),
            "alert_id": clean::line(&alert.id, 40),
        },
        "startsAt": alert.starts_at,
    });
    if alert.status == Status::Resolved {
        body["endsAt"] = json!(alert.ends_at.unwrap_or(alert.updated_at));
    }
    if let Some(page) = words::page(alert) {
        body["generatorURL"] = json!(page);
    }
    body
}
