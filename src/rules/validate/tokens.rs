//! Tokens and keys with structure: JWT, Basic, Base58Check, Bech32.

use sha2::{Digest, Sha256};

/// Most bytes of a decoded token that are looked at.
const LOOK: usize = 512;

/// JWT or JWE: the header (before the first dot, or the whole value) decodes to a JSON object with `alg` (RFC 7515).
pub(super) fn jwt(value: &[u8]) -> bool {
    let header = value.split(|&b| b == b'.').next().unwrap_or_default();
    let mut buf = [0; LOOK];
    let Some(n) = base64_prefix(header, &mut buf) else { return false };
    let text = &buf[..n];
    let complete = header.len() / 4 * 3 <= LOOK;
    text.first() == Some(&b'{') && (text.windows(5).any(|w| w == b"\"alg\"") || !complete)
}

/// Base64 of `user:password` in printable text (RFC 7617).
pub(super) fn basic_auth(value: &[u8]) -> bool {
    let mut buf = [0; LOOK];
    let Some(n) = base64_prefix(value, &mut buf) else { return false };
    let text = &buf[..n];
    let printable = text.iter().all(|&b| b >= 0x20 && b != 0x7f);
    n >= 3 && printable && text.contains(&b':')
}

/// Decodes base64 in either alphabet, padded or not, as far as `out` reaches; none for a foreign character.
fn base64_prefix(text: &[u8], out: &mut [u8; LOOK]) -> Option<usize> {
    let (mut bits, mut held, mut n) = (0u32, 0u32, 0);
    let body = text.iter().rposition(|&b| b != b'=').map_or(&text[..0], |i| &text[..=i]);
    for &b in body {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(v)) & 0xffff;
        held += 6;
        if held >= 8 && n < LOOK {
            held -= 8;
            out[n] = (bits >> held) as u8;
            n += 1;
        }
    }
    Some(n)
}

/// Bitcoin private key in wallet import format: Base58Check, version 0x80 (or 0xef for test networks), 32 or 33 bytes.
pub(super) fn bitcoin_wif(value: &[u8]) -> bool {
    let mut buf = [0; 64];
    let Some(payload) = base58_check(value, &mut buf) else { return false };
    matches!(payload.len(), 33 | 34) && matches!(payload[0], 0x80 | 0xef)
}

/// Bitcoin address: Base58Check of 21 bytes, or Bech32 and Bech32m (BIP 173, BIP 350).
pub(super) fn bitcoin_address(value: &[u8]) -> bool {
    let mut buf = [0; 64];
    if value.len() > 3 && value[..3].eq_ignore_ascii_case(b"bc1") {
        return bech32(value);
    }
    (26..=35).contains(&value.len())
        && base58_check(value, &mut buf).is_some_and(|p| p.len() == 21 && matches!(p[0], 0 | 5))
}

/// Decodes Base58 and checks the last four bytes against the double SHA-256 of the rest, which is returned.
fn base58_check<'a>(value: &[u8], buf: &'a mut [u8; 64]) -> Option<&'a [u8]> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if value.is_empty() || value.len() > 80 {
        return None;
    }
    let mut len = 0; // Little-endian number in buf[..len].
    for &b in value {
        let mut carry = ALPHABET.iter().position(|&a| a == b)?;
        for byte in &mut buf[..len] {
            carry += usize::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            *buf.get_mut(len)? = carry as u8;
            len += 1;
            carry >>= 8;
        }
    }
    len += value.iter().take_while(|&&b| b == b'1').count();
    let bytes = buf.get_mut(..len)?;
    bytes.reverse();
    let at = len.checked_sub(4)?;
    let (payload, check) = bytes.split_at(at);
    let digest = Sha256::digest(Sha256::digest(payload));
    (!payload.is_empty() && check == &digest[..4]).then_some(payload)
}

/// Checksum of a Bech32 or Bech32m string in one case, with `bc` as the part for people.
fn bech32(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const BECH32M: u32 = 0x2bc8_30a3;
    let mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    if mixed || !(14..=90).contains(&value.len()) {
        return false;
    }
    let mut check = [3, 3, 0, 2, 3].iter().fold(1, |c, &v| polymod(c, v));
    for &b in &value[3..] {
        let Some(v) = ALPHABET.iter().position(|&a| a == b.to_ascii_lowercase()) else { return false };
        check = polymod(check, v as u32);
    }
    check == 1 || check == BECH32M
}

/// One step of the Bech32 checksum.
fn polymod(check: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = check >> 25;
    let next = (check & 0x1ff_ffff) << 5 ^ value;
    GENERATOR.iter().enumerate().fold(next, |c, (i, g)| if top >> i & 1 == 1 { c ^ g } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_headers() {
        assert!(jwt(b"eyJhbGciOiJIUzI1NiJ9.e30.c2ln"));
        assert!(jwt(b"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0"));
        assert!(!jwt(b"eyJ0eXAiOiJKV1QifQ.e30.x"), "no alg");
        assert!(!jwt(b"bm90anNvbg.e30.x") && !jwt(b"") && !jwt(b"ey\\J.e30.x"));
    }

    #[test]
    fn basic_credentials() {
        assert!(basic_auth(b"YWxpY2U6cGFzc3dvcmQ=") && basic_auth(b"YWxpY2U6cGFzc3dvcmQ"));
        assert!(!basic_auth(b"YWxpY2U=") && !basic_auth(b"AAECAwQ6") && !basic_auth(b"not base64"));
    }

    #[test]
    fn keys_and_addresses() {
        // The worked example of the wallet import format, and addresses out of BIP 173 and BIP 350.
        assert!(bitcoin_wif(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"));
        assert!(!bitcoin_wif(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK"));
        assert!(bitcoin_address(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"));
        assert!(!bitcoin_address(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"));
        assert!(bitcoin_address(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"));
        assert!(bitcoin_address(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!bitcoin_address(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5") && !bitcoin_address(b"1111"));
    }
}
