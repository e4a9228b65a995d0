//! As many connections as the client asks for, over one session (`protocol.md` 6.5 and 6.6).
//!
//! ```text
//!              the client's version, and whether it is ours
//!   Unspoken ─────────────────────────────────────────────▶ Multiplexed, or one at a time (a `SocketEnd` that dials again)
//! ```
//!
//! The client opens a stream; the node dials, every time anew, and joins the socket with the stream, or refuses. That a
//! connection is refused does not end the session; only the client or the server does.

use bytes::Bytes;
use drawbridge_protocol::NodeExtension;
use drawbridge_protocol::payload::{SessionType, flag};
use drawbridge_protocol::port_mux::{
    Accepted, Credited, HEADER_BYTES, MAX_STREAMS, Mux, MuxError, Opening, Refusal, RefusalCode, Side, Smux,
    StreamId, client_multiplexes,
};
use drawbridge_protocol::stream::Window;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_session::document::Destination;
use drawbridge_tunnel::{CHUNK_BYTES, News, Tunnel};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::socket::SocketEnd;
use super::target::{Reach, Reached, TargetError, dial};

/// Carries the connections of a tunnel.
pub(super) struct TunnelEnd {
    destinations: Vec<Destination>,
    reach: Reach,
    properties: Value,
    extension: Option<NodeExtension>,
    speech: Speech,
    /// What the client is told beside the streams.
    flags: Vec<u32>,
    ended: Option<End>,
}

/// How connections are told apart.
enum Speech {
    /// Nobody knows yet.
    Unspoken,
    /// As streams.
    Multiplexed(Box<Multiplexed>),
    /// They are not: there is one at a time.
    OneAtATime(Box<SocketEnd>),
}

struct Multiplexed {
    tunnel: Tunnel,
    dialling: FuturesUnordered<LocalBoxFuture<'static, Dialled>>,
}

struct Dialled {
    stream: StreamId,
    result: Result<Reached, TargetError>,
}

impl TunnelEnd {
    /// Waits for a client. `properties` are told to it.
    pub(super) fn new(
        destinations: Vec<Destination>,
        reach: Reach,
        properties: Value,
        extension: Option<NodeExtension>,
    ) -> Self {
        Self {
            destinations,
            reach,
            properties,
            extension,
            speech: Speech::Unspoken,
            flags: Vec::new(),
            ended: None,
        }
    }

    fn multiplexed(&self, mux: Mux) -> Speech {
        let max_payload = self.extension.map_or(0, |extension| extension.max_payload());
        Speech::Multiplexed(Box::new(Multiplexed {
            tunnel: Tunnel::new(mux, max_payload),
            dialling: FuturesUnordered::new(),
        }))
    }

    fn receive(&mut self, payload: Bytes) {
        let Speech::Multiplexed(multiplexed) = &mut self.speech else {
            return;
        };
        match (
            multiplexed.tunnel.receive(payload),
            multiplexed.tunnel.payload_type(),
        ) {
            (Ok(()), _) => {}
            (Err(error), PayloadType::Multiplexed) => tracing::debug!(%error, "message of a tunnel ignored"),
            (Err(error), _) => self.ended = Some(End::Failed(lost(&error))),
        }
    }

    /// Does what the client has asked for.
    fn handle_news(&mut self) {
        let Speech::Multiplexed(multiplexed) = &mut self.speech else {
            return;
        };
        while let Some(news) = multiplexed.tunnel.poll_news() {
            match news {
                News::Opened(stream, opening) => {
                    multiplexed.open(stream, &opening, &self.destinations, &self.reach);
                }
                News::Ended {
                    stream,
                    figures,
                    broken,
                } => {
                    tracing::debug!(
                        stream = stream.0,
                        read = figures.read,
                        written = figures.written,
                        broken,
                        "connection ended"
                    );
                }
                // The node asks for nothing.
                News::Accepted(..) | News::Refused(..) => {}
            }
        }
    }

    fn dialled(&mut self, Dialled { stream, result }: Dialled) {
        let Speech::Multiplexed(multiplexed) = &mut self.speech else {
            return;
        };
        let tunnel = &mut multiplexed.tunnel;
        match result {
            Ok(Reached { socket, address }) => {
                let accepted = Accepted {
                    address,
                    ..Accepted::default()
                };
                tunnel.connected(stream, socket, &accepted);
            }
            Err(error) => {
                tracing::info!(stream = stream.0, %error, "connection refused");
                if tunnel.payload_type() == PayloadType::Output {
                    self.flags.push(flag::CONNECT_TO_PORT_ERROR);
                }
                tunnel.refuse(stream, &error.refusal());
            }
        }
    }
}

impl Multiplexed {
    fn open(&mut self, stream: StreamId, opening: &Opening, destinations: &[Destination], reach: &Reach) {
        let wanted = Some(opening).filter(|opening| opening.command.is_empty());
        let refusal = match wanted.and_then(|opening| destinations.get(usize::from(opening.destination))) {
            // Streams that the client gave up meanwhile are dialled for to the end.
            Some(_) if self.dialling.len() >= MAX_STREAMS => Refusal {
                code: RefusalCode::TooMany,
                reason: format!("{MAX_STREAMS} connections are being made already."),
            },
            Some(destination) => {
                let (destination, reach) = (destination.clone(), reach.clone());
                self.dialling.push(Box::pin(async move {
                    let result = dial(&destination, &reach).await;
                    Dialled { stream, result }
                }));
                return;
            }
            None if !opening.command.is_empty() => Refusal {
                code: RefusalCode::NotAllowed,
                reason: "A tunnel runs no commands.".to_owned(),
            },
            None => Refusal {
                code: RefusalCode::NotAllowed,
                reason: format!("This session has no destination {}.", opening.destination),
            },
        };
        self.tunnel.refuse(stream, &refusal);
    }
}

/// What is said when nothing that follows could be understood.
fn lost(error: &MuxError) -> String {
    format!("The client's side of the tunnel cannot be understood: {error}")
}

impl FarEnd for TunnelEnd {
    fn introduction(&self) -> Option<Introduction> {
        Some(Introduction {
            session_type: SessionType::Port,
            properties: self.properties.clone(),
        })
    }

    fn begin(&mut self, client_version: &str) {
        let is_ours = self.extension.is_some_and(|extension| extension.client_tunnels);
        self.speech = if is_ours {
            self.multiplexed(Mux::Credited(Credited::new(Side::Node)))
        } else if client_multiplexes(client_version) {
            self.multiplexed(Mux::Smux(Smux::new(Side::Node)))
        } else {
            match self.destinations.first() {
                Some(destination) => {
                    let socket = SocketEnd::again_and_again(
                        destination.clone(),
                        self.reach.clone(),
                        self.properties.clone(),
                    );
                    Speech::OneAtATime(Box::new(socket))
                }
                None => Speech::Unspoken,
            }
        };
    }

    fn handle_input(&mut self, bytes: Bytes) {
        match &mut self.speech {
            Speech::OneAtATime(socket) => socket.handle_input(bytes),
            Speech::Multiplexed(multiplexed) if multiplexed.tunnel.payload_type() == PayloadType::Output => {
                self.receive(bytes);
            }
            Speech::Multiplexed(_) | Speech::Unspoken => {}
        }
    }

    fn handle_message(&mut self, message: Bytes) {
        if let Speech::Multiplexed(multiplexed) = &self.speech
            && multiplexed.tunnel.payload_type() == PayloadType::Multiplexed
        {
            self.receive(message);
        }
    }

    fn handle_flag(&mut self, number: u32) {
        match (&mut self.speech, number) {
            (_, flag::TERMINATE_SESSION) => self.ended = Some(End::Closed),
            (Speech::OneAtATime(socket), _) => socket.handle_flag(number),
            (Speech::Multiplexed(_) | Speech::Unspoken, _) => {}
        }
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        match &self.speech {
            Speech::Unspoken => false,
            Speech::Multiplexed(multiplexed) => multiplexed.tunnel.is_full() && super::input::is_input(frame),
            Speech::OneAtATime(socket) => socket.refuses(frame),
        }
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        self.handle_news();
        if let Some(end) = &self.ended {
            return Some(FarEvent::Ended(end.clone()));
        }
        if let Some(number) = self.flags.pop() {
            return Some(FarEvent::Said(PayloadType::Flag, flag::to_bytes(number)));
        }
        match &mut self.speech {
            Speech::Unspoken => None,
            Speech::OneAtATime(socket) => socket.poll(room),
            Speech::Multiplexed(multiplexed) => {
                let message = multiplexed.tunnel.poll(room)?;
                Some(FarEvent::Said(multiplexed.tunnel.payload_type(), message))
            }
        }
    }

    async fn next(&mut self, room: usize) {
        let dialled = match &mut self.speech {
            Speech::Unspoken => return std::future::pending().await,
            Speech::OneAtATime(socket) => return socket.next(room).await,
            Speech::Multiplexed(multiplexed) => {
                let Multiplexed { tunnel, dialling } = &mut **multiplexed;
                tokio::select! {
                    () = tunnel.next() => return,
                    Some(dialled) = dialling.next() => dialled,
                }
            }
        };
        self.dialled(dialled);
    }

    fn chunk(&self) -> usize {
        CHUNK_BYTES + HEADER_BYTES
    }

    fn window(&self) -> Window {
        match self.extension {
            Some(extension) if extension.client_tunnels => Window::TUNNEL,
            Some(_) | None => Window::DEFAULT,
        }
    }

    fn is_kept_by_server(&self) -> bool {
        false
    }

    async fn end(&mut self) {
        self.speech = Speech::Unspoken;
        self.ended = Some(End::Closed);
    }
}
