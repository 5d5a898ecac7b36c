//! Signatures of webhooks after the Standard Webhooks specification (v1, symmetric).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::units::Timestamp;

/// Shortest and longest secret, in bytes, that the specification allows.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The keys that sign a receiver's requests: the current one and, while rotating, the one before.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<Zeroizing<Vec<u8>>>,
}

impl Signer {
    /// Keys as written in the configuration: `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// When one is not of that shape; the text says how to make one and never holds the secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let keys = secrets.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The value of `webhook-signature`: one `v1,` part a key over `id.timestamp.body`, separated by spaces.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let parts: Vec<String> = self.keys.iter().map(|key| sign(key, id, at, body)).collect();
        parts.join(" ")
    }
}

fn key(secret: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let bad = || {
        "a signing secret is `whsec_` and the base64 of 24 to 64 random bytes; make one with \
         `echo whsec_$(openssl rand -base64 32)`"
            .to_owned()
    };
    let text = secret.strip_prefix("whsec_").ok_or_else(bad)?;
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| bad())?);
    if SECRET_BYTES.contains(&bytes.len()) { Ok(bytes) } else { Err(bad()) }
}

fn sign(key: &[u8], id: &str, at: Timestamp, body: &[u8]) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of every length"),
    };
    for part in [id.as_bytes(), b".", at.secs().to_string().as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's reference libraries test themselves with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: Timestamp = Timestamp::from_secs(1_614_265_330);
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const WANT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_verifies() {
        assert_eq!(Signer::new([SECRET]).unwrap().sign(ID, AT, BODY), WANT);
    }

    #[test]
    fn two_secrets_give_two_signatures_newest_first() {
        let other = format!("whsec_{}", STANDARD.encode([9u8; 32]));
        let both = Signer::new([other.as_str(), SECRET]).unwrap().sign(ID, AT, BODY);
        let parts: Vec<&str> = both.split(' ').collect();
        assert_eq!((parts.len(), parts[1]), (2, WANT));
    }

    #[test]
    fn a_secret_of_another_shape_is_refused_without_being_shown() {
        let short = format!("whsec_{}", STANDARD.encode([9u8; 23]));
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***", short.as_str(), ""] {
            let error = Signer::new([bad]).err().unwrap();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
