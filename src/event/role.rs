//! What a field can mean.

use serde::{Deserialize, Serialize};

/// The meaning of a field of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// When it happened.
    Time,
    /// A credential; its pseudonym is the identity of the caller.
    Key,
    /// A name of the key that the log carries by itself, for example `apiKeyId`.
    KeyId,
    /// Address of the peer.
    Ip,
    /// Addresses that proxies wrote down (`X-Forwarded-For`), the nearest last.
    ForwardedFor,
    /// HTTP method.
    Method,
    /// Path or URL.
    Path,
    /// A whole request line: `GET /v1/users HTTP/1.1`.
    RequestLine,
    /// HTTP status.
    Status,
    /// How long it took.
    Latency,
    /// Language model.
    Model,
    /// Tokens read by a model.
    TokensIn,
    /// Tokens written by a model.
    TokensOut,
    /// What it cost, in the log's own unit.
    Cost,
    /// The person or account.
    User,
    /// The customer, team or organisation.
    Tenant,
    /// Identity of the request.
    RequestId,
    /// What says whether the caller was let in, for example `event = "login_failed"`.
    Auth,
    /// Scheme, protocol or TLS version of the request: `https`, `TLSv1.3`.
    Scheme,
    /// The web page that called: `Origin` or `Referer`.
    Origin,
    /// The client's own name: `User-Agent`.
    UserAgent,
    /// The region that served the request.
    Region,
    /// The environment that the service belongs to: `prod`, `staging`.
    Environment,
    /// The service that wrote the line.
    Service,
    /// Bytes sent to the caller.
    BytesOut,
    /// Text that may hold an access line (`10.0.0.3:0 - "POST /v1/x HTTP/1.1" 200`).
    Message,
}

impl Role {
    /// Number of roles.
    pub(super) const COUNT: usize = 26;

    /// All roles, in order of declaration.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Time,
        Self::Key,
        Self::KeyId,
        Self::Ip,
        Self::ForwardedFor,
        Self::Method,
        Self::Path,
        Self::RequestLine,
        Self::Status,
        Self::Latency,
        Self::Model,
        Self::TokensIn,
        Self::TokensOut,
        Self::Cost,
        Self::User,
        Self::Tenant,
        Self::RequestId,
        Self::Auth,
        Self::Scheme,
        Self::Origin,
        Self::UserAgent,
        Self::Region,
        Self::Environment,
        Self::Service,
        Self::BytesOut,
        Self::Message,
    ];

    /// The role's name as written in configuration and schema packs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Key => "key",
            Self::KeyId => "key_id",
            Self::Ip => "ip",
            Self::ForwardedFor => "forwarded_for",
            Self::Method => "method",
            Self::Path => "path",
            Self::RequestLine => "request_line",
            Self::Status => "status",
            Self::Latency => "latency",
            Self::Model => "model",
            Self::TokensIn => "tokens_in",
            Self::TokensOut => "tokens_out",
            Self::Cost => "cost",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::RequestId => "request_id",
            Self::Auth => "auth",
            Self::Scheme => "scheme",
            Self::Origin => "origin",
            Self::UserAgent => "user_agent",
            Self::Region => "region",
            Self::Environment => "environment",
            Self::Service => "service",
            Self::BytesOut => "bytes_out",
            Self::Message => "message",
        }
    }
}

/// The unit of a duration that is written as a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl Unit {
    /// The unit's usual short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Us => "us",
            Self::Ms => "ms",
            Self::S => "s",
        }
    }

    /// Reads a unit's short or long name in lower case.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"ns" | b"nanos" | b"nanosecond" | b"nanoseconds" => Self::Ns,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" | b"micros" | b"microsecond" | b"microseconds" => Self::Us,
            b"ms" | b"millis" | b"msec" | b"millisecond" | b"milliseconds" => Self::Ms,
            b"s" | b"sec" | b"secs" | b"second" | b"seconds" => Self::S,
            _ => return None,
        })
    }

    /// Microseconds in one of this unit.
    pub(super) fn micros(self) -> f64 {
        match self {
            Self::Ns => 1e-3,
            Self::Us => 1.0,
            Self::Ms => 1e3,
            Self::S => 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_place_and_its_name() {
        for (i, role) in Role::ALL.iter().enumerate() {
            assert_eq!(*role as usize, i);
            assert_eq!(serde_json::to_string(role).unwrap(), format!("\"{}\"", role.name()));
        }
    }
}
