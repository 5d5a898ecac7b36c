//! The `[detect]` and `[keys]` sections.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::object::Urgency;
use super::zone::Zone;
use crate::rules::Severity;
use crate::units::duration;

/// What every kind of alert can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Common {
    /// Whether it is looked for.
    pub enabled: bool,
    /// How soon somebody should look.
    pub urgency: Urgency,
    /// How bad, when not what the urgency says.
    pub severity: Option<Severity>,
    /// How long the condition must hold before it fires.
    pub for_: Duration,
    /// How long the condition must be over before it resolves.
    pub resolve_after: Duration,
    /// How often a firing alert is sent again; zero never.
    pub renotify: Duration,
    /// How long after its beginning the same alert does not fire anew.
    pub mute: Duration,
}

/// Makes the settings of one kind: what every kind has, with its defaults, and what only it has.
macro_rules! kind_settings {
    (
        $(#[$doc:meta])*
        $name:ident {
            $urgency:ident, for $for_:expr, resolve $resolve:expr, renotify $renotify:expr, mute $mute:expr;
            $( $(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Whether this is looked for.
            pub enabled: bool,
            /// How soon somebody should look: `page`, `ticket` or `digest`.
            pub urgency: Urgency,
            /// How bad it is: `info`, `warning` or `critical`. Left out: what goes with the urgency.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub severity: Option<Severity>,
            /// How long the condition must hold before it fires.
            #[serde(rename = "for", with = "duration")]
            #[schemars(with = "String")]
            pub for_: Duration,
            /// How long the condition must be over before the alert resolves.
            #[serde(with = "duration")]
            #[schemars(with = "String")]
            pub resolve_after: Duration,
            /// How often an alert that goes on is sent again; `0s` never.
            #[serde(with = "duration")]
            #[schemars(with = "String")]
            pub renotify: Duration,
            /// How long after the beginning of an alert the same one cannot begin anew.
            #[serde(with = "duration")]
            #[schemars(with = "String")]
            pub mute: Duration,
            $( $(#[$field_doc])* pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    enabled: true,
                    urgency: Urgency::$urgency,
                    severity: None,
                    for_: Duration::from_secs($for_),
                    resolve_after: Duration::from_secs($resolve),
                    renotify: Duration::from_secs($renotify),
                    mute: Duration::from_secs($mute),
                    $( $field: $default, )*
                }
            }
        }

        impl $name {
            /// What every kind has.
            pub fn common(&self) -> Common {
                Common {
                    enabled: self.enabled,
                    urgency: self.urgency,
                    severity: self.severity,
                    for_: self.for_,
                    resolve_after: self.resolve_after,
                    renotify: self.renotify,
                    mute: self.mute,
                }
            }
        }
    };
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

kind_settings! {
    /// Far more requests than a key's own past explains.
    VolumeSpikeConfig {
        Page, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
        /// Score that the last 60 minutes must reach: the log of how much better "more than usual" explains them.
        score_60m: f64 = 10.0,
        /// Score that the last 5 minutes must reach.
        score_5m: f64 = 16.0,
        /// Requests above what is expected, below which nothing fires.
        min_excess: f64 = 30.0,
        /// How long a key is watched before it can fire.
        #[serde(with = "duration")]
        #[schemars(with = "String")]
        learn: Duration = Duration::from_secs(DAY),
    }
}

kind_settings! {
    /// Far more failing requests (status from 400 on but for 401 and 403) than a key's usual share.
    ErrorRateConfig {
        Ticket, for 0, resolve 15 * MINUTE, renotify 24 * HOUR, mute 0;
        /// Share of failing requests that counts at least, from 0 to 1.
        min_ratio: f64 = 0.20,
        /// How many times its usual share.
        times_usual: f64 = 3.0,
        /// Failing requests in 15 minutes, below which nothing fires.
        min_errors: u32 = 10,
    }
}

kind_settings! {
    /// Far more refused requests (401, 403, failed logins) than a key's usual share.
    AuthFailuresConfig {
        Page, for 0, resolve 15 * MINUTE, renotify 4 * HOUR, mute 0;
        /// Share of refused requests that counts at least, from 0 to 1.
        min_ratio: f64 = 0.10,
        /// How many times its usual share.
        times_usual: f64 = 5.0,
        /// Refused requests in 15 minutes, below which nothing fires.
        min_failures: u32 = 10,
    }
}

/// When a network is news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NewIpMode {
    /// When the key keeps to few networks, so that a new one does not fit it.
    #[default]
    Novel,
    /// Every network that the key was not used from before.
    Exact,
}

kind_settings! {
    /// Use from a new network (IPv4 /24, IPv6 /64).
    NewIpConfig {
        Digest, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// `novel`: only networks that do not fit the key's own habits; `exact`: every first sight.
        mode: NewIpMode = NewIpMode::Novel,
        /// Most new networks per active hour that a key may have had, for one in a new /16 (IPv6 /32).
        max_novelty_far: f64 = 0.02,
        /// The same for a new /24 (IPv6 /64) in a known neighbourhood.
        max_novelty_near: f64 = 0.01,
    }
}

kind_settings! {
    /// Use outside the hours of a calendar.
    AfterHoursConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 12 * HOUR;
        /// The calendar of keys that name none; without one, only keys that name a calendar are watched.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(example = &"office")]
        calendar: Option<String> = None,
        /// Requests within 60 minutes outside the hours, below which nothing fires.
        min_events: u32 = 5,
    }
}

kind_settings! {
    /// Use after a long silence.
    KeyDormantConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// Silence that counts at least.
        #[serde(with = "duration")]
        #[schemars(with = "String")]
        silence: Duration = Duration::from_secs(14 * DAY),
        /// How many times the key's longest silence so far.
        times_longest: f64 = 2.0,
    }
}

kind_settings! {
    /// A credential written into a log.
    SecretLeakedConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 30 * DAY;
        /// Whether to say, once per source and type, that an access log records the credentials of its callers.
        access_logs: bool = true,
    }
}

kind_settings! {
    /// A leaked credential used from a network never seen with it.
    LeakedKeyUsedConfig {
        Page, for 0, resolve HOUR, renotify 0, mute 24 * HOUR;
        /// How long after the leak.
        #[serde(with = "duration")]
        #[schemars(with = "String")]
        within: Duration = Duration::from_secs(90 * DAY),
    }
}

/// What is looked for, and how the keys are watched. Everything has a default that was measured for few false alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectConfig {
    /// The zone whose clocks the learned hours follow; an IANA name such as `Europe/Berlin`.
    pub zone: Zone,
    /// Most keys that are remembered; the ones seen longest ago make room.
    pub max_keys: usize,
    /// Far more requests than usual.
    pub volume_spike: VolumeSpikeConfig,
    /// Far more failing requests than usual.
    pub error_rate: ErrorRateConfig,
    /// Far more refused requests than usual.
    pub auth_failures: AuthFailuresConfig,
    /// Use from a new network.
    pub new_ip: NewIpConfig,
    /// Use outside the hours of a calendar.
    pub after_hours: AfterHoursConfig,
    /// Use after a long silence.
    pub key_dormant: KeyDormantConfig,
    /// A credential written into a log.
    pub secret_leaked: SecretLeakedConfig,
    /// A leaked credential used from a new network.
    pub leaked_key_used: LeakedKeyUsedConfig,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            zone: Zone::default(),
            max_keys: 1_000_000,
            volume_spike: VolumeSpikeConfig::default(),
            error_rate: ErrorRateConfig::default(),
            auth_failures: AuthFailuresConfig::default(),
            new_ip: NewIpConfig::default(),
            after_hours: AfterHoursConfig::default(),
            key_dormant: KeyDormantConfig::default(),
            secret_leaked: SecretLeakedConfig::default(),
            leaked_key_used: LeakedKeyUsedConfig::default(),
        }
    }
}

/// What is known about a key or a group of keys. All of `tag`, `id` and `pattern` that are given must fit; of several
/// policies that fit a key, the first in order of name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// The key's pseudonym, as `logwarden keys` shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0k7q2m9xw3ht6a")]
    pub tag: Option<String>,
    /// The id that the log itself carries, for example an `apiKeyId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"key_4711")]
    pub id: Option<String>,
    /// A pattern over `TYPE:name`, with `*` for any text: `OPENAI_API_KEY:*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"OPENAI_API_KEY:*")]
    pub pattern: Option<String>,
    /// What people call it. Left out: the name of this section.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"billing-prod")]
    pub label: Option<String>,
    /// The group it belongs to, for routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"prod")]
    pub group: Option<String>,
    /// Whether a new network for this key is worth a page.
    pub sensitive: bool,
    /// The name of its calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"office")]
    pub calendar: Option<String>,
}
