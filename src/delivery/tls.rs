//! Whom we trust: the system's certificates, else Mozilla's, and a private authority when one is named. Nothing turns
//! verification off.

use std::path::Path;

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsVersion};

use crate::net::certificates;
pub(super) use crate::net::client_tls as for_http;

fn system_has_roots() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// TLS for the SMTP server `host`.
///
/// # Errors
/// When the private authority cannot be read.
pub(super) fn for_smtp(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let store = if system_has_roots() { CertificateStore::Default } else { CertificateStore::WebpkiRoots };
    let mut tls =
        TlsParameters::builder(host.to_owned()).certificate_store(store).set_min_tls_version(TlsVersion::Tlsv12);
    for certificate in ca_file.map(certificates).transpose()?.unwrap_or_default() {
        tls = tls.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(|e| e.to_string())?);
    }
    tls.build_rustls().map_err(|e| e.to_string())
}
