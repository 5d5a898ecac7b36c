//! `key_enumeration`: one address tries many keys.
//!
//! Different keys that were refused from one address within an hour of the clock: exact up to 16, beyond by HyperLogLog.
//! It fires at 10. An address that uses many keys rightly (a proxy, an office) is not refused with them.

use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{HOUR, kind_settings};

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyEnumeration,
    name: "key_enumeration",
    urgency: Urgency::Page,
    doc: "one address tries many keys and is refused",
    causes: &[
        "somebody tries out lists of leaked keys",
        "a proxy in front of clients whose keys were revoked together",
    ],
    steps: &[
        "Block the address in the evidence if it is not yours",
        "List it in `trusted_proxies` if it is a proxy of yours",
    ],
    tune: "Raise `min_keys` where a proxy's clients share an address that is not in `trusted_proxies`.",
};

kind_settings! {
    /// One address that tries many keys.
    KeyEnumerationConfig {
        Page, for 0, resolve HOUR, renotify 4 * HOUR, mute 0;
        /// Different keys refused within an hour.
        min_keys: u32 = 10,
    }
}
