//! The `[detect]` section: one part for each kind of alert.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::kinds::{
    AfterHoursConfig, AttackSignatureConfig, AuditBrokenConfig, AuthFailuresConfig, BytesSpikeConfig, ClockSkewConfig,
    CostSpikeConfig, DeliveryFailingConfig, EndpointNewConfig, EndpointSensitiveConfig, ErrorRateConfig,
    FleetShiftConfig, GeoChangeConfig, ImpossibleTravelConfig, IpNotAllowedConfig, KeyAgeConfig, KeyDormantConfig,
    KeyEnumerationConfig, KeyExpiredConfig, KeyFanoutConfig, KeyInBrowserConfig, KeyInUrlConfig,
    KeyOverPlaintextConfig, KeyRetiredUsedConfig, KeySharedConfig, KeysEvictedConfig, LeakedKeyUsedConfig,
    ModelNotAllowedConfig, NewIpConfig, OriginNotAllowedConfig, OutputFailingConfig, ParseFailuresConfig,
    RateLimitConfig, RegionNotAllowedConfig, SecretLeakedConfig, SourceLagConfig, SourceSilentConfig, VolumeDropConfig,
    VolumeRampConfig, VolumeSpikeConfig,
};
use super::settings::Common;
use super::zone::Zone;

/// Makes the section of one list of kinds.
macro_rules! section {
    ($( $(#[$doc:meta])* $field:ident: $ty:ty = $kind:ident, )*) => {
        /// What is looked for, and how the keys are watched. Everything has a default that was measured for few false alarms.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct DetectConfig {
            /// The zone whose clocks the learned hours follow; an IANA name such as `Europe/Berlin`.
            pub zone: Zone,
            /// Most keys that are remembered; the ones seen longest ago make room.
            pub max_keys: usize,
            $( $(#[$doc])* pub $field: $ty, )*
        }

        impl Default for DetectConfig {
            fn default() -> Self {
                Self { zone: Zone::default(), max_keys: 1_000_000, $( $field: <$ty>::default(), )* }
            }
        }

        impl DetectConfig {
            /// The settings that every kind has.
            pub fn common(&self, kind: Kind) -> Common {
                match kind {
                    $( Kind::$kind => self.$field.common(), )*
                }
            }
        }
    };
}

section! {
    /// A key is used far more often in 5 or 60 minutes than its own past explains.
    volume_spike: VolumeSpikeConfig = VolumeSpike,
    /// The share of a key's requests that fail is far above its usual share.
    error_rate: ErrorRateConfig = ErrorRate,
    /// The share of a key's requests that are refused (401, 403) is far above its usual share.
    auth_failures: AuthFailuresConfig = AuthFailures,
    /// A key that keeps to few networks is used from a new one.
    new_ip: NewIpConfig = NewIp,
    /// A key is used outside the hours of its calendar.
    after_hours: AfterHoursConfig = AfterHours,
    /// A key is used again after a silence far longer than any before.
    key_dormant: KeyDormantConfig = KeyDormant,
    /// A credential was written into a log in clear, where everybody who reads logs could read it.
    secret_leaked: SecretLeakedConfig = SecretLeaked,
    /// A credential that stood in a log is now used from a network that was never seen with it.
    leaked_key_used: LeakedKeyUsedConfig = LeakedKeyUsed,
    /// A key is used from an address or a country that its policy does not name.
    ip_not_allowed: IpNotAllowedConfig = IpNotAllowed,
    /// A key is used with a language model that its policy does not name.
    model_not_allowed: ModelNotAllowedConfig = ModelNotAllowed,
    /// A sensitive endpoint is called with a key that may not call it.
    endpoint_sensitive: EndpointSensitiveConfig = EndpointSensitive,
    /// A key is used more often than its policy allows.
    rate_limit: RateLimitConfig = RateLimit,
    /// A key is in use for longer than the time after which it should be replaced.
    key_age: KeyAgeConfig = KeyAge,
    /// A key is used after the day on which it expires.
    key_expired: KeyExpiredConfig = KeyExpired,
    /// A key is used after it was retired; a page when the use is not refused.
    key_retired_used: KeyRetiredUsedConfig = KeyRetiredUsed,
    /// Callers pass their credential in the URL.
    key_in_url: KeyInUrlConfig = KeyInUrl,
    /// A key is used over a connection without TLS.
    key_over_plaintext: KeyOverPlaintextConfig = KeyOverPlaintext,
    /// A key is used from a web page that its policy does not name.
    origin_not_allowed: OriginNotAllowedConfig = OriginNotAllowed,
    /// A server's key is used by a browser.
    key_in_browser: KeyInBrowserConfig = KeyInBrowser,
    /// One key is used in two environments, or two services when that is asked for.
    key_shared: KeySharedConfig = KeyShared,
    /// A key that keeps to few endpoints calls one that it never called.
    endpoint_new: EndpointNewConfig = EndpointNew,
    /// A key is used in a serving region that its policy does not name.
    region_not_allowed: RegionNotAllowedConfig = RegionNotAllowed,
    /// A key is used from a country that is new for it.
    geo_change: GeoChangeConfig = GeoChange,
    /// A key is used from two places with less time between than anybody travels.
    impossible_travel: ImpossibleTravelConfig = ImpossibleTravel,
    /// Most keys are busier than usual, or fail, at the same time.
    fleet_shift: FleetShiftConfig = FleetShift,
    /// A key is used much more over days than in the weeks before.
    volume_ramp: VolumeRampConfig = VolumeRamp,
    /// A key that is used all the time has fallen silent.
    volume_drop: VolumeDropConfig = VolumeDrop,
    /// A source that always has events has none.
    source_silent: SourceSilentConfig = SourceSilent,
    /// One address tries many keys and is refused.
    key_enumeration: KeyEnumerationConfig = KeyEnumeration,
    /// One key is used from many networks within an hour.
    key_fanout: KeyFanoutConfig = KeyFanout,
    /// A key uses far more tokens, or costs far more, than its own past explains.
    cost_spike: CostSpikeConfig = CostSpike,
    /// A key is sent far more bytes than its own past explains.
    bytes_spike: BytesSpikeConfig = BytesSpike,
    /// A request line shows a known attack.
    attack_signature: AttackSignatureConfig = AttackSignature,
    /// Lines of a source bear times more than 5 minutes in the future.
    clock_skew: ClockSkewConfig = ClockSkew,
    /// The newest line of a source is older than it should be when it arrives.
    source_lag: SourceLagConfig = SourceLag,
    /// Most events of a source have no time that can be read, so they are taken to happen when they arrive.
    parse_failures: ParseFailuresConfig = ParseFailures,
    /// There are more keys than are remembered, so that some are forgotten.
    keys_evicted: KeysEvictedConfig = KeysEvicted,
    /// A receiver does not take alerts; the others are told.
    delivery_failing: DeliveryFailingConfig = DeliveryFailing,
    /// The audit log was changed, cut or cannot be written.
    audit_broken: AuditBrokenConfig = AuditBroken,
    /// A sink or the state cannot be written.
    output_failing: OutputFailingConfig = OutputFailing,
}
