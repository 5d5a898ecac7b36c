//! Requests whose lines are several: what the first line says of the caller belongs to the one that counts.
//!
//! Fastify, tower-http, django-structlog and others write one line when a request comes in (with address and headers)
//! and one when it is done (with the status). The number of open requests that are remembered is bounded; of more, the
//! oldest are forgotten, and their last line then counts for nobody.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::model::KeyRef;
use super::text::Text;
use crate::redact::{RuleId, Tag};

/// Open requests that are remembered per stream.
const MAX_OPEN: usize = 4096;

/// A caller, kept from one line to another.
pub(super) enum Caller {
    Tag { tag: Tag, rule: Option<RuleId>, kind: Option<String> },
    Id { space: String, value: String },
}

impl Caller {
    fn of(key: &KeyRef<'_>) -> Self {
        match key {
            KeyRef::Tag { tag, rule, kind } => Self::Tag { tag: *tag, rule: *rule, kind: kind.map(|k| k.to_string()) },
            KeyRef::Id { space, value } => Self::Id { space: (*space).to_owned(), value: value.to_string() },
        }
    }

    /// The caller as an event shows it.
    pub(super) fn key(&self) -> KeyRef<'_> {
        match self {
            Self::Tag { tag, rule, kind } => {
                KeyRef::Tag { tag: *tag, rule: *rule, kind: kind.as_ref().map(|k| Text::plain(k.as_bytes())) }
            }
            Self::Id { space, value } => KeyRef::Id { space, value: Text::plain(value.as_bytes()) },
        }
    }
}

/// What earlier lines of a request said.
#[derive(Default)]
pub(super) struct Earlier {
    pub caller: Option<Caller>,
    pub ip: Option<IpAddr>,
}

/// The open requests of a stream.
#[derive(Default)]
pub(super) struct Joins {
    open: HashMap<u64, Earlier>,
    order: VecDeque<u64>,
}

/// A number for a request id; unequal ids share one by chance only.
pub(super) fn number(id: &Text<'_>) -> u64 {
    let mut hash = SipHasher13::new();
    id.bytes().for_each(|b| hash.write_u8(b));
    hash.finish()
}

impl Joins {
    /// Remembers what a line says that is not the request's last.
    pub(super) fn note(&mut self, request: u64, key: Option<&KeyRef<'_>>, ip: Option<IpAddr>) {
        if key.is_none() && ip.is_none() {
            return;
        }
        let earlier = self.open.entry(request).or_insert_with(|| {
            self.order.push_back(request);
            Earlier::default()
        });
        earlier.caller = key.map(Caller::of).or(earlier.caller.take());
        earlier.ip = ip.or(earlier.ip);
        while self.order.len() > MAX_OPEN {
            if let Some(oldest) = self.order.pop_front() {
                self.open.remove(&oldest);
            }
        }
    }

    /// What earlier lines said; the request is then closed.
    pub(super) fn take(&mut self, request: u64) -> Option<Earlier> {
        self.open.remove(&request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_requests_are_bounded() {
        let mut joins = Joins::default();
        let ip = Some(IpAddr::from([192, 0, 2, 1]));
        for n in 0..100_000 {
            joins.note(n, None, ip);
        }
        assert_eq!((joins.open.len(), joins.order.len()), (MAX_OPEN, MAX_OPEN));
        assert!(joins.take(0).is_none());
        assert_eq!(joins.take(99_999).and_then(|e| e.ip), ip);
        assert!(joins.take(99_999).is_none());
    }
}
