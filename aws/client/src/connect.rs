//! Opening connections: names, TCP, proxies, TLS.

use std::io;
use std::time::Duration;

use crate::call::CallError;
use crate::endpoint::Endpoint;
use crate::proxy::Proxies;
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
    pub(crate) tls: Tls,
    pub(crate) proxies: Proxies,
    pub(crate) timeouts: Timeouts,
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

    /// Connects to an endpoint, through its proxy if it has one, and proves its certificate.
    ///
    /// # Errors
    /// [`CallError::Connect`], [`CallError::Proxy`] or [`CallError::Tls`].
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Stream, CallError> {
        Err(CallError::Connect {
            host: endpoint.host().to_owned(),
            port: endpoint.port(),
            source: io::ErrorKind::Unsupported.into(),
        })
    }
}
