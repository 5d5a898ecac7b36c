//! Names of keys and networks.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::event::{KeyRef, Text};
use crate::redact::Tag;
use crate::units::hex;

/// Longest name of a key, in bytes; longer ones are cut and end in a hash of the whole.
const MAX_LEN: usize = 95;

/// What identifies a key: the pseudonym of its credential (14 characters), or `SPACE:name` for a name that the log
/// carries by itself (`API_KEY_ID:abc123`). Kept in place, so that looking one up allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId {
    len: u8,
    text: [u8; MAX_LEN],
}

impl KeyId {
    /// The key behind a reference of an event.
    pub fn of(key: &KeyRef<'_>) -> Self {
        match key {
            KeyRef::Tag { tag, .. } => Self::tag(*tag),
            KeyRef::Id { space, value } => Self::named(space, *value),
        }
    }

    /// A credential, by its pseudonym.
    pub fn tag(tag: Tag) -> Self {
        Self::fill(tag.as_str().bytes())
    }

    /// A name that the log carries.
    pub fn named(space: &str, value: Text<'_>) -> Self {
        let (raw, len) = (value.raw(), space.len() + 1 + value.raw().len());
        if value.is_plain() && len <= MAX_LEN && raw.iter().all(|b| (b' '..0x7f).contains(b)) {
            let mut text = [0; MAX_LEN];
            text[..space.len()].copy_from_slice(space.as_bytes());
            text[space.len()] = b':';
            text[space.len() + 1..len].copy_from_slice(raw);
            return Self { len: len as u8, text };
        }
        Self::fill(space.bytes().chain(*b":").chain(value.bytes().map(|b| if b < b' ' { b'_' } else { b })))
    }

    /// Reads what [`KeyId::as_str`] wrote; `None` when it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= MAX_LEN).then(|| Self::fill(text.bytes()))
    }

    fn fill(bytes: impl Iterator<Item = u8> + Clone) -> Self {
        let mut text = [0; MAX_LEN];
        let mut len = 0;
        for b in bytes.clone() {
            if len == MAX_LEN {
                return Self::cut(bytes);
            }
            text[len] = b;
            len += 1;
        }
        if std::str::from_utf8(&text[..len]).is_err() {
            return Self::cut(bytes);
        }
        Self { len: len as u8, text }
    }

    /// The first 60 bytes in ASCII, `~`, and 16 hex digits of the SHA-256 of the whole.
    fn cut(bytes: impl Iterator<Item = u8> + Clone) -> Self {
        let mut hash = Sha256::new();
        bytes.clone().for_each(|b| hash.update([b]));
        let hex = hex(&hash.finalize()[..8]);
        let ascii = bytes.map(|b| if b.is_ascii() { b } else { b'_' });
        let mut text = [0; MAX_LEN];
        let mut len = 0;
        for (slot, b) in text.iter_mut().zip(ascii.take(60).chain(*b"~").chain(hex.bytes())) {
            *slot = b;
            len += 1;
        }
        Self { len, text }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }

    /// The space of a name that the log carries (`API_KEY_ID`); `None` for a credential's pseudonym.
    pub fn space(&self) -> Option<&str> {
        self.as_str().split_once(':').map(|(space, _)| space)
    }

    /// Whether this is the space of a name that the log carries.
    #[inline(always)]
    pub fn is_in(&self, space: &str) -> bool {
        self.bytes().strip_prefix(space.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
            && !space.contains(':')
    }

    /// The pseudonym or the bare name.
    pub fn name(&self) -> &str {
        let text = self.as_str();
        text.split_once(':').map_or(text, |(_, name)| name)
    }

    /// A number spread evenly over keys, the same in every process.
    #[inline(always)]
    pub fn spread(&self) -> u64 {
        let mut hash = self.len as u64;
        for piece in self.bytes().chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            hash = mix(hash ^ u64::from_le_bytes(word));
        }
        hash
    }

    fn bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl Hash for KeyId {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes());
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The neighbourhood of an address: IPv4 /24 or IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    v6: bool,
    /// Upper and lower half: as one number it would take a third more memory in each key's list.
    bits: [u32; 2],
}

impl Network {
    /// The network of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::from_parts(false, u64::from(u32::from(ip) >> 8)),
            IpAddr::V6(ip) => Self::from_parts(true, (u128::from(ip) >> 64) as u64),
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.bits[0]) << 32 | u64::from(self.bits[1])
    }

    /// Whether both lie in one IPv4 /16 or IPv6 /32.
    pub fn near(self, other: Self) -> bool {
        self.v6 == other.v6 && self.wide() == other.wide()
    }

    fn wide(self) -> u64 {
        if self.v6 { self.bits() >> 32 } else { self.bits() >> 8 }
    }

    /// As one number and a mark, for storing.
    pub(super) fn parts(self) -> (bool, u64) {
        (self.v6, self.bits())
    }

    /// The reverse of [`Network::parts`].
    pub(super) fn from_parts(v6: bool, bits: u64) -> Self {
        Self { v6, bits: [(bits >> 32) as u32, bits as u32] }
    }

    /// A number spread evenly over networks, for choosing some of many in any order.
    pub(super) fn spread(self) -> u64 {
        mix(self.bits() ^ if self.v6 { 0x9e37_79b9_7f4a_7c15 } else { 0 })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v6 {
            write!(f, "{}/64", Ipv6Addr::from(u128::from(self.bits()) << 64))
        } else {
            write!(f, "{}/24", Ipv4Addr::from(self.bits[1] << 8))
        }
    }
}

/// A number spread evenly over addresses.
pub(super) fn spread_of(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => mix(u64::from(u32::from(ip))),
        IpAddr::V6(ip) => mix((u128::from(ip) >> 64) as u64 ^ mix(u128::from(ip) as u64)),
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input changes half of the output's.
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Makes the hashes of [`KeyId`]s for tables in memory. Whoever writes into a log can choose the names of keys, so they
/// start from numbers that are drawn anew in each process.
pub type KeyHash = foldhash::quality::RandomState;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_space_and_value() {
        let id = KeyId::named("API_KEY_ID", Text::plain(b"abc:1"));
        assert_eq!((id.as_str(), id.space(), id.name()), ("API_KEY_ID:abc:1", Some("API_KEY_ID"), "abc:1"));
        let tag = KeyId::tag(Tag::parse(b"1k7q2m9xw3ht6a").unwrap());
        assert_eq!((tag.space(), tag.name()), (None, "1k7q2m9xw3ht6a"));
        assert_eq!(KeyId::parse(tag.as_str()), Some(tag));
    }

    #[test]
    fn long_and_odd_names_are_cut_and_stay_apart() {
        let long = |c: u8| KeyId::named("USER", Text::plain(&[[b'x'; 200].as_slice(), &[c]].concat()));
        assert_ne!(long(b'a'), long(b'b'));
        assert_eq!(long(b'a').as_str().len(), 77);
        assert!(!KeyId::named("USER", Text::plain(b"\xff\xfe")).as_str().is_empty());
    }

    #[test]
    fn networks_are_24_and_64() {
        let n = |t: &str| Network::of(t.parse().unwrap());
        assert_eq!(n("203.0.113.7").to_string(), "203.0.113.0/24");
        assert_eq!(n("::ffff:203.0.113.9"), n("203.0.113.200"));
        assert_eq!(n("2001:db8:1:2::5").to_string(), "2001:db8:1:2::/64");
        assert!(n("203.0.113.7").near(n("203.0.1.1")) && !n("203.0.113.7").near(n("203.1.1.1")));
        assert!(n("2001:db8:1::").near(n("2001:db8:2::")) && !n("2001:db8::").near(n("2001:db9::")));
    }
}
