//! A client whose token was accepted, and how a session takes it in.

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ClientAttachment, ConnectionId, Position, WatcherAttachment,
};
use tokio::sync::oneshot;

use crate::live::Command;
use crate::socket::Outgoing;

/// What a client holds a token for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRole {
    /// It started the session.
    Start,
    /// It was there before, on another connection.
    Resume,
    /// It takes the session over.
    Attach,
    /// It only looks.
    Watch,
}

/// A client whose token was accepted.
#[derive(Debug, Clone)]
pub struct AcceptedClient {
    /// What its token was for.
    pub role: ClientRole,
    /// `ClientId` of its first text frame.
    pub client_id: String,
    /// What it named in its first text frame.
    pub capabilities: Option<Capabilities>,
}

impl AcceptedClient {
    /// Has the session take it in, on a connection of its own.
    pub(super) fn command(
        self,
        conn: ConnectionId,
        outgoing: Outgoing,
        accepted: oneshot::Sender<()>,
    ) -> Command {
        let AcceptedClient {
            role,
            client_id,
            capabilities,
        } = self;
        let kind = match role {
            ClientRole::Start => AttachKind::Start,
            ClientRole::Resume => AttachKind::Resume,
            ClientRole::Attach => AttachKind::Attach {
                from: Position::Unconfirmed,
            },
            ClientRole::Watch => {
                let attachment = WatcherAttachment {
                    conn,
                    capabilities,
                    from: Position::Live,
                };
                return Command::Watcher {
                    attachment,
                    outgoing,
                    accepted,
                };
            }
        };
        let attachment = ClientAttachment {
            conn,
            kind,
            capabilities,
            client_id,
        };
        Command::Client {
            attachment,
            outgoing,
            accepted,
        }
    }
}
