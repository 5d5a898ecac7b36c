//! From the fields of a line to the event that it tells.

use std::net::IpAddr;

use super::config::Identity;
use super::join::Caller;
use super::model::{Clock, Event, KeyRef};
use super::picks::{forwarded, label};
use super::plan::Why;
use super::reader::{Known, MAX_AHEAD, Reader};
use super::role::Role;
use super::scan::Place;
use super::text::Text;
use super::time::Parsed;
use super::value;
use crate::units::Timestamp;

impl Reader {
    /// The event of the line at hand; `None` when it says nothing about a caller, a request or a secret.
    pub(super) fn event<'a>(&'a self, known: Known, text: &'a [u8], arrived: Timestamp) -> Option<Event<'a>> {
        let tables = &*self.roles.tables;
        let get = |role: Role| self.picks.get(role);
        let words = |role: Role| get(role).map(|p| p.cap.text(text));
        let values = &self.picks.values;
        let status = get(Role::Status).and(values.status);
        let earlier = self.earlier.as_ref();
        let ip = self.client(text).or(earlier.and_then(|e| e.ip));
        let key = self.key(text, ip.is_some()).or(earlier.and_then(|e| e.caller.as_ref()).map(Caller::key));
        let (method, path) = (words(Role::Method), words(Role::Path));
        let whole = key.is_some() || status.is_some() || (method.is_some() && path.is_some());
        let counts = known.last.unwrap_or(whole);
        let let_in = self.let_in(text);
        if key.is_none() && !counts && let_in.is_none() && self.notes.found.is_empty() && ip.is_none() {
            return None;
        }
        let (time, clock) = self.time(arrived);
        let number = |role: Role, value: Option<f64>| get(role).and(value);
        let amount =
            |role: Role, value: Option<f64>| number(role, value).filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64);
        Some(Event {
            source: self.reading.source,
            time,
            clock,
            key,
            ip,
            method,
            path,
            status,
            latency_us: get(Role::Latency).and(values.latency_us),
            model: words(Role::Model),
            tokens_in: amount(Role::TokensIn, values.tokens_in),
            tokens_out: amount(Role::TokensOut, values.tokens_out),
            cost: number(Role::Cost, values.cost),
            bytes_out: amount(Role::BytesOut, values.bytes_out),
            scheme: words(Role::Scheme),
            origin: words(Role::Origin),
            user_agent: words(Role::UserAgent),
            region: words(Role::Region),
            environment: words(Role::Environment),
            service: words(Role::Service),
            attack: path.and_then(|p| tables.attacks.find(p)),
            let_in,
            counts,
            schema: known.schema.map(|s| &*tables.schemas[s].id),
            found: &self.notes.found,
            paths: &self.walker.paths,
        })
    }

    /// Whether words of the line say that the caller was let in.
    fn let_in(&self, text: &[u8]) -> Option<bool> {
        let pick = self.picks.get(Role::Auth)?;
        let mut buf = [0; 96];
        let text = pick.cap.text(text).small(&mut buf)?;
        if pick.why == Why::Name { value::auth(text) } else { value::auth(text).or_else(|| value::outcome(text)) }
    }

    fn time(&self, arrived: Timestamp) -> (Timestamp, Clock) {
        let parsed = self.picks.get(Role::Time).and(self.picks.values.time);
        let clock = if matches!(parsed, Some(Parsed::Local(_))) { Clock::Zone } else { Clock::Line };
        match parsed.and_then(|p| p.instant(self.reading.zone)) {
            None => (arrived, Clock::Arrival),
            Some(t) if t > arrived.plus(MAX_AHEAD) => (arrived, Clock::Ahead),
            Some(t) => (t, clock),
        }
    }

    /// The client's address: the peer, unless it is a trusted proxy; then the nearest address in its
    /// `X-Forwarded-For` that is not one.
    pub(super) fn client(&self, text: &[u8]) -> Option<IpAddr> {
        let trusted = |ip: &IpAddr| self.reading.trusted_proxies.iter().any(|net| net.contains(ip));
        let peer = self.picks.get(Role::Ip).and(self.picks.values.ip);
        if peer.is_some_and(|ip| !trusted(&ip)) {
            return peer;
        }
        let mut buf = [0; 96];
        let chain = self.picks.get(Role::ForwardedFor).map(|pick| pick.cap.text(text));
        let Some(chain) = chain.and_then(|t| t.small(&mut buf)) else { return peer };
        let mut last = None;
        for ip in forwarded(chain) {
            if !trusted(&ip) {
                return Some(ip);
            }
            last = Some(ip);
        }
        last.or(peer)
    }

    /// Who called: a credential in its place, one in a header or a URL, an id, or who is configured to stand in.
    pub(super) fn key<'a>(&'a self, text: &'a [u8], has_ip: bool) -> Option<KeyRef<'a>> {
        let tables = &*self.roles.tables;
        if let Some(pick) = self.picks.get(Role::Key) {
            if let Some((rule, tag)) = self.notes.tagged(&pick.cap) {
                return Some(KeyRef::Tag { tag, rule: Some(rule), kind: None });
            }
            if let Some((kind, tag)) = label(pick.cap.text(text).raw()) {
                return Some(KeyRef::Tag { tag, rule: None, kind: Some(Text::plain(kind)) });
            }
        }
        for place in [Place::Credential, Place::Header, Place::Url] {
            let tag = self.notes.found.iter().find_map(|f| Some((f.rule, f.tag.filter(|_| f.place == place)?)));
            if let Some((rule, tag)) = tag {
                return Some(KeyRef::Tag { tag, rule: Some(rule), kind: None });
            }
        }
        let named = |role: Role, space: Option<&'a str>| {
            let pick = self.picks.get(role)?;
            let space = space.unwrap_or(&tables.spaces[usize::from(pick.space)]);
            Some(KeyRef::Id { space, value: pick.cap.text(text) })
        };
        named(Role::KeyId, None).or_else(|| {
            tables.identity.iter().find_map(|who| match who {
                Identity::User => named(Role::User, Some("USER")),
                Identity::Tenant => named(Role::Tenant, Some("TENANT")),
                Identity::Ip if has_ip => named(Role::Ip, Some("IP")),
                Identity::Ip => None,
            })
        })
    }
}
