//! Which certificate authorities a client trusts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::environment::Environment;

/// A cached TLS configuration: versions 1.2 and 1.3, HTTP/1.1, and the roots it was made with.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

/// Why trusted roots could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read certificate authorities from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no certificate in PEM form, or a broken one.
    #[error("no usable certificate in `{0}`")]
    NoCertificate(String),
    /// Neither the system nor the environment gives any root.
    #[error("this system has no certificate authorities; set `SSL_CERT_FILE` or name a file")]
    NoSystemRoots,
    /// The crypto provider refused its own defaults.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// Trusts what the environment says: `AWS_CA_BUNDLE`, else `SSL_CERT_FILE`, else the system's roots.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn of_environment(environment: &Environment) -> Result<Self, TlsError> {
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            if let Some(path) = environment.value(name) {
                return Self::of_file(Path::new(path));
            }
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
        Self::of_roots(roots)
    }

    /// Trusts exactly the certificates of a PEM file.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn of_file(path: &Path) -> Result<Self, TlsError> {
        let pem = std::fs::read(path).map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::of_pem(&pem, &path.display().to_string())
    }

    /// Trusts exactly the certificates of a PEM text; `origin` names it in errors.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn of_pem(pem: &[u8], origin: &str) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| TlsError::NoCertificate(origin.to_owned()))?;
            // Bundles hold certificates that this library cannot use; one of them must not spoil the rest.
            roots.add_parsable_certificates([certificate]);
        }
        if roots.is_empty() {
            return Err(TlsError::NoCertificate(origin.to_owned()));
        }
        Self::of_roots(roots)
    }

    /// The configuration behind it.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    fn of_roots(roots: RootCertStore) -> Result<Self, TlsError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(8);
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
