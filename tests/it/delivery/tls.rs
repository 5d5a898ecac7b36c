//! Certificates made for one test run.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A private authority and a server certificate for `localhost` and 127.0.0.1.
pub struct Authority {
    pub ca_file: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(dir: &std::path::Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, issuer.pem()).unwrap();
        Self { ca_file, issuer }
    }

    fn params(expired: bool) -> CertificateParams {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        params
    }

    /// TLS for a server; `expired` gives it a certificate of 2020.
    pub fn server(&self, expired: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::params(expired).signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// A server's certificate and key as files, for a real peer.
    pub fn files(&self, dir: &std::path::Path) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::params(false).signed_by(&key, &self.issuer).unwrap();
        let paths = (dir.join("server.pem"), dir.join("server.key"));
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }
}
