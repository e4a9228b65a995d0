//! Opening connections: names, TCP, proxies, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_transport::ReadAhead;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::call::CallError;
use crate::endpoint::Endpoint;
use crate::proxy::{Proxies, Proxy, ProxyError, open_tunnel};
use crate::stream::Stream;
use crate::tls::Tls;

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// One TCP connection attempt (each address of a name has its own), and the proxy's and TLS's handshakes.
    pub connect: Duration,
    /// A whole call, connecting included.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
        }
    }
}

/// Opens connections to endpoints with one set of roots, proxies and timeouts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Connector {
    tls: Tls,
    proxies: Proxies,
    timeouts: Timeouts,
}

impl Connector {
    /// Joins trusted roots and proxies, with the default timeouts.
    pub fn new(tls: Tls, proxies: Proxies) -> Self {
        Self {
            tls,
            proxies,
            timeouts: Timeouts::default(),
        }
    }

    /// Replaces the timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The timeouts in force.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Connects to an endpoint, through its proxy if it has one, and proves its certificate.
    ///
    /// # Errors
    /// [`CallError::Connect`], [`CallError::Proxy`] or [`CallError::Tls`].
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Stream, CallError> {
        let (host, port) = (endpoint.host(), endpoint.port());
        let tcp = match self.proxies.of(endpoint.is_tls(), host, port) {
            Some(proxy) => self
                .tunnel(proxy, host, port)
                .await
                .map_err(|source| CallError::Proxy {
                    target: format!("{host}:{port}"),
                    source,
                })?,
            None => self.tcp(host, port).await.map_err(|source| CallError::Connect {
                host: host.to_owned(),
                port,
                source,
            })?,
        };
        if endpoint.is_tls() {
            self.handshake(host, tcp).await
        } else {
            Ok(Stream::Plain(tcp))
        }
    }

    /// Tries every address of the name in turn.
    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.limit(lookup_host((host, port))).await?;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match self.limit(TcpStream::connect(address)).await {
                Ok(stream) => {
                    // Keystrokes are small and urgent.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn tunnel(&self, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
        let failed = |source| ProxyError::Io {
            proxy: proxy.address(),
            source,
        };
        let mut stream = self.tcp(&proxy.host, proxy.port).await.map_err(failed)?;
        match timeout(self.timeouts.connect, open_tunnel(&mut stream, proxy, host, port)).await {
            Ok(outcome) => outcome.map(|()| stream),
            Err(_) => Err(failed(too_slow(self.timeouts.connect))),
        }
    }

    async fn handshake(&self, host: &str, tcp: TcpStream) -> Result<Stream, CallError> {
        let failed = |source| CallError::Tls {
            host: host.to_owned(),
            source,
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let connector = TlsConnector::from(Arc::clone(self.tls.config()));
        let stream = self
            .limit(connector.connect(name, ReadAhead::new(tcp)))
            .await
            .map_err(failed)?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    async fn limit<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match timeout(self.timeouts.connect, step).await {
            Ok(outcome) => outcome,
            Err(_) => Err(too_slow(self.timeouts.connect)),
        }
    }
}

fn too_slow(limit: Duration) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer within {} s", limit.as_secs()),
    )
}
