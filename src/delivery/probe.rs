//! How private the way to a receiver is: version of TLS, and until when the certificate is good.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::config::{EmailConfig, TlsMode};
use super::guard::{Reach, look_up};
use super::tls;

/// Longest time for a look.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest line and most lines of a mail server's greeting.
const GREETING: usize = 64;

/// A place to look at.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub host: String,
    pub port: u16,
    pub reach: Reach,
    /// Ask a mail server to begin TLS first.
    pub starttls: bool,
    pub ca_file: Option<PathBuf>,
}

impl Probe {
    /// The look at a mail server; `None` when it speaks in the clear.
    pub(super) fn mail(config: &EmailConfig) -> Option<Self> {
        (config.tls != TlsMode::Off).then(|| Self {
            host: config.host.clone(),
            port: config.port(),
            reach: Reach::Any,
            starttls: config.tls == TlsMode::Starttls,
            ca_file: config.ca_file.clone(),
        })
    }

    /// `TLS 1.3, certificate until 2027-01-01 (in 40 days)`; nothing when no secure connection comes about.
    pub(super) async fn look(&self) -> Option<String> {
        timeout(PATIENCE, self.shake()).await.ok()?
    }

    async fn shake(&self) -> Option<String> {
        let config = tls::for_http(self.ca_file.as_deref()).ok()?;
        let addresses = look_up(&self.host, self.port, self.reach).await.ok()?;
        let mut stream = TcpStream::connect(addresses.as_slice()).await.ok()?;
        if self.starttls {
            stream = begin_tls(stream).await?;
        }
        let name = ServerName::try_from(self.host.trim_matches(['[', ']']).to_owned()).ok()?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let end = session.peer_certificates().and_then(|c| not_after(c.first()?));
        let end = end.map_or(String::new(), |end| {
            let days = (end - Utc::now()).num_days();
            format!(", certificate until {} (in {days} days)", end.format("%Y-%m-%d"))
        });
        Some(format!("{version}{end}"))
    }
}

/// Talks to a mail server until it is ready for TLS.
async fn begin_tls(stream: TcpStream) -> Option<TcpStream> {
    let mut stream = BufReader::new(stream);
    for (say, want) in [("", "220"), ("EHLO localhost\r\n", "250"), ("STARTTLS\r\n", "220")] {
        stream.write_all(say.as_bytes()).await.ok()?;
        let mut last = false;
        for _ in 0..GREETING {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
            if !line.starts_with(want) {
                return None;
            }
            last = line.as_bytes().get(3) != Some(&b'-');
            if last {
                break;
            }
        }
        if !last {
            return None;
        }
    }
    Some(stream.into_inner())
}

/// When an X.509 certificate ends (RFC 5280, 4.1): SEQUENCE { SEQUENCE { [0] version, serial, signature, issuer,
/// SEQUENCE { notBefore, notAfter } ... } ... }.
fn not_after(der: &[u8]) -> Option<DateTime<Utc>> {
    let (_, certificate, _) = element(der)?;
    let (_, body, _) = element(certificate)?;
    let (tag, _, after) = element(body)?;
    // The version is left out in version 1.
    let mut rest = if tag == 0xa0 { after } else { body };
    for _serial_signature_issuer in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    let text = std::str::from_utf8(text).ok()?;
    let time = match tag {
        // UTCTime has two digits for the year; from 50 on they mean 19xx.
        0x17 => {
            let century = if text.get(..2)?.parse::<u32>().ok()? >= 50 { "19" } else { "20" };
            NaiveDateTime::parse_from_str(&format!("{century}{text}"), "%Y%m%d%H%M%SZ")
        }
        _ => NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%SZ"),
    };
    time.ok().map(|t| t.and_utc())
}

/// The first element of DER: its tag, its content, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_and_noise_is_not() {
        for (year, want) in [(2021, "2021-01-01"), (2049, "2049-01-01"), (2060, "2060-01-01")] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let der = certificate.der();
            assert_eq!(not_after(der).unwrap().format("%Y-%m-%d").to_string(), want);
            for cut in 0..der.len().min(200) {
                let _no_panic = not_after(&der[..cut]);
                let _no_panic = not_after(&der[cut..]);
            }
        }
        assert_eq!(not_after(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
