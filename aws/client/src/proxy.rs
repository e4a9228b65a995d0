//! HTTP proxies: which hosts go through one, and the `CONNECT` that opens the tunnel.

use std::io;

use crate::environment::Environment;

/// The proxies a process is told to use: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case.
#[derive(Debug, Clone, Default)]
pub struct Proxies {}

/// Why a tunnel did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The variable holds something that is not a proxy URL.
    #[error("`{variable}` is not a proxy URL: {reason}")]
    BadUrl {
        /// Name of the variable; its value may hold a password.
        variable: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The connection to the proxy failed.
    #[error("cannot talk to proxy `{proxy}`")]
    Io {
        /// `host:port` of the proxy.
        proxy: String,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy said no.
    #[error("proxy `{proxy}` answered {status}")]
    Refused {
        /// `host:port` of the proxy.
        proxy: String,
        /// HTTP status.
        status: u16,
    },
    /// The proxy's answer is not HTTP or too long.
    #[error("proxy `{proxy}` does not speak HTTP")]
    Garbage {
        /// `host:port` of the proxy.
        proxy: String,
    },
}

impl Proxies {
    /// Uses no proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the proxy variables.
    ///
    /// # Errors
    /// [`ProxyError::BadUrl`].
    pub fn of_environment(environment: &Environment) -> Result<Self, ProxyError> {
        let _ = environment;
        Ok(Self {})
    }
}
