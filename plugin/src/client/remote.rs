//! The server, as a client sees it.

use std::future::Future;

use drawbridge_aws_client::{CallError, WebSocket};
use drawbridge_protocol::Token;

use super::{DataSocket, Mode};
use crate::SessionTicket;
use crate::api::{Api, ApiError};

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

    /// Ends the session.
    fn terminate(&self) -> impl Future<Output = Result<(), ApiError>>;
}

/// A session at a real server.
#[derive(Debug)]
pub struct GatewayRemote<'a> {
    api: &'a Api,
    session_id: String,
    stream_url: String,
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
            watches: mode == Mode::Watch,
            signs: host(&ticket.stream_url).is_some_and(is_aws) && !is_presigned(&ticket.stream_url),
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

    async fn terminate(&self) -> Result<(), ApiError> {
        self.api.terminate_session(&self.session_id).await
    }
}

/// Whether the other side is AWS's own service, which is told nothing of our capabilities.
///
/// In private-names mode our server answers under AWS's names; the endpoint that the person has set tells it apart. If
/// both bear AWS's names, ours is taken for AWS's and the session runs without extensions.
pub fn speaks_to_aws(stream_url: &str, endpoint_host: &str) -> bool {
    host(stream_url).is_some_and(is_aws) && is_aws(endpoint_host)
}

fn is_aws(host: &str) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
        .iter()
        .any(|suffix| host.ends_with(suffix))
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
