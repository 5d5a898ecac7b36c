//! Who may send: the token, and what must be there before a port is open to other machines.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a client must show. Only a hash of it is kept.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token `text`.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether `text` is it; takes the same time whatever it is.
    pub fn is(&self, text: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&other).into()
    }

    /// Whether an `Authorization` header shows it: as `Bearer`, as `ApiKey`, or as the password of `Basic`.
    pub fn shown_in(&self, authorization: &[u8]) -> bool {
        let Some(space) = authorization.iter().position(|b| *b == b' ') else { return false };
        let (scheme, value) = (&authorization[..space], authorization[space + 1..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"apikey") {
            return self.is(value);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let Ok(pair) = STANDARD.decode(value).map(Zeroizing::new) else { return false };
        pair.iter().position(|b| *b == b':').is_some_and(|colon| self.is(&pair[colon + 1..]))
    }
}

/// Why a port may not be open to other machines as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// Anybody could send.
    #[error("anybody who reaches this address could send lines")]
    Open,
    /// Lines and the token would cross the network in clear.
    #[error("raw lines and the token would cross the network in clear")]
    Clear,
}

/// Beyond this machine a port needs mutual TLS, or TLS and a token; `plain` does without the TLS, for a port that stands
/// behind something that encrypts.
///
/// # Errors
/// [`Exposed`] says what is missing.
pub fn proves_itself(
    address: SocketAddr,
    token: bool,
    tls: bool,
    client_certificates: bool,
    plain: bool,
) -> Result<(), Exposed> {
    if address.ip().to_canonical().is_loopback() || client_certificates {
        return Ok(());
    }
    if !token {
        return Err(Exposed::Open);
    }
    if tls || plain { Ok(()) } else { Err(Exposed::Clear) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_in_three_forms() {
        let token = Token::new("t0ken");
        let basic = format!("Basic {}", STANDARD.encode("elastic:t0ken"));
        for good in ["Bearer t0ken", "bearer  t0ken", "ApiKey t0ken", &basic] {
            assert!(token.shown_in(good.as_bytes()), "{good}");
        }
        let other = format!("Basic {}", STANDARD.encode("t0ken:x"));
        for bad in ["", "t0ken", "Bearer", "Bearer t0kem", "Bearer t0ken2", "Digest t0ken", "Basic !", &other] {
            assert!(!token.shown_in(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn beyond_this_machine_more_is_asked() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for local in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(proves_itself(at(local), false, false, false, false), Ok(()), "{local}");
        }
        for open in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1"] {
            assert_eq!(proves_itself(at(open), false, true, false, true), Err(Exposed::Open), "{open}");
            assert_eq!(proves_itself(at(open), true, false, false, false), Err(Exposed::Clear), "{open}");
            assert_eq!(proves_itself(at(open), true, true, false, false), Ok(()));
            assert_eq!(proves_itself(at(open), true, false, false, true), Ok(()));
            assert_eq!(proves_itself(at(open), false, true, true, false), Ok(()));
        }
    }
}
