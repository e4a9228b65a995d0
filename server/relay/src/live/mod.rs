//! One live session: a task around the relay's core.
//!
//! The task waits on one `select!`, turns whatever happened into one call of the core, carries out the core's
//! effects, and sleeps until the next event or deadline. It holds no decision of its own.

mod actor;
mod recording;

use std::sync::Arc;

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{
    ClientAttachment, ConnectionId, EndCause, Faults, FlowReport, Outcome, RelayConfig, RelayState,
    WatcherAttachment,
};
use drawbridge_protocol::payload::TaskComplete;
use drawbridge_session::{AuthorizedSession, NodeId, SessionStart};
use tokio::sync::{mpsc, oneshot};

use crate::socket::{FromPeer, Incoming, Outgoing};

pub(crate) use actor::{Actor, Surroundings};
pub(crate) use recording::Recovery;

/// Commands that may wait for the session's task.
const COMMANDS: usize = 64;

/// What is fixed when a session starts.
#[derive(Debug, Clone)]
pub(crate) struct Particulars {
    pub(crate) authorized: AuthorizedSession,
    pub(crate) start: SessionStart,
    pub(crate) config: RelayConfig,
}

/// What the relay keeps of a live session: the way in.
#[derive(Debug, Clone)]
pub(crate) struct LiveSession {
    pub(crate) node: NodeId,
    commands: mpsc::Sender<Command>,
    clients: Incoming,
    nodes: Incoming,
}

/// What reaches a session other than by its sockets.
#[derive(Debug)]
pub(crate) enum Command {
    Client {
        attachment: ClientAttachment,
        outgoing: Outgoing,
        accepted: oneshot::Sender<()>,
    },
    Watcher {
        attachment: WatcherAttachment,
        outgoing: Outgoing,
        accepted: oneshot::Sender<()>,
    },
    Node {
        conn: ConnectionId,
        outgoing: Outgoing,
        accepted: oneshot::Sender<()>,
    },
    DataKey(oneshot::Sender<Option<Vec<u8>>>),
    TaskComplete(Box<TaskComplete>),
    Terminate {
        cause: EndCause,
        output: String,
    },
}

/// The session's ends of its queues.
pub(crate) struct Inbox {
    commands: mpsc::Receiver<Command>,
    clients: mpsc::Receiver<FromPeer>,
    nodes: mpsc::Receiver<FromPeer>,
}

impl LiveSession {
    pub(crate) fn channel(node: NodeId) -> (LiveSession, Inbox) {
        let (commands, command_inbox) = mpsc::channel(COMMANDS);
        let (clients, client_inbox) = Incoming::channel();
        let (nodes, node_inbox) = Incoming::channel();
        let live = LiveSession {
            node,
            commands,
            clients,
            nodes,
        };
        (
            live,
            Inbox {
                commands: command_inbox,
                clients: client_inbox,
                nodes: node_inbox,
            },
        )
    }

    /// The queue that a client's or watcher's messages go to.
    pub(crate) fn client_queue(&self) -> &Incoming {
        &self.clients
    }

    /// The queue that the node's messages go to.
    pub(crate) fn node_queue(&self) -> &Incoming {
        &self.nodes
    }

    /// Hands a connection to the session; `false` when the session is over.
    ///
    /// Returns once the core knows the connection, so that no message of it can come first.
    pub(crate) async fn connect(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> bool {
        let (accepted, acceptance) = oneshot::channel();
        self.commands.send(command(accepted)).await.is_ok() && acceptance.await.is_ok()
    }

    /// Returns the wrapped data key of an encrypted session, once there is one.
    pub(crate) async fn wrapped_data_key(&self) -> Option<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::DataKey(answer)).await.ok()?;
        answered.await.ok()?
    }

    /// Hands over a command; `false` when the session is over.
    pub(crate) async fn command(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}

/// Told what others want to know of a session; must not block.
pub(crate) trait Observer: Send + Sync {
    /// The session's stage changed.
    fn state_changed(&self, session: &AuthorizedSession, state: RelayState);
    /// The session is over.
    fn ended(&self, session: &AuthorizedSession, outcome: Outcome, faults: Faults);
    /// Connections of a tunnel have ended.
    fn passed(&self, session: &AuthorizedSession, report: FlowReport);
    /// The node is to start the session for a client that can do `client`.
    fn start_on_node(&self, particulars: &Particulars, client: Option<Capabilities>);
    /// The node is to end the session.
    fn terminate_on_node(&self, session: &AuthorizedSession);
}

pub(crate) type SharedObserver = Arc<dyn Observer>;
