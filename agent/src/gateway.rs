//! Opening channels at the message gateway: a token over HTTPS, then a websocket (`protocol.md` 8.1, 8.2, 9.1, 9.2).

use drawbridge_aws_client::{Auth, WebSocket};
use drawbridge_protocol::Token;
use drawbridge_session::SessionId;
use http::StatusCode;
use serde_json::json;

use crate::identity::{Node, NodeError};

/// Which channel to open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Channel<'a> {
    /// The node's one control channel.
    Control,
    /// The data channel of a session.
    Data(&'a SessionId),
}

/// Why a channel could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The session is over: there is no reason to try again.
    #[error("session is already terminated")]
    SessionEnded,
    /// The server answered something other than a token.
    #[error("the message gateway answered with status {status}: {excerpt}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// The first printable characters of the answer.
        excerpt: String,
    },
    /// The node could not call.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What AWS's service, and every server that speaks its protocol, says when a session is over.
const SESSION_ENDED: &str = "Session is already terminated";

/// Opens a channel: returns the websocket and the token that its first text frame must carry.
///
/// # Errors
///
/// See [`GatewayError`].
pub(crate) async fn open(node: &Node, channel: Channel<'_>) -> Result<(Token, WebSocket), GatewayError> {
    let (path, query) = match channel {
        Channel::Control => (
            format!("/v1/control-channel/{}", node.id()),
            "role=subscribe&stream=input",
        ),
        Channel::Data(session) => (
            format!("/v1/data-channel/{}", session.url_segment()),
            "role=publish_subscribe",
        ),
    };
    let mut input = json!({"MessageSchemaVersion": "1.0", "RequestId": node.random().uuid()});
    if matches!(channel, Channel::Data(_)) {
        input["ClientId"] = json!("");
    }
    let credentials = node.credentials().await?;
    let auth = Auth::Credentials(&credentials);
    let answer = node.observe(node.gateway().post(MESSAGES, &path, &input, auth).await)?;
    let body = String::from_utf8_lossy(&answer.body);
    let token = (answer.status == StatusCode::CREATED)
        .then(|| token(&body))
        .flatten()
        .ok_or_else(|| {
            if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                node.forget_credentials();
            }
            refusal(answer.status, &body)
        })?;
    let endpoint = node.gateway().endpoint();
    let scheme = if endpoint.is_tls() { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{path}?{query}", endpoint.authority());
    let socket = node.observe(node.gateway().open_websocket(&url, auth).await)?;
    Ok((token, socket))
}

const MESSAGES: drawbridge_aws_client::Service = drawbridge_aws_client::Service::SSMMESSAGES;

fn refusal(status: StatusCode, body: &str) -> GatewayError {
    if body.contains(SESSION_ENDED) {
        return GatewayError::SessionEnded;
    }
    let excerpt = body.chars().filter(|c| !c.is_control()).take(200).collect();
    GatewayError::Refused { status, excerpt }
}

/// Finds the one element that matters; the name of the root element is nobody's business (`protocol.md` 8.1).
fn token(xml: &str) -> Option<Token> {
    let (_, rest) = xml.split_once("<TokenValue>")?;
    let (value, _) = rest.split_once("</TokenValue>")?;
    // The ampersand last, or an escaped escape would be read twice.
    let value = value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    let value = value.replace("&amp;", "&");
    (!value.is_empty()).then(|| Token::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_token_whatever_surrounds_it() {
        let found = |xml: &str| token(xml).map(|token| token.expose().to_owned());
        assert_eq!(
            found("<A><X>1</X><TokenValue>a&amp;lt;b&lt;</TokenValue></A>").as_deref(),
            Some("a&lt;b<")
        );
        for xml in [
            "",
            "<TokenValue>",
            "<TokenValue></TokenValue>",
            "<TokenValue/>",
            "{}",
        ] {
            assert_eq!(found(xml), None, "{xml}");
        }
    }

    #[test]
    fn tells_the_end_of_a_session_from_other_refusals() {
        let ended = refusal(
            StatusCode::BAD_REQUEST,
            r#"{"message":"Session is already terminated"}"#,
        );
        assert!(matches!(ended, GatewayError::SessionEnded));
        let other = refusal(StatusCode::BAD_GATEWAY, "<html>\r\nbad\u{1b}[31m</html>");
        assert_eq!(
            other.to_string(),
            "the message gateway answered with status 502 Bad Gateway: <html>bad[31m</html>"
        );
    }
}
