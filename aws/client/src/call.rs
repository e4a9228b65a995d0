//! What is called, and how a call fails.

use std::io;
use std::time::Duration;

use drawbridge_aws_dialects::sigv4::SignError;
use http::StatusCode;

use crate::proxy::ProxyError;

/// A service as a client addresses it: its signing name and the prefix of its `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Signing name, the third part of the credential scope.
    pub signing_name: &'static str,
    /// What stands before the dot of `X-Amz-Target`; empty for services without one.
    pub target_prefix: &'static str,
}

impl Service {
    /// Systems Manager.
    pub const SSM: Self = Self {
        signing_name: "ssm",
        target_prefix: "AmazonSSM",
    };
    /// Identities and their policies.
    pub const IAM: Self = Self {
        signing_name: "iam",
        target_prefix: "",
    };
    /// Drawbridge's own operations.
    pub const DRAWBRIDGE: Self = Self {
        signing_name: "ssm",
        target_prefix: "Drawbridge",
    };
    /// Keys.
    pub const KMS: Self = Self {
        signing_name: "kms",
        target_prefix: "TrentService",
    };
    /// The message gateway (REST and websockets).
    pub const SSMMESSAGES: Self = Self {
        signing_name: "ssmmessages",
        target_prefix: "",
    };
    /// CloudWatch Logs.
    pub const LOGS: Self = Self {
        signing_name: "logs",
        target_prefix: "Logs_20140328",
    };
    /// Buckets and objects (REST).
    pub const S3: Self = Self {
        signing_name: "s3",
        target_prefix: "",
    };
}

/// Why a call did not give an answer.
///
/// Each variant's text names its own layer; the cause is in `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The URL cannot be called.
    #[error("cannot use URL `{url}`: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No TCP connection: name not found, refused, unreachable or too slow.
    #[error("cannot connect to `{host}:{port}`")]
    Connect {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP proxy did not open the tunnel.
    #[error("cannot reach `{target}` through the proxy")]
    Proxy {
        /// `host:port` behind the proxy.
        target: String,
        /// What went wrong.
        source: ProxyError,
    },
    /// TLS failed, above all because the server's certificate is not trusted for this name.
    #[error("cannot establish TLS with `{host}`")]
    Tls {
        /// The name that was to be proven.
        host: String,
        /// What rustls said.
        source: io::Error,
    },
    /// The request could not be signed.
    #[error("cannot sign the request")]
    Sign(#[from] SignError),
    /// The connection broke, or the peer does not speak HTTP.
    #[error("HTTP exchange failed")]
    Http(#[source] hyper::Error),
    /// No complete answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The answer is larger than anything the service sends.
    #[error("answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The service answered with an error.
    #[error("{code}: {message}")]
    Aws {
        /// The code, without prefix; branch on this.
        code: String,
        /// The service's text.
        message: String,
        /// HTTP status.
        status: StatusCode,
        /// `x-amzn-RequestId`, when there was one.
        request_id: Option<String>,
    },
    /// An answer that is neither success nor an AWS error, such as a proxy's page.
    #[error("unexpected HTTP status {status}: {excerpt}")]
    Status {
        /// HTTP status.
        status: StatusCode,
        /// The first printable characters of the body.
        excerpt: String,
    },
    /// A successful answer whose body cannot be read.
    #[error("cannot read the answer: {reason}")]
    Body {
        /// What is wrong with it.
        reason: String,
    },
    /// The websocket upgrade failed after the connection was there.
    #[error("websocket handshake failed")]
    Websocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
}

impl CallError {
    /// The AWS error code, if the service gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Aws { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later: connection trouble, throttling and server faults.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Http(_)
            | Self::Timeout(_)
            | Self::Websocket(_) => true,
            Self::Tls { source, .. } => source.kind() != io::ErrorKind::InvalidData,
            Self::Aws { code, status, .. } => {
                is_passing(*status)
                    || matches!(
                        code.as_str(),
                        "ThrottlingException" | "Throttling" | "TooManyUpdates" | "RequestTimeout"
                    )
            }
            Self::Status { status, .. } => is_passing(*status) || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Url { .. } | Self::Sign(_) | Self::TooLarge { .. } | Self::Body { .. } => false,
        }
    }
}

/// A fault of the server that may be over the next time. What it has not implemented it will not have by then.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_implemented_is_not_tried_again() {
        let refused = |status: u16| CallError::Aws {
            code: "Code".to_owned(),
            message: String::new(),
            status: StatusCode::from_u16(status).expect("a status"),
            request_id: None,
        };
        assert!(refused(500).is_transient() && refused(503).is_transient());
        assert!(!refused(501).is_transient() && !refused(403).is_transient());
    }
}
