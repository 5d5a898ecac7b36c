//! From a signal to the alert that people read.

use super::detector::Signal;
use super::episode::{episode_id, fingerprint};
use super::kind::{Kind, usual_severity};
use super::object::{Alert, AlertKey, Evidence, Links, RunbookStep, Status, Urgency};
use super::settings::Common;
use crate::redact::{Redactor, RuleId};
use crate::rules::RuleDef;
use crate::units::Timestamp;
use crate::window::Network;

/// What an alert is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub key: Option<AlertKey>,
    pub source: Option<String>,
    /// What sets this alert apart from others of its kind and key.
    pub policy: String,
    /// Redacted lines.
    pub lines: Vec<String>,
    /// Requests in each of the last 24 hours.
    pub hours: Vec<u32>,
    /// Whether it is never told as one of many.
    pub single: bool,
}

/// What is known about the rules that find credentials.
pub(super) struct RuleNotes {
    rules: Vec<RuleDef>,
}

impl RuleNotes {
    pub(super) fn new(redactor: &Redactor) -> Self {
        let slim = |r: &RuleDef| RuleDef {
            id: r.id.clone(),
            kind: r.kind.clone(),
            description: r.description.clone(),
            severity: r.severity,
            tag: r.tag,
            revoke: r.revoke.clone(),
            ..RuleDef::default()
        };
        Self { rules: redactor.rules().iter().map(slim).collect() }
    }

    pub(super) fn get(&self, id: RuleId) -> Option<&RuleDef> {
        self.rules.get(usize::from(id.0))
    }

    /// Whether what the rule finds lets somebody in, rather than being personal data.
    pub(super) fn is_credential(&self, id: RuleId) -> bool {
        const WORDS: [&str; 6] = ["PASSWORD", "PASSPHRASE", "PRIVATE_KEY", "SECRET", "CREDENTIAL", "TOKEN"];
        self.get(id).is_some_and(|r| r.tag || r.revoke.is_some() || WORDS.iter().any(|w| r.kind.contains(w)))
    }

    /// Whether the type `new` says more about a key than `old`: how to revoke it is known.
    pub(super) fn is_better(&self, new: &str, old: &str) -> bool {
        let known = |kind: &str| self.rules.iter().any(|r| r.kind == kind && r.revoke.is_some());
        known(new) && !known(old)
    }

    /// The first step: revoke or rotate, the way it is done for this type.
    fn revoke(&self, kind: Option<&str>, name: &str) -> RunbookStep {
        let how = kind.and_then(|k| self.rules.iter().find(|r| r.kind == k && r.revoke.is_some()));
        match how.and_then(|r| r.revoke.as_deref()) {
            Some(link) if link.starts_with("https://") || link.starts_with("http://") => {
                RunbookStep { step: format!("Revoke {name} and give its owner a new one"), link: Some(link.to_owned()) }
            }
            Some(text) => RunbookStep { step: format!("Revoke {name}: {text}"), link: None },
            None => RunbookStep { step: format!("Revoke or rotate {name} where it was issued"), link: None },
        }
    }
}

/// How people name a key: the operator's label, else type and pseudonym.
pub(super) fn name_of(key: &AlertKey) -> String {
    match &key.label {
        Some(label) => format!("{label} ({} {})", key.kind, key.tag),
        None => format!("{} {}", key.kind, key.tag),
    }
}

/// Makes the alert of a signal that begins at `at`.
pub(super) fn alert(
    kind: Kind,
    about: &About,
    signal: &Signal,
    c: &Common,
    rules: &RuleNotes,
    host: &str,
    at: Timestamp,
) -> Alert {
    let info = kind.info();
    let tag = about.key.as_ref().map_or("", |k| k.tag.as_str());
    let fingerprint = fingerprint(info.name, tag, &about.policy);
    let urgency = if signal.escalate { Urgency::Page } else { signal.urgency.unwrap_or(c.urgency) };
    let name = about.key.as_ref().map(name_of);
    let summary = match &name {
        Some(name) => format!("{name} {}", signal.summary),
        None => signal.summary.clone(),
    };
    let revoke = rules.revoke(about.key.as_ref().map(|k| k.kind.as_str()), name.as_deref().unwrap_or("the credential"));
    let rest = info.steps.iter().map(|s| RunbookStep { step: (*s).to_owned(), link: None });
    Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: episode_id(&fingerprint, at, host),
        status: Status::Firing,
        kind: info.name.to_owned(),
        severity: c.severity.unwrap_or(usual_severity(urgency)),
        urgency,
        key: about.key.clone(),
        source: about.source.clone(),
        fingerprint,
        starts_at: at,
        ends_at: None,
        updated_at: at,
        summary,
        why: signal.why.clone(),
        evidence: Evidence {
            unit: signal.unit.to_owned(),
            observed: Some(round(signal.observed)),
            expected: signal.expected.map(round),
            threshold: signal.threshold.map(round),
            window_s: signal.window_s,
            score: signal.score.map(round),
            networks: signal.networks.iter().map(Network::to_string).collect(),
            lines: about.lines.clone(),
            hours: about.hours.clone(),
            audit_head: None,
        },
        likely_causes: info.causes.iter().map(|c| (*c).to_owned()).collect(),
        runbook: std::iter::once(revoke).chain(rest).collect(),
        count: 1,
        host: host.to_owned(),
        links: Links::default(),
    }
}

/// Four decimals: enough for a ratio, and no noise in the text.
fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
