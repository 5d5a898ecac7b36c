//! Which addresses a webhook may reach, so that a receiver's URL cannot be used to probe the inside of a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::diagnose::{LookupError, private};

/// How far a webhook may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses only.
    Public,
    /// This machine only, because the URL names it.
    Loopback,
    /// Anything, because the receiver says `allow_private`.
    Any,
}

impl Reach {
    /// What `url` may reach.
    ///
    /// # Errors
    /// When the URL itself is not allowed; the text does not hold it.
    pub fn of(url: &Url, allow_private: bool) -> Result<Self, String> {
        let host = url.host().ok_or("the URL has no host")?;
        let loopback = match &host {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let reach = match (allow_private, loopback) {
            (true, _) => Self::Any,
            (false, true) => Self::Loopback,
            (false, false) => Self::Public,
        };
        match url.scheme() {
            "https" => {}
            "http" if reach != Self::Public => {}
            "http" => return Err("plain http is only allowed to this machine; use https".to_owned()),
            other => return Err(format!("`{other}` is not a scheme for a webhook; use https")),
        }
        let literal = match host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        match literal.filter(|ip| !reach.allows(*ip)) {
            Some(ip) => Err(private(ip)),
            None => Ok(reach),
        }
    }

    /// Whether `ip` may be connected to.
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => ip.to_canonical().is_loopback(),
            Self::Public => match ip {
                IpAddr::V4(ip) => public_v4(ip),
                IpAddr::V6(ip) => public_v6(ip),
            },
        }
    }
}

/// Not in the IANA registry of special-purpose IPv4 addresses (as far as they are not globally reachable).
fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18))
}

/// Global unicast (2000::/3) without the parts that tunnel or document; addresses that carry an IPv4 address are
/// judged by that.
fn public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let carried = |hi: u16, lo: u16| {
        let [a, b] = hi.to_be_bytes();
        let [c, d] = lo.to_be_bytes();
        public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, hi, lo] => carried(hi, lo),
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => carried(hi, lo),
        [0x2002, hi, lo, ..] => carried(hi, lo),
        [0x2001, 0, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The addresses of `host` that may be connected to.
///
/// # Errors
/// When the name is not known, or leads to forbidden addresses only.
pub(super) async fn look_up(host: &str, port: u16, reach: Reach) -> Result<Vec<SocketAddr>, LookupError> {
    let unknown = |source| LookupError::Unknown { name: host.to_owned(), source };
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(unknown)?.collect();
    let Some(first) = found.first().copied() else {
        return Err(unknown(std::io::Error::other("it has no address")));
    };
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|a| reach.allows(a.ip())).collect();
    if allowed.is_empty() {
        return Err(LookupError::Private { name: host.to_owned(), ip: first.ip() });
    }
    Ok(allowed)
}

/// Looks names up and hands out allowed addresses only, at the very moment of connecting: a name that changes its mind
/// between a check and its use gains nothing.
#[derive(Clone, Copy, Debug)]
pub struct GuardedResolver(pub Reach);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let allowed = look_up(name.as_str(), 0, reach).await?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Reach, String> {
        Reach::of(&Url::parse(url).unwrap(), false)
    }

    #[test]
    fn urls_that_lead_inside_are_refused_in_every_spelling() {
        for bad in [
            "https://10.0.0.1/",
            "https://172.16.3.4/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://0x0a000001/",
            "https://167772161/",
            "https://10.1/",
            "https://012.0.0.1/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::]/",
            "https://[ff02::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::]/",
            "https://[::10.0.0.1]/",
            "https://198.18.0.1/",
            "https://255.255.255.255/",
            "https://224.0.0.1/",
            "https://192.0.0.8/",
            "https://240.0.0.1/",
            "https://１０.0.0.1/",
            "http://example.com/",
            "http://93.184.216.34/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://localhost/",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn public_and_this_machine_are_allowed() {
        assert_eq!(of("https://hooks.example.com/x"), Ok(Reach::Public));
        assert_eq!(of("https://93.184.216.34/"), Ok(Reach::Public));
        assert_eq!(of("https://[2606:2800:220:1::1]/"), Ok(Reach::Public));
        for here in ["http://127.0.0.1:9/", "http://localhost/", "http://[::1]/", "http://127.1/", "http://2130706433/"]
        {
            assert_eq!(of(here), Ok(Reach::Loopback), "{here}");
        }
        assert_eq!(Reach::of(&Url::parse("http://10.0.0.1/").unwrap(), true), Ok(Reach::Any));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_looked_up() {
        let look = |reach, name: &str| GuardedResolver(reach).resolve(name.parse().unwrap());
        let refused = look(Reach::Public, "localhost").await.err().unwrap().to_string();
        assert!(refused.contains("localhost leads to a forbidden address"), "{refused}");
        let found: Vec<SocketAddr> = look(Reach::Loopback, "localhost").await.unwrap().collect();
        assert!(!found.is_empty() && found.iter().all(|a| a.ip().is_loopback()));
    }

    #[test]
    fn a_name_of_this_machine_reaches_nothing_else_and_a_public_one_not_this_machine() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(Reach::Loopback.allows(ip("127.0.0.1")) && Reach::Loopback.allows(ip("::1")));
        assert!(!Reach::Loopback.allows(ip("10.0.0.1")));
        assert!(!Reach::Public.allows(ip("127.0.0.1")) && !Reach::Public.allows(ip("::1")));
    }
}
