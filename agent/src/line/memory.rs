//! Connections that stay within the test.

use std::cell::Cell;
use std::rc::Rc;

use drawbridge_protocol::Token;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Dial, Dialled};
use crate::gateway::GatewayError;

/// A websocket over memory.
pub(crate) type Socket = WebSocketStream<DuplexStream>;

/// Connects to whoever holds the other end, or says that the session is over.
pub(crate) struct MemoryDial {
    accepted: mpsc::UnboundedSender<Socket>,
    session_ended: Rc<Cell<bool>>,
}

/// The other end of a [`MemoryDial`].
pub(crate) struct Listener {
    /// Every connection that was made.
    pub(crate) connections: mpsc::UnboundedReceiver<Socket>,
    /// Set it to refuse further ones for good.
    pub(crate) session_ended: Rc<Cell<bool>>,
}

/// Makes both ends.
pub(crate) fn memory() -> (MemoryDial, Listener) {
    let (accepted, connections) = mpsc::unbounded_channel();
    let session_ended = Rc::new(Cell::new(false));
    (
        MemoryDial {
            accepted,
            session_ended: Rc::clone(&session_ended),
        },
        Listener {
            connections,
            session_ended,
        },
    )
}

impl Dial for MemoryDial {
    type Transport = Socket;

    fn dial(&self) -> Dialled<Socket> {
        let (accepted, session_ended) = (self.accepted.clone(), Rc::clone(&self.session_ended));
        Box::pin(async move {
            if session_ended.get() {
                return Err(GatewayError::SessionEnded);
            }
            let (near, far) = tokio::io::duplex(64 * 1024);
            let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
            let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
            // A test that has ended leaves a connection that breaks.
            let _ = accepted.send(far);
            Ok((Token::new("t0ken"), near))
        })
    }
}
