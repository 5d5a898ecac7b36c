//! Whom we trust: the system's certificates, else Mozilla's, and a private authority when one is named. Nothing turns
//! verification off.

use std::path::Path;
use std::sync::Arc;

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsVersion};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

fn authority(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("cannot read certificates from {}: {e}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
    if found.is_empty() { Err(failed(&"there is none")) } else { Ok(found) }
}

fn system_has_roots() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// TLS for HTTP clients.
///
/// # Errors
/// When the private authority cannot be read.
pub(super) fn for_http(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in ca_file.map(authority).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

/// TLS for the SMTP server `host`.
///
/// # Errors
/// When the private authority cannot be read.
pub(super) fn for_smtp(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let store = if system_has_roots() { CertificateStore::Default } else { CertificateStore::WebpkiRoots };
    let mut tls =
        TlsParameters::builder(host.to_owned()).certificate_store(store).set_min_tls_version(TlsVersion::Tlsv12);
    for certificate in ca_file.map(authority).transpose()?.unwrap_or_default() {
        tls = tls.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(|e| e.to_string())?);
    }
    tls.build_rustls().map_err(|e| e.to_string())
}
