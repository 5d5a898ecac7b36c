//! One file a kind of alert: what it sees, its formula and where it comes from, its settings, its detector.

pub(super) mod after_hours;
pub(super) mod attack_signature;
pub(super) mod auth_failures;
pub(super) mod bytes_spike;
pub(super) mod cost_spike;
pub(super) mod endpoint_new;
pub(super) mod endpoint_sensitive;
pub(super) mod error_rate;
mod excess;
pub(super) mod fleet_shift;
pub(super) mod geo_change;
pub(super) mod impossible_travel;
pub(super) mod ip_not_allowed;
pub(super) mod key_age;
pub(super) mod key_dormant;
pub(super) mod key_enumeration;
pub(super) mod key_expired;
pub(super) mod key_fanout;
pub(super) mod key_in_browser;
pub(super) mod key_in_url;
pub(super) mod key_over_plaintext;
pub(super) mod key_retired_used;
pub(super) mod key_shared;
pub(super) mod leaked_key_used;
pub(super) mod model_not_allowed;
mod named;
pub(super) mod new_ip;
pub(super) mod origin_not_allowed;
pub(super) mod ourselves;
pub(super) mod rate_limit;
pub(super) mod region_not_allowed;
pub(super) mod secret_leaked;
mod shares;
pub(super) mod source_silent;
pub(super) mod volume_drop;
pub(super) mod volume_ramp;
pub(super) mod volume_spike;

pub use after_hours::AfterHoursConfig;
pub use attack_signature::AttackSignatureConfig;
pub use auth_failures::AuthFailuresConfig;
pub use bytes_spike::BytesSpikeConfig;
pub use cost_spike::CostSpikeConfig;
pub use endpoint_new::EndpointNewConfig;
pub use endpoint_sensitive::EndpointSensitiveConfig;
pub use error_rate::ErrorRateConfig;
pub use fleet_shift::FleetShiftConfig;
pub use geo_change::GeoChangeConfig;
pub use impossible_travel::ImpossibleTravelConfig;
pub use ip_not_allowed::IpNotAllowedConfig;
pub use key_age::KeyAgeConfig;
pub use key_dormant::KeyDormantConfig;
pub use key_enumeration::KeyEnumerationConfig;
pub use key_expired::KeyExpiredConfig;
pub use key_fanout::KeyFanoutConfig;
pub use key_in_browser::KeyInBrowserConfig;
pub use key_in_url::KeyInUrlConfig;
pub use key_over_plaintext::KeyOverPlaintextConfig;
pub use key_retired_used::KeyRetiredUsedConfig;
pub use key_shared::KeySharedConfig;
pub use leaked_key_used::LeakedKeyUsedConfig;
pub use model_not_allowed::ModelNotAllowedConfig;
pub use new_ip::{NewIpConfig, NewIpMode};
pub use origin_not_allowed::OriginNotAllowedConfig;
pub use ourselves::{
    AuditBrokenConfig, ClockSkewConfig, DeliveryFailingConfig, KeysEvictedConfig, OutputFailingConfig,
    ParseFailuresConfig, SourceLagConfig,
};
pub use rate_limit::RateLimitConfig;
pub use region_not_allowed::RegionNotAllowedConfig;
pub use secret_leaked::SecretLeakedConfig;
pub use source_silent::SourceSilentConfig;
pub use volume_drop::VolumeDropConfig;
pub use volume_ramp::VolumeRampConfig;
pub use volume_spike::VolumeSpikeConfig;

use super::config::DetectConfig;
use super::detector::Detector;
use crate::units::Tz;

/// The detectors that look at one key at a time, in the order in which they are asked.
pub(super) fn detectors(d: &DetectConfig, zone: Tz) -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(volume_spike::VolumeSpike { config: d.volume_spike.clone(), zone }),
        Box::new(cost_spike::CostSpike { config: d.cost_spike.clone(), zone }),
        Box::new(bytes_spike::BytesSpike { config: d.bytes_spike.clone(), zone }),
        Box::new(volume_ramp::VolumeRamp { config: d.volume_ramp.clone() }),
        Box::new(rate_limit::RateLimit),
        Box::new(error_rate::detector(&d.error_rate)),
        Box::new(auth_failures::detector(&d.auth_failures)),
        Box::new(after_hours::AfterHours { config: d.after_hours.clone(), zone }),
        Box::new(key_dormant::KeyDormant { config: d.key_dormant.clone() }),
        Box::new(leaked_key_used::LeakedKeyUsed { config: d.leaked_key_used.clone() }),
        Box::new(key_fanout::KeyFanout { config: d.key_fanout.clone() }),
        Box::new(ip_not_allowed::IpNotAllowed { config: d.ip_not_allowed.clone() }),
        Box::new(model_not_allowed::ModelNotAllowed),
        Box::new(endpoint_sensitive::EndpointSensitive { config: d.endpoint_sensitive.clone() }),
        Box::new(region_not_allowed::RegionNotAllowed),
        Box::new(origin_not_allowed::OriginNotAllowed),
        Box::new(key_age::KeyAge { config: d.key_age.clone() }),
        Box::new(key_expired::KeyExpired),
        Box::new(key_retired_used::KeyRetiredUsed),
        Box::new(key_over_plaintext::KeyOverPlaintext),
        Box::new(key_in_browser::KeyInBrowser { config: d.key_in_browser.clone() }),
        Box::new(key_shared::KeyShared { config: d.key_shared.clone() }),
        Box::new(endpoint_new::EndpointNew { config: d.endpoint_new.clone() }),
        Box::new(geo_change::GeoChange { config: d.geo_change.clone() }),
        Box::new(impossible_travel::ImpossibleTravel { config: d.impossible_travel.clone() }),
        // Last, so that it knows what the others say of the key.
        Box::new(new_ip::NewIp { config: d.new_ip.clone() }),
    ]
}
