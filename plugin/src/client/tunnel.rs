//! The client's end of a tunnel: listeners, and the connections that programs make to them.
//!
//! ```text
//!   programs ──▶ Listeners ──▶ Multiplexed, or one after the other (`protocol.md` 6.5) ──▶ the data channel
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use drawbridge_protocol::Hello;
use drawbridge_protocol::payload::flag;
use drawbridge_protocol::port_mux::{
    Credited, HEADER_BYTES, Mux, MuxError, Opening, Refusal, Side, Smux, StreamId, node_multiplexes,
};
use drawbridge_protocol::stream::Window;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_tunnel::{Arrived, CHUNK_BYTES, Figures, Listener, Listeners, News, Said, Single, Tunnel};
use serde_json::Value;

/// What a tunnel has to tell whoever watches it.
#[derive(Debug)]
pub enum TunnelNews {
    /// A program has connected.
    Arrived(Connection),
    /// The far end could not be reached.
    Refused(Connection, Refusal),
    /// A connection is over.
    Ended {
        /// The connection.
        connection: Connection,
        /// What it carried.
        figures: Figures,
        /// Why it broke, if it did.
        broken: Option<String>,
    },
}

/// A program's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Which listener it came to, and so where it leads.
    pub listener: usize,
    /// The program's address; empty where it has none.
    pub from: String,
}

/// Sees what a tunnel does.
pub trait TunnelView {
    /// The tunnel is open, and programs may connect here.
    fn opened(&mut self, session_id: &str, listeners: &[Listener]);

    /// Something happened.
    fn happened(&mut self, news: &TunnelNews);

    /// The connections there are, and what they have carried; called again and again while there are any.
    fn figures(&mut self, connections: &mut dyn Iterator<Item = (&Connection, Figures)>);
}

/// A tunnel that a person asked for: its listeners are there already, one for each destination in turn.
pub struct Forwarding {
    /// Where programs connect. They stay when a session ends, for the next one.
    pub listeners: Rc<Listeners>,
    /// Who watches.
    pub view: Box<dyn TunnelView>,
    /// Whether the last session ended for a reason after which another one might do: its node failed or vanished.
    pub node_failed: bool,
}

/// The local end of a tunnel.
pub(crate) struct LocalEnd {
    listeners: Rc<Listeners>,
    speech: Speech,
    connections: BTreeMap<StreamId, Connection>,
    news: Vec<TunnelNews>,
}

/// How connections are told apart.
enum Speech {
    Multiplexed(Box<Tunnel>),
    /// They are not: there is one at a time.
    OneAtATime {
        present: Option<Box<Single>>,
    },
}

/// What the local end wants sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToSend {
    /// A piece of the stream.
    Bytes(Bytes),
    /// A message between our own ends.
    Message(Bytes),
    /// One of the numbers of [`flag`].
    Flag(u32),
}

/// Listens where the properties of a session say.
pub(crate) async fn listener_of(properties: &Value) -> io::Result<Listener> {
    let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("localConnectionType") == "unix" {
        return Listener::unix(Path::new(text("localUnixSocket")));
    }
    let port = match text("localPortNumber") {
        "" => 0,
        port => port
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("`{port}` is no port")))?,
    };
    Listener::tcp("localhost", port).await
}

impl LocalEnd {
    /// Opens a tunnel to an agent of this version, in the language that it and the server know.
    pub(crate) fn new(listeners: Rc<Listeners>, agent_version: &str, hello: Option<&Hello>) -> Self {
        let max_payload = hello.map_or(0, |hello| hello.max_payload as usize);
        let speech = if hello.is_some_and(|hello| hello.capabilities.tunnels) {
            let mux = Mux::Credited(Credited::new(Side::Client));
            Speech::Multiplexed(Box::new(Tunnel::new(mux, max_payload)))
        } else if node_multiplexes(agent_version) {
            let mux = Mux::Smux(Smux::new(Side::Client));
            Speech::Multiplexed(Box::new(Tunnel::new(mux, max_payload)))
        } else {
            Speech::OneAtATime { present: None }
        };
        Self {
            listeners,
            speech,
            connections: BTreeMap::new(),
            news: Vec::new(),
        }
    }

    pub(crate) fn listeners(&self) -> &[Listener] {
        self.listeners.all()
    }

    /// Whether connections are told apart.
    pub(crate) fn is_multiplexed(&self) -> bool {
        matches!(self.speech, Speech::Multiplexed(_))
    }

    /// Whether the two ends can have much on its way between them.
    pub(crate) fn window(&self) -> Window {
        match &self.speech {
            Speech::Multiplexed(tunnel) if tunnel.payload_type() == PayloadType::Multiplexed => {
                Window::TUNNEL
            }
            Speech::Multiplexed(_) | Speech::OneAtATime { .. } => Window::DEFAULT,
        }
    }

    /// Whether what the node sends waits for a program that may never come.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.speech, Speech::OneAtATime { present: None, .. })
    }

    /// Takes what the node sent.
    ///
    /// Errors: nothing that follows can be understood.
    pub(crate) fn receive(&mut self, payload_type: PayloadType, bytes: Bytes) -> Result<(), MuxError> {
        match &mut self.speech {
            Speech::Multiplexed(tunnel) if tunnel.payload_type() == payload_type => {
                match (tunnel.receive(bytes), payload_type) {
                    (Err(error), PayloadType::Multiplexed) => {
                        tracing::warn!(%error, "message of the tunnel ignored");
                        Ok(())
                    }
                    (result, _) => result,
                }
            }
            Speech::OneAtATime {
                present: Some(single),
                ..
            } if payload_type == PayloadType::Output => {
                single.receive(bytes);
                Ok(())
            }
            Speech::Multiplexed(_) | Speech::OneAtATime { .. } => Ok(()),
        }
    }

    /// Whether what the node sends should wait, unacknowledged: for room, or for a program that it is for.
    pub(crate) fn is_full(&self) -> bool {
        match &self.speech {
            Speech::Multiplexed(tunnel) => tunnel.is_full(),
            Speech::OneAtATime { present, .. } => present.as_ref().is_none_or(|single| single.is_full()),
        }
    }

    /// Returns the next thing to send, of at most `room` bytes.
    pub(crate) fn poll(&mut self, room: usize) -> Option<ToSend> {
        match &mut self.speech {
            Speech::Multiplexed(tunnel) => {
                let message = tunnel.poll(room.min(CHUNK_BYTES + HEADER_BYTES));
                let payload_type = tunnel.payload_type();
                self.hear();
                message.map(|message| match payload_type {
                    PayloadType::Multiplexed => ToSend::Message(message),
                    _ => ToSend::Bytes(message),
                })
            }
            Speech::OneAtATime { present } => match present.as_mut()?.poll(room)? {
                Said::Bytes(bytes) => Some(ToSend::Bytes(bytes)),
                Said::HungUp => {
                    *present = None;
                    Some(ToSend::Flag(flag::DISCONNECT_TO_PORT))
                }
            },
        }
    }

    /// Waits until something can be sent, or a program connects. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        let arrived = match &mut self.speech {
            Speech::Multiplexed(tunnel) => tokio::select! {
                () = tunnel.next() => return,
                arrived = self.listeners.accept() => arrived,
            },
            Speech::OneAtATime {
                present: Some(single),
                ..
            } => return single.next().await,
            Speech::OneAtATime { present: None, .. } => self.listeners.accept().await,
        };
        self.arrived(arrived);
    }

    /// Returns what happened since it was asked last.
    pub(crate) fn take_news(&mut self) -> Vec<TunnelNews> {
        self.hear();
        std::mem::take(&mut self.news)
    }

    /// Returns the connections there are and what they carried.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&Connection, Figures)> {
        let figures = match &self.speech {
            Speech::Multiplexed(tunnel) => Some(tunnel.figures()),
            Speech::OneAtATime { .. } => None,
        };
        figures
            .into_iter()
            .flatten()
            .filter_map(|(stream, figures)| Some((self.connections.get(&stream)?, figures)))
    }

    fn arrived(&mut self, arrived: Arrived) {
        let Arrived {
            listener,
            socket,
            from,
        } = arrived;
        let connection = Connection { listener, from };
        match &mut self.speech {
            Speech::Multiplexed(tunnel) => {
                let opening = Opening::destination(u16::try_from(listener).unwrap_or(u16::MAX));
                if let Some(stream) = tunnel.open(socket, &opening) {
                    self.connections.insert(stream, connection.clone());
                } else {
                    tracing::warn!(from = connection.from, "one connection too many");
                    return;
                }
            }
            Speech::OneAtATime { present, .. } => {
                *present = Some(Box::new(Single::new(socket, CHUNK_BYTES)));
            }
        }
        self.news.push(TunnelNews::Arrived(connection));
    }

    fn hear(&mut self) {
        let Speech::Multiplexed(tunnel) = &mut self.speech else {
            return;
        };
        while let Some(news) = tunnel.poll_news() {
            match news {
                News::Refused(stream, refusal) => {
                    if let Some(connection) = self.connections.remove(&stream) {
                        self.news.push(TunnelNews::Refused(connection, refusal));
                    }
                }
                News::Ended {
                    stream,
                    figures,
                    broken,
                } => {
                    if let Some(connection) = self.connections.remove(&stream) {
                        self.news.push(TunnelNews::Ended {
                            connection,
                            figures,
                            broken,
                        });
                    }
                }
                // Only nodes are asked for connections.
                News::Opened(..) | News::Accepted(..) => {}
            }
        }
    }
}
