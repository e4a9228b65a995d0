//! The least that two hops of TLS cost: one process that copies from connections to connections, either side
//! with TLS.
//!
//! Three of them in a row are the limit that tunnels are measured against: one that only dials TLS, one in
//! the middle that decrypts and encrypts again, and one that only accepts it. One TLS connection carries one
//! TCP connection; there is no protocol and no multiplexing.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::listen::{dial, listen, serve};

/// Copy bytes from connections to connections, either side with TLS.
#[derive(clap::Args)]
pub(crate) struct TlsCopy {
    /// Where to listen; the port that was found is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where connections go
    #[arg(long)]
    to: SocketAddr,
    /// Accept TLS, with a new certificate for the listening address, which is written to this file
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Dial TLS, and accept only the certificate in this file
    #[arg(long)]
    trust: Option<PathBuf>,
}

impl TlsCopy {
    pub(crate) async fn run(self) -> Result<()> {
        // Whoever reads the address may rely on the certificate.
        let hop = Hop::new(
            self.listen.ip(),
            self.certificate.as_deref(),
            self.trust.as_deref(),
        )?;
        let listener = listen(self.listen).await?;
        serve(listener, move |stream| hop.clone().copy(stream, self.to)).await
    }
}

/// How a process accepts and dials: with TLS, or without.
#[derive(Clone)]
pub(crate) struct Hop {
    acceptor: Option<TlsAcceptor>,
    connector: Option<TlsConnector>,
}

impl Hop {
    /// Makes and writes the certificate of `ip` where one is asked for, and reads the one to trust.
    ///
    /// # Errors
    /// When the files cannot be written, read or used.
    pub(crate) fn new(ip: IpAddr, certificate: Option<&Path>, trust: Option<&Path>) -> Result<Self> {
        Ok(Self {
            acceptor: certificate.map(|file| acceptor(ip, file)).transpose()?,
            connector: trust.map(connector).transpose()?,
        })
    }

    /// Connects to `to`, and copies in both directions until both have ended.
    ///
    /// # Errors
    /// When either side breaks or does not speak the TLS that is expected.
    pub(crate) async fn copy(self, stream: TcpStream, to: SocketAddr) -> Result<()> {
        let mut near: Box<dyn Stream> = match self.acceptor {
            Some(acceptor) => Box::new(acceptor.accept(stream).await?),
            None => Box::new(stream),
        };
        let far = dial(to).await?;
        let mut far: Box<dyn Stream> = match self.connector {
            Some(connector) => Box::new(connector.connect(ServerName::from(to.ip()), far).await?),
            None => Box::new(far),
        };
        copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER_BYTES, BUFFER_BYTES).await?;
        Ok(())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn acceptor(ip: IpAddr, file: &Path) -> Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed([ip.to_string()])?;
    std::fs::write(file, made.cert.pem()).with_context(|| format!("cannot write `{}`", file.display()))?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(file: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(
        CertificateDer::from_pem_file(file).with_context(|| format!("cannot read `{}`", file.display()))?,
    )?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What is read at once: several records of TLS.
const BUFFER_BYTES: usize = 256 * 1024;
