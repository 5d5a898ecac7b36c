//! TLS on both sides: of our own ports, with a certificate to show and an authority whose clients are believed; and as a
//! client, with the system's certificates, else Mozilla's, and a private authority when one is named. Nothing turns
//! verification off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// TLS of a port: version 1.2 or later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// The certificate, with the chain that leads to its authority (PEM).
    #[cfg_attr(test, schemars(example = "/etc/logwarden/server.pem"))]
    pub cert: PathBuf,
    /// Its private key (PEM).
    #[cfg_attr(test, schemars(example = "/etc/logwarden/server.key"))]
    pub key: PathBuf,
    /// Clients must show a certificate of one of these authorities (PEM).
    #[serde(default)]
    #[cfg_attr(test, schemars(example = "/etc/logwarden/clients-ca.pem"))]
    pub client_ca: Option<PathBuf>,
}

/// What accepts connections with `tls`; the files are read now.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn server_tls(tls: &ServerTls) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| unusable(path, &e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| unusable(path, &e))?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| unusable(&tls.key, &e))?;
    let mut config = builder.with_single_cert(certificates(&tls.cert)?, key).map_err(|e| unusable(&tls.cert, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates in a file.
///
/// # Errors
/// When there is none, or they cannot be read.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("cannot read certificates from {}: {e}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
    if found.is_empty() { Err(failed(&"there is none")) } else { Ok(found) }
}

/// TLS for HTTP clients.
///
/// # Errors
/// When the private authority cannot be read.
pub fn client_tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in ca_file.map(certificates).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot use {}: {why}", path.display())
}
