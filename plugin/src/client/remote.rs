//! The server, as a client sees it.

use std::future::Future;

use drawbridge_aws_client::{CallError, WebSocket};
use drawbridge_protocol::Token;
use drawbridge_protocol::encryption::DataKey;

use super::{DataKeyError, DataSocket, MadeKey, Mode};
use crate::api::{Api, ApiError, KeyContext, is_awss};
use crate::{JoinedKey, SessionTicket};

/// What the client loop asks of the server, for one session.
///
/// Dropping a future gives its call up.
pub trait Remote {
    /// An open data channel.
    type Socket: DataSocket;

    /// Opens the data channel's websocket; nothing is said on it yet.
    fn dial(&self) -> impl Future<Output = Result<Self::Socket, CallError>>;

    /// Asks for another token; `None` if the session is over.
    fn renew(&self) -> impl Future<Output = Result<Option<Token>, ApiError>>;

    /// Has a key make a data key for the session.
    fn make_data_key(&self, kms_key_id: String) -> impl Future<Output = Result<MadeKey, DataKeyError>>;

    /// Unwraps the data key of a session that was encrypted before this client came; `None` if it was not.
    fn joined_data_key(&self) -> impl Future<Output = Result<Option<DataKey>, DataKeyError>>;

    /// Ends the session.
    fn terminate(&self) -> impl Future<Output = Result<(), ApiError>>;
}

/// A session at a real server.
#[derive(Debug)]
pub struct GatewayRemote<'a> {
    api: &'a Api,
    session_id: String,
    stream_url: String,
    target: Option<String>,
    joined_key: Option<JoinedKey>,
    watches: bool,
    signs: bool,
}

impl<'a> GatewayRemote<'a> {
    /// Describes where a ticket leads.
    pub fn new(api: &'a Api, ticket: &SessionTicket, mode: Mode) -> Self {
        Self {
            api,
            session_id: ticket.session_id.clone(),
            stream_url: ticket.stream_url.clone(),
            target: ticket.target.clone(),
            joined_key: ticket.joined_key.clone(),
            watches: mode == Mode::Watch,
            signs: host(&ticket.stream_url).is_some_and(is_awss) && !is_presigned(&ticket.stream_url),
        }
    }
}

impl Remote for GatewayRemote<'_> {
    type Socket = WebSocket;

    async fn dial(&self) -> Result<WebSocket, CallError> {
        self.api.open_websocket(&self.stream_url, self.signs).await
    }

    async fn renew(&self) -> Result<Option<Token>, ApiError> {
        if !self.watches {
            return self.api.resume_session(&self.session_id).await;
        }
        match self.api.watch_session(&self.session_id).await {
            Ok(ticket) => Ok(Some(ticket.token)),
            // Who could watch it before and finds nothing now has outlived it.
            Err(error) if error.code() == Some("DoesNotExistException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn make_data_key(&self, kms_key_id: String) -> Result<MadeKey, DataKeyError> {
        let context = KeyContext {
            session_id: self.session_id.clone(),
            target: self.target.clone().ok_or(DataKeyError::NoTarget)?,
        };
        let given = self.api.generate_data_key(&kms_key_id, &context).await?;
        let (key, wrapped) = given.key().zip(given.wrapped()).ok_or(DataKeyError::NotOne)?;
        Ok(MadeKey { key, wrapped })
    }

    async fn joined_data_key(&self) -> Result<Option<DataKey>, DataKeyError> {
        let Some(joined) = &self.joined_key else {
            return Ok(None);
        };
        let context = KeyContext {
            session_id: self.session_id.clone(),
            target: joined.target.clone(),
        };
        let given = self
            .api
            .decrypt_data_key(&joined.kms_key_id, &joined.wrapped_key, &context)
            .await?;
        given.key().map(Some).ok_or(DataKeyError::NotOne)
    }

    async fn terminate(&self) -> Result<(), ApiError> {
        self.api.terminate_session(&self.session_id).await
    }
}

/// Whether the other side is AWS's own service, which is told nothing of our capabilities.
///
/// In private-names mode our server answers under AWS's names; the endpoint that the person has set tells it apart. If
/// both bear AWS's names, ours is taken for AWS's and the session runs without extensions.
pub fn speaks_to_aws(stream_url: &str, endpoint_host: &str) -> bool {
    host(stream_url).is_some_and(is_awss) && is_awss(endpoint_host)
}

fn is_presigned(url: &str) -> bool {
    url.split_once('?')
        .is_some_and(|(_, query)| query.contains("X-Amz-Signature="))
}

fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A port, if any; addresses in brackets are never AWS's.
    authority.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_awss_service_from_ours() {
        let aws = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/a?role=publish_subscribe";
        assert!(speaks_to_aws(aws, "ssm.eu-west-1.amazonaws.com"));
        assert!(!speaks_to_aws(aws, "bridge.example"));
        assert!(!speaks_to_aws(
            "wss://bridge.example:8443/v1",
            "ssm.eu-west-1.amazonaws.com"
        ));
        assert!(!speaks_to_aws(
            "wss://amazonaws.com.evil.example/v1",
            "ssm.eu-west-1.amazonaws.com"
        ));
        assert!(!speaks_to_aws(
            "wss://evil.example/.amazonaws.com",
            "ssm.eu-west-1.amazonaws.com"
        ));
        assert!(!speaks_to_aws("nonsense", "ssm.eu-west-1.amazonaws.com"));
    }

    #[test]
    fn knows_a_presigned_url() {
        assert!(is_presigned(
            "wss://h/v1/data-channel/a?role=x&X-Amz-Signature=00"
        ));
        assert!(!is_presigned("wss://h/v1/data-channel/a?role=x"));
    }
}
