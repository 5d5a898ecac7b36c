//! Who may see and who may act: the name that was asked for, where a request comes from, the token.
//!
//! A page from elsewhere in the operator's browser must neither read nor act. It cannot read what no header allows it
//! to, unless it makes its own name point here (DNS rebinding): so the `Host` must be an address, `localhost` or a name
//! of ours. It cannot act without the token, which the browser never sends by itself, and a foreign `Origin` is refused
//! all the same.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};

use crate::net::Token;

/// How a request reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Over the network.
    Tcp,
    /// Over the Unix socket: its mode has let the client in.
    Unix,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It asks for a name that is not ours.
    Host,
    /// It comes from a page elsewhere.
    Origin,
    /// It shows no token, or a wrong one.
    Token,
    /// It wants to act, and there is no token to show.
    NoToken,
}

/// See the module.
pub(super) struct Guard {
    pub(super) hosts: Vec<String>,
    pub(super) token: Option<Token>,
    pub(super) token_for_reads: bool,
}

impl Guard {
    /// Whether the request is under a name of ours and from a page of ours.
    pub(super) fn place(&self, headers: &HeaderMap, way: Way) -> Result<(), Refused> {
        let text = |name: HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
        let host = text(HOST);
        if way == Way::Tcp && !host.is_some_and(|host| self.is_ours(host)) {
            return Err(Refused::Host);
        }
        if let Some(origin) = text(ORIGIN) {
            let of = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if of.is_none() || of != host {
                return Err(Refused::Origin);
            }
        }
        match text(HeaderName::from_static("sec-fetch-site")) {
            None | Some("same-origin" | "none") => Ok(()),
            // somebody follows a link to the page; nothing else is for others
            Some(_) if text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate") => Ok(()),
            Some(_) => Err(Refused::Origin),
        }
    }

    /// Whether the request may see.
    pub(super) fn read(&self, headers: &HeaderMap, way: Way) -> Result<(), Refused> {
        if way == Way::Unix || !self.token_for_reads { Ok(()) } else { self.act(headers, way) }
    }

    /// Whether the request may act.
    pub(super) fn act(&self, headers: &HeaderMap, way: Way) -> Result<(), Refused> {
        if way == Way::Unix {
            return Ok(());
        }
        let Some(token) = &self.token else { return Err(Refused::NoToken) };
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        if shown.is_some_and(|shown| token.shown_in(shown)) { Ok(()) } else { Err(Refused::Token) }
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(v6),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.trim_end_matches('.');
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(reads: bool) -> Guard {
        Guard { hosts: vec!["Warden.example.com".to_owned()], token: Some(Token::new("t0ken")), token_for_reads: reads }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn only_our_names_are_served() {
        for ours in [
            "127.0.0.1:8687",
            "localhost",
            "LOCALHOST.:1",
            "[::1]:8687",
            "10.0.0.7",
            "warden.example.com",
            "warden.example.com:443",
        ] {
            assert_eq!(guard(false).place(&headers(&[("host", ours)]), Way::Tcp), Ok(()), "{ours}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8687", "", "evil.example:127"]
        {
            let got = guard(false).place(&headers(&[("host", foreign)]), Way::Tcp);
            assert_eq!(got, Err(Refused::Host), "{foreign}");
        }
        assert_eq!(guard(false).place(&headers(&[]), Way::Tcp), Err(Refused::Host));
        assert_eq!(guard(false).place(&headers(&[]), Way::Unix), Ok(()));
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        let place = |pairs: &[(&'static str, &str)]| {
            let mut all = headers(pairs);
            all.insert(HOST, HeaderValue::from_static("localhost:1"));
            guard(false).place(&all, Way::Tcp)
        };
        assert_eq!(place(&[("origin", "http://localhost:1"), ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(place(&[("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(place(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), Ok(()));
        for foreign in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:2")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(place(foreign), Err(Refused::Origin), "{foreign:?}");
        }
    }

    #[test]
    fn acting_wants_the_token_and_reading_where_it_is_asked() {
        let right = headers(&[("authorization", "Bearer t0ken")]);
        let wrong = headers(&[("authorization", "Bearer t0kem")]);
        let none = headers(&[]);
        let open = guard(false);
        assert_eq!((open.read(&none, Way::Tcp), open.act(&none, Way::Tcp)), (Ok(()), Err(Refused::Token)));
        assert_eq!((open.act(&right, Way::Tcp), open.act(&wrong, Way::Tcp)), (Ok(()), Err(Refused::Token)));
        assert_eq!(
            (guard(true).read(&none, Way::Tcp), guard(true).read(&right, Way::Tcp)),
            (Err(Refused::Token), Ok(()))
        );
        assert_eq!((guard(true).read(&none, Way::Unix), guard(true).act(&none, Way::Unix)), (Ok(()), Ok(())));
        let closed = Guard { hosts: Vec::new(), token: None, token_for_reads: false };
        assert_eq!(closed.act(&right, Way::Tcp), Err(Refused::NoToken));
    }
}
