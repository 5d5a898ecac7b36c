//! The table of what can be alerted: names, defaults, causes, what to do.

use super::kinds;
use super::object::Urgency;
use crate::rules::Severity;

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The kind.
    pub kind: Kind,
    /// Its name in alerts and configuration.
    pub name: &'static str,
    /// How soon somebody should look, unless configured otherwise.
    pub urgency: Urgency,
    /// One sentence for the manual.
    pub doc: &'static str,
    /// What usually causes it.
    pub causes: &'static [&'static str],
    /// What to do after the key is revoked.
    pub steps: &'static [&'static str],
    /// When to change its settings.
    pub tune: &'static str,
}

/// Makes the enum and the table of one list, so that they have the same order.
macro_rules! table {
    ($( $(#[$doc:meta])* $kind:ident: $($info:ident)::+, )*) => {
        /// A kind of alert.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $( $(#[$doc])* $kind, )*
        }

        /// All kinds, in the order of the manual.
        pub const KINDS: &[KindInfo] = &[$( kinds::$($info)::+, )*];
    };
}

table! {
    /// A key is used far more often in 5 or 60 minutes than its own past explains.
    VolumeSpike: volume_spike::INFO,
    /// The share of a key's requests that fail is far above its usual share.
    ErrorRate: error_rate::INFO,
    /// The share of a key's requests that are refused (401, 403) is far above its usual share.
    AuthFailures: auth_failures::INFO,
    /// A key that keeps to few networks is used from a new one.
    NewIp: new_ip::INFO,
    /// A key is used outside the hours of its calendar.
    AfterHours: after_hours::INFO,
    /// A key is used again after a silence far longer than any before.
    KeyDormant: key_dormant::INFO,
    /// A credential was written into a log in clear, where everybody who reads logs could read it.
    SecretLeaked: secret_leaked::INFO,
    /// A credential that stood in a log is now used from a network that was never seen with it.
    LeakedKeyUsed: leaked_key_used::INFO,
    /// A key is used from an address or a country that its policy does not name.
    IpNotAllowed: ip_not_allowed::INFO,
    /// A key is used with a language model that its policy does not name.
    ModelNotAllowed: model_not_allowed::INFO,
    /// A sensitive endpoint is called with a key that may not call it.
    EndpointSensitive: endpoint_sensitive::INFO,
    /// A key is used more often than its policy allows.
    RateLimit: rate_limit::INFO,
    /// A key is in use for longer than the time after which it should be replaced.
    KeyAge: key_age::INFO,
    /// A key is used after the day on which it expires.
    KeyExpired: key_expired::INFO,
    /// A key is used after it was retired; a page when the use is not refused.
    KeyRetiredUsed: key_retired_used::INFO,
    /// Callers pass their credential in the URL.
    KeyInUrl: key_in_url::INFO,
    /// A key is used over a connection without TLS.
    KeyOverPlaintext: key_over_plaintext::INFO,
    /// A key is used from a web page that its policy does not name.
    OriginNotAllowed: origin_not_allowed::INFO,
    /// A server's key is used by a browser.
    KeyInBrowser: key_in_browser::INFO,
    /// One key is used in two environments, or two services when that is asked for.
    KeyShared: key_shared::INFO,
    /// A key that keeps to few endpoints calls one that it never called.
    EndpointNew: endpoint_new::INFO,
    /// A key is used in a serving region that its policy does not name.
    RegionNotAllowed: region_not_allowed::INFO,
    /// A key is used from a country that is new for it.
    GeoChange: geo_change::INFO,
    /// A key is used from two places with less time between than anybody travels.
    ImpossibleTravel: impossible_travel::INFO,
    /// Most keys are busier than usual, or fail, at the same time.
    FleetShift: fleet_shift::INFO,
    /// A key is used much more over days than in the weeks before.
    VolumeRamp: volume_ramp::INFO,
    /// A key that is used all the time has fallen silent.
    VolumeDrop: volume_drop::INFO,
    /// A source that always has events has none.
    SourceSilent: source_silent::INFO,
    /// One address tries many keys and is refused.
    KeyEnumeration: key_enumeration::INFO,
    /// One key is used from many networks within an hour.
    KeyFanout: key_fanout::INFO,
    /// A key uses far more tokens, or costs far more, than its own past explains.
    CostSpike: cost_spike::INFO,
    /// A key is sent far more bytes than its own past explains.
    BytesSpike: bytes_spike::INFO,
    /// A request line shows a known attack.
    AttackSignature: attack_signature::INFO,
    /// Lines of a source bear times more than 5 minutes in the future.
    ClockSkew: ourselves::CLOCK_SKEW,
    /// The newest line of a source is older than it should be when it arrives.
    SourceLag: ourselves::SOURCE_LAG,
    /// Most events of a source have no time that can be read, so they are taken to happen when they arrive.
    ParseFailures: ourselves::PARSE_FAILURES,
    /// There are more keys than are remembered, so that some are forgotten.
    KeysEvicted: ourselves::KEYS_EVICTED,
    /// A receiver does not take alerts; the others are told.
    DeliveryFailing: ourselves::DELIVERY_FAILING,
    /// The audit log was changed, cut or cannot be written.
    AuditBroken: ourselves::AUDIT_BROKEN,
    /// A sink or the state cannot be written.
    OutputFailing: ourselves::OUTPUT_FAILING,
}

impl Kind {
    /// What is fixed about it.
    pub fn info(self) -> &'static KindInfo {
        // The table is in the order of the enum; a test holds it to that.
        &KINDS[self as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

/// The severity that goes with an urgency by default.
pub fn usual_severity(urgency: Urgency) -> Severity {
    match urgency {
        Urgency::Page => Severity::Critical,
        Urgency::Ticket => Severity::Warning,
        Urgency::Digest => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (i, info) in KINDS.iter().enumerate() {
            assert_eq!(info.kind as usize, i);
            assert_eq!(info.kind.name(), info.name);
            assert!(!info.causes.is_empty() && !info.steps.is_empty());
        }
    }
}
