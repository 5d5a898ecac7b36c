//! The whole configuration: one field a section, each of the type that its own room defines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::geoip::GeoipConfig;
use super::rules::{RulesConfig, read_packs};
use crate::alert::{CalendarConfig, DetectConfig, KeyConfig};
use crate::audit::AuditConfig;
use crate::delivery::{ReceiverConfig, RouteConfig};
use crate::event::{EventConfig, EventError, Roles};
use crate::redact::RedactConfig;
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;
use crate::store::{RetentionConfig, StateConfig};
use crate::web::HttpConfig;

/// Everything that `logwarden run` can be told. Every section may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where lines come from, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Where redacted lines go, by name.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// What happens to what was found, and what is left alone.
    pub redact: RedactConfig,
    /// How lines are read as events.
    pub event: EventConfig,
    /// What is known about keys, by a name of your choice.
    pub keys: BTreeMap<String, KeyConfig>,
    /// Working hours, by name.
    pub calendars: BTreeMap<String, CalendarConfig>,
    /// What is looked for, and how the keys are watched.
    pub detect: DetectConfig,
    /// Who is told, by name.
    pub receivers: BTreeMap<String, ReceiverConfig>,
    /// Which alerts go to whom. With no route at all every receiver gets every alert.
    pub routes: Vec<RouteConfig>,
    /// Rule packs beside the built-in ones.
    pub rules: RulesConfig,
    /// Where addresses are.
    pub geoip: GeoipConfig,
    /// Where the service keeps what must outlive it.
    pub state: StateConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// The log of what this program did, for those who must prove it.
    pub audit: AuditConfig,
    /// The page, the API and the metrics for operators. Without this section nothing listens.
    pub http: Option<HttpConfig>,
}

impl Config {
    /// How lines are read as events: the built-in schemas, those of `event.packs`, and the rest of `[event]`.
    ///
    /// # Errors
    /// Names the pack that cannot be read, or what is wrong with it.
    pub fn roles(&self) -> Result<Roles, EventError> {
        let packs = read_packs(&self.event.packs)
            .map_err(|e| EventError::Pack { pack: "event.packs".to_owned(), reason: e.to_string() })?;
        Roles::with_packs(&self.event, &packs)
    }
}
