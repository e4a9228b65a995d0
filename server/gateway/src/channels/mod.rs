//! Websockets: the upgrade, the first text frame, and then the relay's.
//!
//! A client whose upgrade is refused dials again and again and then hangs for good, and text frames kill AWS's
//! programs. So every data channel is upgraded, and whoever may not have it is told so by a `channel_closed` frame.

mod opening;
mod quota;
mod websocket;

use std::sync::Arc;

use drawbridge_access::{OpenChannel, open_channel_need};
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::sigv4::{self, SignatureError};
use drawbridge_protocol::payload::{OpenControlChannel, OpenDataChannel};
use drawbridge_relay::{AcceptedClient, ClientRole, SessionOver};
use drawbridge_service_ssmmessages::{DataChannelClaim, OpenedEnd};
use drawbridge_session::{Authority as _, Caller, Decision, Grounds, NodeId, Principal, SessionId};
use drawbridge_store::ChannelEnd;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::connection::Peer;
use crate::http::{Answer, Gateway, authenticate, path_segment};
use opening::{first_text, refuse};
use websocket::{Buffers, WebSocket};

const OPEN_CONTROL_CHANNEL: &str = "ssmmessages:OpenControlChannel";

/// What a peer may send beyond its first text frame before it is known: pings, and what it sends without waiting.
const READ_AHEAD: usize = 16 * 1024;

/// Whether a request asks for a websocket.
pub(crate) fn is_upgrade(parts: &Parts) -> bool {
    let asks_for = |name: header::HeaderName, token: &str| {
        let values = parts
            .headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    parts.method == Method::GET
        && asks_for(header::CONNECTION, "upgrade")
        && asks_for(header::UPGRADE, "websocket")
}

/// Opens a node's control channel: signed by that node's role, and the token presented inside.
pub(crate) async fn open_control_channel(
    gateway: &Arc<Gateway>,
    mut parts: Parts,
    peer: Peer,
    node: &str,
) -> Answer {
    let signer = match signer(gateway, &parts, &peer).await {
        Ok(Some(signer)) => signer,
        Ok(None) => return Answer::rest_error(&SignatureError::Missing.to_error(Family::Rest)),
        Err(error) => return Answer::rest_error(&error.to_error(Family::Rest)),
    };
    let node = path_segment(node).and_then(|node| NodeId::parse(&node).ok());
    let Some(node) = node.filter(|node| signer.principal.node() == Some(node)) else {
        let text = format!("{} may open its own control channel only", signer.principal.arn());
        return Answer::rest_error(&Family::Rest.access_denied(&text));
    };
    if let Err(refusal) = may_open(gateway, &signer, OPEN_CONTROL_CHANNEL).await {
        return Answer::rest_error(&refusal);
    }
    upgrade(
        gateway,
        &mut parts,
        peer,
        Buffers::Control,
        move |gateway, socket| async move {
            serve_control(&gateway, socket, &node, signer).await;
        },
    )
}

/// Opens either end of a session's data channel: the token inside decides which.
pub(crate) async fn open_data_channel(
    gateway: &Arc<Gateway>,
    mut parts: Parts,
    peer: Peer,
    session: &str,
) -> Answer {
    let signer = match signer(gateway, &parts, &peer).await {
        Ok(Some(node)) if node.principal.node().is_some() => {
            if let Err(refusal) = may_open(gateway, &node, "ssmmessages:OpenDataChannel").await {
                return Answer::rest_error(&refusal);
            }
            Ok(Some(node.principal))
        }
        Ok(signer) => Ok(signer.map(|caller| caller.principal)),
        Err(error) => Err(error),
    };
    let session = path_segment(session).and_then(|session| SessionId::parse(&session).ok());
    upgrade(
        gateway,
        &mut parts,
        peer,
        Buffers::Data,
        move |gateway, socket| async move {
            serve_data(&gateway, socket, session.as_ref(), signer).await;
        },
    )
}

/// Who signed the upgrade. A key that nobody here has, or credentials that ran out while their session goes on,
/// count as no signature; a signature that is wrong does not.
async fn signer(gateway: &Gateway, parts: &Parts, peer: &Peer) -> Result<Option<Caller>, SignatureError> {
    use crate::http::AuthenticationError::{Signature, Store};
    if !sigv4::is_signed(parts) {
        return Ok(None);
    }
    match authenticate(gateway, parts, b"", "ssmmessages").await {
        Ok(identity) => {
            let request_id = gateway.random.uuid();
            Ok(Some(gateway.caller(identity, parts, peer, request_id)))
        }
        Err(Signature(SignatureError::UnknownAccessKey | SignatureError::ExpiredSessionToken)) => Ok(None),
        Err(Signature(error)) => Err(error),
        Err(Store(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot check a signature"
            );
            Ok(None)
        }
    }
}

/// Asks whether a node's role lets it open its channels. What the token inside opens is another question: a client's
/// token is its whole right, as AWS has it.
async fn may_open(gateway: &Gateway, node: &Caller, action: &str) -> Result<(), AwsError> {
    let id = node.principal.node().map_or("", NodeId::as_str);
    let needs = [open_channel_need(node, action)];
    match gateway.access.decide(node, &needs).await {
        Ok(Decision::Allow(_)) => Ok(()),
        Ok(Decision::Deny(denied)) => {
            tracing::info!(node.id = id, %denied, "refused a channel");
            Err(Family::Rest.access_denied(&denied.to_string()))
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot decide on a channel"
            );
            Err(Family::Rest.internal())
        }
    }
}

/// Notes a channel that is open by a decision of its own, and ends its socket when that no longer holds; `None` if it
/// does not hold now. It is noted first, so that no change falls between.
async fn opened(gateway: &Gateway, socket: &mut WebSocket, grounds: Grounds) -> Option<OpenChannel> {
    let channel = gateway.open_channels.open(grounds.clone());
    socket.end_when(channel.cut());
    match gateway.access.objection(&grounds).await {
        Ok(None) => Some(channel),
        Ok(Some(objection)) => {
            tracing::info!(objection, "refused a channel");
            None
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot decide on a channel"
            );
            None
        }
    }
}

/// Consents to the upgrade and serves the socket in a task of its own.
fn upgrade<F, S>(gateway: &Arc<Gateway>, parts: &mut Parts, peer: Peer, buffers: Buffers, serve: S) -> Answer
where
    F: Future<Output = ()> + Send,
    S: FnOnce(Arc<Gateway>, WebSocket) -> F + Send + 'static,
{
    let version = parts
        .headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes);
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let on_upgrade = parts.extensions.remove::<OnUpgrade>();
    let (Some(b"13"), Some(key), Some(on_upgrade)) = (version, key, on_upgrade) else {
        return Answer::text(StatusCode::BAD_REQUEST, "not a websocket upgrade of version 13\n");
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    let (gateway, stop) = (Arc::clone(gateway), gateway.stop.clone());
    let tracker = gateway.channels.clone();
    // Pinned, here and below: a task is as large as the largest of its phases, and one per idle node stays.
    let task = Box::pin(async move {
        let Ok(upgraded) = on_upgrade.await else { return };
        let Some((io, read_already)) = (peer.unwrap)(upgraded) else {
            return;
        };
        let strangers = gateway.limits.first_frame_bytes + READ_AHEAD;
        let socket = WebSocket::new(io, read_already, buffers, strangers).await;
        Box::pin(serve(gateway, socket)).await;
        // The connection counts until here.
        drop(peer);
    });
    tracker.spawn(async move { stop.run_until_cancelled_owned(task).await });
    Answer::switching_protocols(accept)
}

async fn serve_control(gateway: &Gateway, mut socket: WebSocket, node: &NodeId, signer: Caller) {
    let Some(text) = Box::pin(first_text(&mut socket, &gateway.limits)).await else {
        return;
    };
    let Ok(open) = OpenControlChannel::parse(&text) else {
        return;
    };
    let token = open.token_value.expose();
    match gateway
        .services
        .ssmmessages
        .open_control_channel(node, token, Some(&signer.principal))
        .await
    {
        Ok(()) => {
            socket.admit();
            let needs = vec![open_channel_need(&signer, OPEN_CONTROL_CHANNEL)];
            let grounds = Grounds {
                caller: signer,
                needs,
            };
            let Some(_open) = opened(gateway, &mut socket, grounds).await else {
                return;
            };
            let relay = &gateway.services.relay;
            Box::pin(relay.serve_control(node, &text, &open, socket)).await;
        }
        Err(error) => {
            tracing::info!(node.id = %node, error = &error as &dyn std::error::Error, "refused a control channel");
        }
    }
}

async fn serve_data(
    gateway: &Gateway,
    mut socket: WebSocket,
    session: Option<&SessionId>,
    signer: Result<Option<Principal>, SignatureError>,
) {
    let Some(text) = Box::pin(first_text(&mut socket, &gateway.limits)).await else {
        return;
    };
    let (socket, refusal) = match Box::pin(admit(gateway, session, &text, signer)).await {
        Ok(admitted) => match serve_end(gateway, socket, admitted).await {
            Ok(()) => return,
            Err((over, socket)) => (socket, over.to_string()),
        },
        Err(refusal) => (socket, refusal),
    };
    let session = session.map(SessionId::to_string).unwrap_or_default();
    tracing::info!(session.id = session, refusal, "refused a data channel");
    refuse(gateway, socket, &session, &refusal).await;
}

/// An end whose token was accepted.
struct Admitted<'a> {
    session: &'a SessionId,
    end: OpenedEnd,
    open: OpenDataChannel,
}

/// Which end the first text frame opens, or why it opens none, as the person at the other end will read it.
async fn admit<'a>(
    gateway: &Gateway,
    session: Option<&'a SessionId>,
    text: &str,
    signer: Result<Option<Principal>, SignatureError>,
) -> Result<Admitted<'a>, String> {
    let session = session.ok_or("the address names no session")?;
    let open = OpenDataChannel::parse(text).map_err(|_| "the first message cannot be read".to_owned())?;
    let signer = signer.map_err(|error| error.to_error(Family::Rest).message().to_owned())?;
    let claim = DataChannelClaim {
        token: open.token_value.expose(),
        client_instance_id: open.client_instance_id.as_deref(),
        signer: signer.as_ref(),
    };
    let opened = gateway
        .services
        .ssmmessages
        .open_data_channel(session, claim)
        .await;
    let end = opened.map_err(|error| error.to_string())?;
    Ok(Admitted { session, end, open })
}

async fn serve_end(
    gateway: &Gateway,
    mut socket: WebSocket,
    admitted: Admitted<'_>,
) -> Result<(), (SessionOver, WebSocket)> {
    socket.admit();
    let Admitted { session, end, open } = admitted;
    let relay = &gateway.services.relay;
    let mut _open = None;
    if let OpenedEnd::Client(_, Some(grounds)) = &end {
        match opened(gateway, &mut socket, Grounds::clone(grounds)).await {
            Some(channel) => _open = Some(channel),
            None => return Err((SessionOver, socket)),
        }
    }
    let role = match end {
        OpenedEnd::Node(node) => return relay.serve_node(session, &node, socket).await,
        OpenedEnd::Client(ChannelEnd::ClientStart, _) => ClientRole::Start,
        OpenedEnd::Client(ChannelEnd::ClientResume, _) => ClientRole::Resume,
        OpenedEnd::Client(ChannelEnd::ClientAttach, _) => ClientRole::Attach,
        OpenedEnd::Client(ChannelEnd::Watcher, _) => ClientRole::Watch,
        // Nodes were answered above; a token of theirs opens no client's end.
        OpenedEnd::Client(ChannelEnd::Node, _) => return Err((SessionOver, socket)),
    };
    let client = AcceptedClient {
        role,
        client_id: open.client_id,
        capabilities: open.capabilities,
    };
    relay.serve_client(session, client, socket).await
}
