//! One log line, understood.

use std::net::IpAddr;

use super::paths::Paths;
use super::scan::{Found, Place};
use super::text::Text;
use crate::line::SourceId;
use crate::redact::{RuleId, Tag};
use crate::units::Timestamp;

/// Where an event's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// From the line, with a zone.
    Line,
    /// From the line, which names no zone; the source's zone was used.
    Zone,
    /// The line has no time that can be used: when it arrived.
    Arrival,
    /// The line's time lies in the future by more than [`super::MAX_AHEAD`]: when it arrived.
    Ahead,
}

/// Who called, as far as the line says.
#[derive(Clone, Copy, Debug)]
pub enum KeyRef<'a> {
    /// A credential, known by its pseudonym.
    Tag {
        /// The pseudonym.
        tag: Tag,
        /// The rule that found it; `None` when it came as a trusted label.
        rule: Option<RuleId>,
        /// The label's type, when it came as a trusted label.
        kind: Option<Text<'a>>,
    },
    /// A name that the log carries.
    Id {
        /// What it is a name of: `API_KEY_ID`, `CONSUMER`, `USER`.
        space: &'a str,
        /// The name.
        value: Text<'a>,
    },
}

/// A redaction of the line and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Secret<'a> {
    /// The rule that found it.
    pub rule: RuleId,
    /// Its pseudonym, when the rule gives one.
    pub tag: Option<Tag>,
    /// JSON pointer of the field; empty in plain text.
    pub field: &'a str,
    /// Whether it stands where callers present their credential: a credential's field, a request header.
    pub presented: bool,
    /// Whether it stands in a URL or its query.
    pub in_url: bool,
}

/// What a redacted line tells about a request or an action.
#[derive(Clone)]
pub struct Event<'a> {
    /// The source of the line.
    pub source: SourceId,
    /// When it happened.
    pub time: Timestamp,
    /// Where `time` comes from.
    pub clock: Clock,
    /// Who called.
    pub key: Option<KeyRef<'a>>,
    /// The client's address, behind trusted proxies.
    pub ip: Option<IpAddr>,
    /// HTTP method.
    pub method: Option<Text<'a>>,
    /// Path or URL.
    pub path: Option<Text<'a>>,
    /// HTTP status.
    pub status: Option<u16>,
    /// How long the request took, in microseconds.
    pub latency_us: Option<u64>,
    /// Language model.
    pub model: Option<Text<'a>>,
    /// Tokens read by the model.
    pub tokens_in: Option<u64>,
    /// Tokens written by the model.
    pub tokens_out: Option<u64>,
    /// Cost in the log's own unit.
    pub cost: Option<f64>,
    /// Bytes sent to the caller.
    pub bytes_out: Option<u64>,
    /// Scheme, protocol or TLS version.
    pub scheme: Option<Text<'a>>,
    /// `Origin` or `Referer`.
    pub origin: Option<Text<'a>>,
    /// `User-Agent`.
    pub user_agent: Option<Text<'a>>,
    /// Region that served.
    pub region: Option<Text<'a>>,
    /// Environment of the service.
    pub environment: Option<Text<'a>>,
    /// Service that wrote the line.
    pub service: Option<Text<'a>>,
    /// The signature of the attack that the request line shows.
    pub attack: Option<&'a str>,
    /// Whether words of the line say that the caller was let in (`true`) or refused (`false`).
    pub let_in: Option<bool>,
    /// Whether the line stands for one use of the key; false for a further line of the same request.
    pub counts: bool,
    /// The schema that was recognised.
    pub schema: Option<&'a str>,
    pub(super) found: &'a [Found],
    pub(super) paths: &'a Paths,
}

impl<'a> Event<'a> {
    /// Whether the caller was refused: status 401 or 403, or words that say so while no other status speaks against it.
    pub fn auth_failed(&self) -> bool {
        match self.status {
            Some(401 | 403) => true,
            Some(400..) => false,
            _ => self.let_in == Some(false),
        }
    }

    /// Whether the request failed for another reason: any other status from 400 on.
    pub fn failed(&self) -> bool {
        self.status.is_some_and(|s| s >= 400 && !matches!(s, 401 | 403))
    }

    /// The web page that called as scheme, host and port: `https://app.example.com`; `None` for a page that hides itself.
    pub fn origin(&self) -> Option<&'a [u8]> {
        super::endpoint::origin(self.origin?.raw())
    }

    /// Whether the caller calls itself a browser.
    pub fn in_browser(&self) -> bool {
        self.user_agent.is_some_and(|agent| super::endpoint::browser(agent.raw()))
    }

    /// Whether the request came without TLS, when the line says.
    pub fn is_plaintext(&self) -> bool {
        match self.scheme {
            Some(scheme) => super::endpoint::plaintext(scheme.raw()),
            None => self.path.is_some_and(|p| p.raw().get(..7).is_some_and(|p| p.eq_ignore_ascii_case(b"http://"))),
        }
    }

    /// The line's redactions, in order of place.
    pub fn secrets(&self) -> impl Iterator<Item = Secret<'a>> + use<'a> {
        let paths = self.paths;
        self.found.iter().map(move |f| Secret {
            rule: f.rule,
            tag: f.tag,
            field: paths.pointer(f.at),
            presented: matches!(f.place, Place::Credential | Place::Header),
            in_url: f.place == Place::Url,
        })
    }
}
