//! The alert as every receiver, file and reader sees it: schema `logwarden.alert/v1`.

use serde::{Deserialize, Serialize};

pub use crate::rules::Severity;
use crate::units::Timestamp;

/// Where an alert stands in its life, as the outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The condition holds.
    Firing,
    /// The condition is over.
    Resolved,
}

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// In the daily mail.
    Digest,
    /// In working hours.
    Ticket,
    /// Now.
    Page,
}

/// The API key an alert is about, known by its pseudonym only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertKey {
    /// Label type, for example `OPENAI_API_KEY`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The pseudonym, or the id that the log carries.
    pub tag: String,
    /// The operator's name for it.
    pub label: Option<String>,
    /// The operator's group.
    pub group: Option<String>,
}

/// The numbers and lines behind an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the numbers count: `requests`, `ratio`, ...
    pub unit: String,
    /// What was seen in the window.
    pub observed: Option<f64>,
    /// What was to be expected.
    pub expected: Option<f64>,
    /// Where the detector draws its line.
    pub threshold: Option<f64>,
    /// Length of the window in seconds.
    pub window_s: Option<u64>,
    /// The detector's own score.
    pub score: Option<f64>,
    /// Networks that matter here, for example `203.0.113.0/24`.
    pub networks: Vec<String>,
    /// Up to five redacted log lines.
    pub lines: Vec<String>,
    /// Requests of the key in each of the last 24 hours, the hour at hand last; right to 5 %. Left out when there is no
    /// key, or it is younger than two hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<u32>,
    /// The last record of the audit log as `audit verify --head` takes it, `SEQ:MAC`, so that it is known elsewhere. In
    /// the daily digest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<String>,
}

/// One step of what to do; the first is always to revoke or rotate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookStep {
    /// What to do, in the imperative.
    pub step: String,
    /// Where.
    pub link: Option<String>,
}

/// Where to read on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The alert on the operators' page.
    pub page: Option<String>,
}

/// One firing episode. All fields are always present in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Always `logwarden.alert/v1`.
    pub schema: String,
    /// ULID of the episode; the same when it resolves.
    pub id: String,
    /// Firing or resolved.
    pub status: Status,
    /// The detector, for example `volume_spike`.
    pub kind: String,
    /// How bad.
    pub severity: Severity,
    /// How soon.
    pub urgency: Urgency,
    /// Which key, when it is about one.
    pub key: Option<AlertKey>,
    /// Which configured source, when it is about one.
    pub source: Option<String>,
    /// Identity across episodes: first 128 bits of SHA-256 over kind, tag and policy id, in hex.
    pub fingerprint: String,
    /// When the episode began.
    pub starts_at: Timestamp,
    /// When it ended.
    pub ends_at: Option<Timestamp>,
    /// When this object last changed.
    pub updated_at: Timestamp,
    /// One sentence.
    pub summary: String,
    /// The numbers in words.
    pub why: String,
    /// The numbers.
    pub evidence: Evidence,
    /// What usually causes this.
    pub likely_causes: Vec<String>,
    /// What to do.
    pub runbook: Vec<RunbookStep>,
    /// How often the condition was confirmed in this episode.
    pub count: u64,
    /// The machine that saw it.
    pub host: String,
    /// Where to read on.
    pub links: Links,
}

impl Alert {
    /// The value of [`Alert::schema`].
    pub const SCHEMA: &'static str = "logwarden.alert/v1";
}
