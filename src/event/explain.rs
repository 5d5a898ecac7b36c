//! Why a line was read the way it was.

use super::model::{Clock, KeyRef};
use super::picks::Pick;
use super::plan::Why;
use super::reader::Reader;
use super::role::{Role, Unit};
use crate::redact::RedactedLine;
use crate::units::Timestamp;

/// A role, the field that has it, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleFound {
    /// The role.
    pub role: Role,
    /// JSON pointer of the field; empty for plain text.
    pub field: String,
    /// The redacted value, cut at 200 characters.
    pub value: String,
    /// The unit that a bare number is taken in.
    pub unit: Option<Unit>,
    /// Whether the value says "nothing" or "hidden" and so means nobody.
    pub masked: bool,
    /// Why this field.
    pub why: String,
}

/// How a line is read.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// The recognised schema.
    pub schema: Option<String>,
    /// The roles found, in a fixed order.
    pub roles: Vec<RoleFound>,
    /// When it happened, and how that is known.
    pub time: String,
    /// Who called.
    pub key: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// Whether the line counts as one use of the key.
    pub counts: bool,
    /// What the operator should know or could set.
    pub notes: Vec<String>,
}

impl Reader {
    /// Reads a line as [`Reader::read`] does and says which field had which role, and why.
    pub fn explain(&mut self, line: RedactedLine<'_>, arrived: Timestamp) -> Explanation {
        let mut out = Explanation::default();
        match self.read_complete(line, arrived) {
            None => out.notes.push("the line says nothing about a caller, a request or a secret".to_owned()),
            Some(event) => {
                out.schema = event.schema.map(str::to_owned);
                out.counts = event.counts;
                out.ip = event.ip.map(|ip| ip.to_string());
                out.key = event.key.map(|k| match k {
                    KeyRef::Tag { tag, .. } => tag.to_string(),
                    KeyRef::Id { space, value } => format!("{space} {value}"),
                });
                let how = match event.clock {
                    Clock::Line => "from the line",
                    Clock::Zone => "from the line, in the source's zone",
                    Clock::Arrival => {
                        "when it arrived: no time with a zone in the line; set `zone` on the source if it has one without"
                    }
                    Clock::Ahead => "when it arrived: the line's own time lies more than 5 minutes ahead",
                };
                out.time = format!("{} ({how})", event.time);
            }
        }
        let text = self.text(&line);
        for role in Role::ALL {
            if let Some(pick) = self.picks.any(role) {
                out.roles.push(self.role_found(role, pick, text));
            }
        }
        let has = |role: Role| out.roles.iter().any(|r| r.role == role && !r.masked);
        if has(Role::Ip) && has(Role::ForwardedFor) && !self.trusts_proxies() {
            out.notes.push(
                "X-Forwarded-For is not believed; set `trusted_proxies` on the source if the peer is your proxy"
                    .to_owned(),
            );
        }
        if self.is_nested() {
            out.notes.push("read from the JSON object that stands in a string of the line".to_owned());
        }
        if out.key.is_none() && has(Role::User) {
            out.notes.push("no key; set `identity = [\"user\"]` in [event] to watch users instead".to_owned());
        }
        out
    }

    fn role_found(&self, role: Role, pick: &Pick, line: &[u8]) -> RoleFound {
        let value: String = pick.cap.text(line).to_string().chars().take(200).collect();
        let bare = value.bytes().next_back().is_some_and(|b| b.is_ascii_digit());
        let why = match pick.why {
            Why::Config => "set in [event]".to_owned(),
            Why::Schema(at) => format!("schema {}", self.schema_name(usize::from(at))),
            Why::Name => "known name".to_owned(),
            Why::Form => "form of the text".to_owned(),
        };
        let unit = (role == Role::Latency && bare).then_some(pick.unit);
        let masked = self.picks.is_masked(role);
        RoleFound { role, field: self.field(&pick.cap).to_owned(), value, unit, masked, why }
    }
}
