//! Websockets with small buffers.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::call::CallError;
use crate::endpoint::Endpoint;
use crate::failure;
use crate::stream::Stream;

/// A websocket over TCP or TLS.
pub type WebSocket = WebSocketStream<Stream>;

/// The largest message accepted from a server, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// The default of 128 KiB per socket is most of an idle agent's memory.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Frames are written out once this much is waiting, in bytes.
const WRITE_BUFFER_BYTES: usize = 32 * 1024;

/// Above this a writer that does not flush gets an error instead of memory, in bytes.
const MAX_WRITE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A refused upgrade, with the server's header fields.
pub(crate) struct Refused {
    pub(crate) error: CallError,
    pub(crate) headers: HeaderMap,
}

/// The upgrade request for a URL, not signed.
pub(crate) fn upgrade(uri: &Uri, endpoint: &Endpoint) -> Result<Request<()>, CallError> {
    let bad = |reason| CallError::Url {
        url: uri.to_string(),
        reason,
    };
    let host = HeaderValue::from_str(&endpoint.authority()).map_err(|_| bad("its host cannot be sent"))?;
    let key = HeaderValue::from_str(&generate_key()).map_err(|_| bad("no websocket key"))?;
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_11;
    // The library wants an absolute `ws` URL and writes only its path.
    *request.uri_mut() = uri.clone();
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::HOST, host),
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (header::SEC_WEBSOCKET_KEY, key),
    ];
    request.headers_mut().extend(headers);
    Ok(request)
}

/// Upgrades a connection.
pub(crate) async fn open(request: Request<()>, stream: Stream) -> Result<WebSocket, Refused> {
    match client_async_with_config(request, stream, Some(config())).await {
        Ok((socket, _)) => Ok(socket),
        Err(WebSocketError::Http(response)) => {
            let (head, body) = response.into_parts();
            let error = failure::of_answer(head.status, &head.headers, &body.unwrap_or_default());
            Err(Refused {
                error,
                headers: head.headers,
            })
        }
        Err(error) => Err(Refused {
            error: CallError::Websocket(Box::new(error)),
            headers: HeaderMap::new(),
        }),
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}
