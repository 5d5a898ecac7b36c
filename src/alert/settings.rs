//! What every kind of alert can be told, and the macro that makes the settings of one kind.

use std::time::Duration;

use super::object::Urgency;
use crate::rules::Severity;

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 86_400;

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
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Whether this is looked for.
            pub enabled: bool,
            /// How soon somebody should look: `page`, `ticket` or `digest`.
            pub urgency: crate::alert::object::Urgency,
            /// How bad it is: `info`, `warning` or `critical`. Left out: what goes with the urgency.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub severity: Option<crate::rules::Severity>,
            /// How long the condition must hold before it fires.
            #[serde(rename = "for", with = "crate::units::duration")]
            #[cfg_attr(test, schemars(with = "String"))]
            pub for_: std::time::Duration,
            /// How long the condition must be over before the alert resolves.
            #[serde(with = "crate::units::duration")]
            #[cfg_attr(test, schemars(with = "String"))]
            pub resolve_after: std::time::Duration,
            /// How often an alert that goes on is sent again; `0s` never.
            #[serde(with = "crate::units::duration")]
            #[cfg_attr(test, schemars(with = "String"))]
            pub renotify: std::time::Duration,
            /// How long after the beginning of an alert the same one cannot begin anew.
            #[serde(with = "crate::units::duration")]
            #[cfg_attr(test, schemars(with = "String"))]
            pub mute: std::time::Duration,
            $( $(#[$field_doc])* pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    enabled: true,
                    urgency: crate::alert::object::Urgency::$urgency,
                    severity: None,
                    for_: std::time::Duration::from_secs($for_),
                    resolve_after: std::time::Duration::from_secs($resolve),
                    renotify: std::time::Duration::from_secs($renotify),
                    mute: std::time::Duration::from_secs($mute),
                    $( $field: $default, )*
                }
            }
        }

        impl $name {
            /// What every kind has.
            pub fn common(&self) -> $crate::alert::settings::Common {
                $crate::alert::settings::Common {
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

pub(super) use kind_settings;
