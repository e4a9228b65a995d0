//! What the operations need of the relay, which joins the two ends of a session.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::document::{NeedsOurAgent, SessionStart};
use crate::ids::{NodeId, SessionId};
use crate::policy::AuthorizedSession;
use crate::recording::RecorderError;

/// Joins the two ends of a session, and knows which nodes are there.
#[async_trait]
pub trait Relay: Send + Sync {
    /// Registers a session, so that a client with a token for it may connect, and asks its node to run it.
    ///
    /// The record of the session is in the store before this is called.
    async fn start(&self, session: AuthorizedSession, start: SessionStart) -> Result<(), RelayError>;

    /// Ends a session at both ends; `reason` is shown to the client. Returns once the end is under way.
    async fn terminate(&self, session: &SessionId, reason: &str) -> Result<(), RelayError>;

    /// Returns whether the node's control channel is up; waits up to `patience` for a node seen moments ago.
    ///
    /// A node that was never seen, or not for long, is answered at once.
    async fn node_connected(&self, node: &NodeId, patience: Duration) -> bool;

    /// Says whether the agent of a node that is there keeps what a document says of tunnels in Drawbridge's own settings.
    ///
    /// AWS's agent does not: it is told only what [`SessionDocument::for_awss_agent`] can make of it.
    ///
    /// [`SessionDocument::for_awss_agent`]: crate::document::SessionDocument::for_awss_agent
    async fn node_keeps_destinations(&self, node: &NodeId) -> bool;

    /// Returns the data key of an encrypted session as its client wrapped it; `None` where nobody has yet.
    async fn wrapped_data_key(&self, session: &SessionId) -> Option<Vec<u8>>;

    /// Closes a node's control channel and ends its sessions: it was deregistered.
    async fn disconnect_node(&self, node: &NodeId);
}

/// Why the relay did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The node's control channel is not up.
    #[error("node {0} is not connected")]
    NodeNotConnected(NodeId),
    /// The node's agent is AWS's, and would not do what the document says.
    #[error("document {document} {reason}")]
    NeedsOurAgent {
        /// The document, as the request names it.
        document: String,
        /// What it would not do.
        reason: NeedsOurAgent,
    },
    /// No live session has this id: it ended, or never was.
    #[error("session {0} is not live")]
    UnknownSession(SessionId),
    /// The session's document does not let it go on unrecorded, and it cannot be recorded.
    #[error(transparent)]
    NotRecorded(#[from] RecorderError),
    /// The relay is shutting down or its journal cannot be written.
    #[error("the relay takes no sessions: {0}")]
    Unavailable(String),
}

/// Remembers what it was asked to do: for tests.
#[derive(Debug, Default)]
pub struct FakeRelay {
    state: Mutex<FakeState>,
}

#[derive(Debug, Default)]
struct FakeState {
    connected: HashSet<NodeId>,
    awss: HashSet<NodeId>,
    live: HashSet<SessionId>,
    started: Vec<(AuthorizedSession, SessionStart)>,
    terminated: Vec<(SessionId, String)>,
    disconnected: Vec<NodeId>,
    wrapped_data_keys: HashMap<SessionId, Vec<u8>>,
    patience: Option<Duration>,
    refuses_starts: bool,
}

impl FakeRelay {
    /// Creates a relay without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings up a node's control channel.
    pub fn connect(&self, node: &NodeId) {
        self.lock().connected.insert(node.clone());
    }

    /// Gives a node AWS's agent; it has ours otherwise.
    pub fn give_awss_agent(&self, node: &NodeId) {
        self.lock().awss.insert(node.clone());
    }

    /// Lets the client of a session have wrapped its data key.
    pub fn wrap_data_key(&self, session: &SessionId, wrapped: &[u8]) {
        self.lock()
            .wrapped_data_keys
            .insert(session.clone(), wrapped.to_vec());
    }

    /// Takes down a node's control channel.
    pub fn lose(&self, node: &NodeId) {
        self.lock().connected.remove(node);
    }

    /// Loses the node of every session that is started from now on.
    pub fn refuse_starts(&self) {
        self.lock().refuses_starts = true;
    }

    /// Returns what was started, in order.
    pub fn started(&self) -> Vec<(AuthorizedSession, SessionStart)> {
        self.lock().started.clone()
    }

    /// Returns what was terminated and why, in order.
    pub fn terminated(&self) -> Vec<(SessionId, String)> {
        self.lock().terminated.clone()
    }

    /// Returns the nodes whose channels were closed, in order.
    pub fn disconnected(&self) -> Vec<NodeId> {
        self.lock().disconnected.clone()
    }

    /// Returns the longest wait that anyone asked for.
    pub fn longest_patience(&self) -> Option<Duration> {
        self.lock().patience
    }

    fn lock(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Relay for FakeRelay {
    async fn start(&self, session: AuthorizedSession, start: SessionStart) -> Result<(), RelayError> {
        let mut state = self.lock();
        if state.refuses_starts || !state.connected.contains(session.node()) {
            return Err(RelayError::NodeNotConnected(session.node().clone()));
        }
        state.live.insert(session.session().clone());
        state.started.push((session, start));
        Ok(())
    }

    async fn terminate(&self, session: &SessionId, reason: &str) -> Result<(), RelayError> {
        let mut state = self.lock();
        if !state.live.remove(session) {
            return Err(RelayError::UnknownSession(session.clone()));
        }
        state.terminated.push((session.clone(), reason.to_owned()));
        Ok(())
    }

    async fn node_connected(&self, node: &NodeId, patience: Duration) -> bool {
        let mut state = self.lock();
        state.patience = state.patience.max(Some(patience));
        state.connected.contains(node)
    }

    async fn node_keeps_destinations(&self, node: &NodeId) -> bool {
        !self.lock().awss.contains(node)
    }

    async fn wrapped_data_key(&self, session: &SessionId) -> Option<Vec<u8>> {
        self.lock().wrapped_data_keys.get(session).cloned()
    }

    async fn disconnect_node(&self, node: &NodeId) {
        let mut state = self.lock();
        state.connected.remove(node);
        state.disconnected.push(node.clone());
    }
}
