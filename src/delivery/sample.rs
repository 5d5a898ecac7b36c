//! Alerts for tests.

use crate::alert::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
use crate::units::Timestamp;

/// Runs `check` with insta's snapshots in `tests/snapshots`.
pub(crate) fn snapshots(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(check);
}

pub(crate) fn alert() -> Alert {
    let start = Timestamp::from_secs(1_777_636_800);
    Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: "01KQFD7V000000000000000000".to_owned(),
        status: Status::Firing,
        kind: "volume_spike".to_owned(),
        severity: Severity::Critical,
        urgency: Urgency::Page,
        key: Some(AlertKey {
            kind: "OPENAI_API_KEY".to_owned(),
            tag: "01k7q2m9xw3ht6".to_owned(),
            label: Some("billing-prod".to_owned()),
            group: Some("prod".to_owned()),
        }),
        source: Some("nginx".to_owned()),
        fingerprint: "5f2c8a1e9b7d4036a1c2e3f405162738".to_owned(),
        starts_at: start,
        ends_at: None,
        updated_at: start.plus(std::time::Duration::from_secs(60)),
        summary: "Key billing-prod made 5 200 requests in 5 minutes; about 40 were expected".to_owned(),
        why: "130 times the usual rate for a Friday at 12:00, and far outside its normal spread.".to_owned(),
        evidence: Evidence {
            unit: "requests".to_owned(),
            observed: Some(5_200.0),
            expected: Some(40.0),
            threshold: Some(16.0),
            window_s: Some(300),
            score: Some(23.4),
            networks: vec!["203.0.113.0/24".to_owned()],
            lines: vec![
                r#"{"key":"[OPENAI_API_KEY:01k7q2m9xw3ht6]","path":"/v1/chat","status":200,"ip":"203.0.113.9"}"#
                    .to_owned(),
                "<script>alert(1)</script> <!channel> ```@everyone``` *bold* \u{1b}[31m".to_owned(),
            ],
            hours: vec![
                31, 28, 30, 26, 22, 20, 24, 33, 38, 41, 40, 42, 39, 37, 41, 43, 40, 38, 36, 35, 33, 40, 39, 5200,
            ],
            audit_head: None,
        },
        likely_causes: vec!["the key was stolen and is being used".to_owned(), "a client retries in a loop".to_owned()],
        runbook: vec![
            RunbookStep {
                step: "Revoke or rotate the key".to_owned(),
                link: Some("https://platform.openai.com/api-keys".to_owned()),
            },
            RunbookStep { step: "Ask the owner of billing-prod whether this load is planned".to_owned(), link: None },
        ],
        count: 3,
        host: "web-1".to_owned(),
        links: Links { page: Some("http://localhost:9599/#/alerts/01KQFD7V000000000000000000".to_owned()) },
    }
}
