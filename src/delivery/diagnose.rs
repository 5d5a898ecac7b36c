//! From an error deep down in a connection to a sentence that says what to do about it.

use std::error::Error;
use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError};

use super::outcome::{Cause, Failure, chain};

/// Why a name led to no address that may be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It is not known.
    #[error("{name} cannot be looked up ({source}); is the name right, and does DNS work on this machine?")]
    Unknown {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It leads inside.
    #[error("{name} leads to a forbidden address: {}", private(*ip))]
    Private {
        /// The name.
        name: String,
        /// The first address.
        ip: IpAddr,
    },
}

/// Says that `ip` may not be reached, and how to allow it.
pub(super) fn private(ip: IpAddr) -> String {
    format!("{ip} is not a public address; say `allow_private = true` on this receiver if it is meant")
}

impl From<LookupError> for Failure {
    fn from(e: LookupError) -> Self {
        let cause = match e {
            LookupError::Unknown { .. } => Cause::UnknownHost,
            LookupError::Private { .. } => Cause::PrivateAddress,
        };
        Failure::new(cause, e.to_string())
    }
}

/// What an error of a connection to `place` (host and port, or the host) comes to; `None` when nothing known is in it.
pub(super) fn connection(error: &(dyn Error + 'static), place: &str) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(lookup) = error.downcast_ref::<LookupError>() {
            let cause = match lookup {
                LookupError::Unknown { .. } => Cause::UnknownHost,
                LookupError::Private { .. } => Cause::PrivateAddress,
            };
            return Some(Failure::new(cause, lookup.to_string()));
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(secure(tls, place));
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // What an I/O error wraps is not among its sources.
            let wrapped = io.get_ref().and_then(|inner| connection(inner, place));
            return wrapped.or_else(|| plain(io, place)).or_else(|| io.source().and_then(|s| connection(s, place)));
        }
        next = error.source();
    }
    None
}

fn plain(error: &io::Error, place: &str) -> Option<Failure> {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        PermissionDenied, TimedOut, UnexpectedEof,
    };
    let failure = match error.kind() {
        ConnectionRefused => Failure::new(
            Cause::Unreachable,
            format!("nobody listens at {place} (connection refused); is it running, and is the port right?"),
        ),
        HostUnreachable | NetworkUnreachable | PermissionDenied => Failure::new(
            Cause::Unreachable,
            format!("{place} cannot be reached ({error}); look at the network and the firewall"),
        ),
        TimedOut => Failure::new(Cause::Timeout, format!("no answer in time from {place}")),
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => {
            Failure::new(Cause::Cut, format!("{place} cut the connection before it answered"))
        }
        _ => return None,
    };
    Some(failure)
}

fn secure(error: &rustls::Error, place: &str) -> Failure {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    let certificate = |what: String| Failure::new(Cause::Certificate, what);
    match error {
        rustls::Error::InvalidCertificate(ExpiredContext { not_after, .. }) => {
            let day = i64::try_from(not_after.as_secs()).ok().and_then(|s| chrono::DateTime::from_timestamp(s, 0));
            let day = day.map_or(String::new(), |d| format!(" on {}", d.format("%Y-%m-%d")));
            certificate(format!("the certificate of {place} expired{day}; it must be renewed there"))
        }
        rustls::Error::InvalidCertificate(Expired) => {
            certificate(format!("the certificate of {place} has expired; it must be renewed there"))
        }
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            certificate(format!("the certificate of {place} is not valid yet; are the clocks right, here and there?"))
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            certificate(format!("the certificate of {place} is for another name; use the name that stands in it"))
        }
        rustls::Error::InvalidCertificate(UnknownIssuer) => certificate(format!(
            "the certificate of {place} is signed by nobody we trust; name a private authority with `ca_file`"
        )),
        rustls::Error::InvalidCertificate(other) => certificate(format!("the certificate of {place}: {other}")),
        rustls::Error::InvalidMessage(_) => Failure::new(
            Cause::Tls,
            format!("{place} does not speak TLS on this port ({error}); is the port right, and the kind of TLS?"),
        ),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            Failure::new(Cause::Tls, format!("{place} offers no TLS of version 1.2 or later"))
        }
        other => Failure::new(Cause::Tls, format!("no secure connection to {place}: {}", chain(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    fn of(error: io::Error) -> Option<(Cause, String)> {
        connection(&Outer(error), "mail.example.com:587").map(|f| (f.cause, f.error))
    }

    #[test]
    fn what_is_wrapped_is_found() {
        let wrapped = io::Error::other(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let (cause, text) = of(wrapped).unwrap();
        assert!(cause == Cause::Certificate && text.contains("`ca_file`"), "{text}");
        let lookup = LookupError::Private { name: "x.example".to_owned(), ip: IpAddr::from([10, 0, 0, 1]) };
        let (cause, text) = of(io::Error::other(lookup)).unwrap();
        assert!(cause == Cause::PrivateAddress && text.contains("allow_private"), "{text}");
        let (cause, text) = of(io::ErrorKind::ConnectionRefused.into()).unwrap();
        assert!(cause == Cause::Unreachable && text.contains("mail.example.com:587"), "{text}");
        assert_eq!(of(io::ErrorKind::ConnectionReset.into()).unwrap().0, Cause::Cut);
        assert_eq!(of(io::Error::other("strange")), None);
    }

    #[test]
    fn the_day_of_expiry_is_named() {
        use rustls::pki_types::UnixTime;
        let at = |s| UnixTime::since_unix_epoch(std::time::Duration::from_secs(s));
        let error = rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
            time: at(1_777_636_800),
            not_after: at(1_609_459_200),
        });
        assert!(secure(&error, "x").error.contains("expired on 2021-01-01"));
    }
}
