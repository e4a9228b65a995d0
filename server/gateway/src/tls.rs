//! TLS as the gateway speaks it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::ca::LeafCertificates;
use crate::connection::{ALPN_H2, ALPN_HTTP1};

/// An acceptor for TLS 1.2 and 1.3 that answers with these certificates.
pub(crate) fn acceptor(certificates: Arc<LeafCertificates>) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    // Nodes and clients connect rarely and stay; one ticket for the next time is enough.
    config.send_tls13_tickets = 1;
    TlsAcceptor::from(Arc::new(config))
}
