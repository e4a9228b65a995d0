//! Signed calls to one endpoint.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::auth::Auth;
use crate::call::{CallError, Service};
use crate::connect::Connector;
use crate::endpoint::Endpoint;
use crate::websocket::WebSocket;

/// The clock that signatures are dated with.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a REST path answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The whole body, at most 4 MiB.
    pub body: Bytes,
}

/// Calls one endpoint, keeping one connection between calls.
pub struct Client {
    endpoint: Endpoint,
    region: String,
    connector: Connector,
    now: Now,
}

impl Client {
    /// Makes a client; nothing is connected until the first call.
    pub fn new(endpoint: Endpoint, region: impl Into<String>, connector: Connector, now: Now) -> Self {
        Self {
            endpoint,
            region: region.into(),
            connector,
            now,
        }
    }

    /// The endpoint it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The region it signs for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Calls a JSON 1.1 operation: `POST /` with `X-Amz-Target: <prefix>.<operation>`.
    ///
    /// # Errors
    /// [`CallError::Aws`] when the service says no; see [`CallError`] for the rest.
    pub async fn call_json(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
        auth: Auth<'_>,
    ) -> Result<Value, CallError> {
        let _ = (service, operation, input, auth, &self.connector, &self.now);
        Err(CallError::Body {
            reason: String::new(),
        })
    }

    /// Posts a JSON body to a path of the message gateway and returns whatever status it answers.
    ///
    /// # Errors
    /// Only when there is no answer; see [`CallError`].
    pub async fn post(
        &self,
        service: Service,
        path: &str,
        input: &Value,
        auth: Auth<'_>,
    ) -> Result<Answer, CallError> {
        let _ = (service, path, input, auth);
        Err(CallError::Body {
            reason: String::new(),
        })
    }

    /// Opens a websocket to an absolute `wss://` (or `ws://`) URL, which may be on another host than the endpoint.
    ///
    /// With [`Auth::Credentials`] the upgrade is signed for `ssmmessages`. The URL is used verbatim: what is
    /// percent-encoded in it stays so.
    ///
    /// # Errors
    /// See [`CallError`]; a refused upgrade is [`CallError::Aws`] or [`CallError::Status`].
    pub async fn open_websocket(&self, url: &str, auth: Auth<'_>) -> Result<WebSocket, CallError> {
        let _ = (url, auth);
        Err(CallError::Body {
            reason: String::new(),
        })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
