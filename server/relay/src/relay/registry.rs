//! Who is here: the live sessions, the nodes, and the ways to what is written down of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{ConnectionId, Faults, FlowReport, Outcome, RelayState};
use drawbridge_protocol::payload::TaskComplete;
use drawbridge_session::recording::Recorder;
use drawbridge_session::{AuthorizedSession, Clock, NodeId, SessionId, SessionState};
use tokio::sync::mpsc;

use crate::ending;
use crate::flows::Passed;
use crate::live::{Command, LiveSession, Observer, Particulars};
use crate::nodes::Nodes;
use crate::particulars::{keeps_destinations, start_order};
use crate::scribe::Change;

/// What the sessions of one server share.
pub(super) struct Registry {
    pub(super) sessions: Mutex<HashMap<SessionId, LiveSession>>,
    pub(super) nodes: Nodes,
    /// Also numbers control channels.
    pub(super) connections: AtomicU64,
    pub(super) changes: mpsc::UnboundedSender<Change>,
    /// Bounded by what the core of each session may report.
    pub(super) passed: mpsc::UnboundedSender<Passed>,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Registry {
    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, LiveSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self, session: &SessionId) -> Option<LiveSession> {
        self.sessions().get(session).cloned()
    }

    pub(super) fn sessions_of(&self, node: &NodeId) -> Vec<LiveSession> {
        self.sessions()
            .values()
            .filter(|live| live.node == *node)
            .cloned()
            .collect()
    }

    pub(super) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn note(&self, session: &SessionId, state: SessionState) {
        let change = Change {
            session: session.clone(),
            state,
        };
        if self.changes.send(change).is_err() {
            tracing::error!(session.id = %session, "nobody writes down the state of sessions any more");
        }
    }

    /// Passes on a node's report that a session is over; a report about another node's session is not believed.
    pub(super) fn complete(&self, node: &NodeId, complete: TaskComplete) {
        let Ok(session) = SessionId::parse(&complete.task_id) else {
            return;
        };
        self.nodes.completed(node, &session);
        let Some(live) = self.session(&session) else {
            return;
        };
        if live.node != *node {
            tracing::warn!(node.id = %node, session.id = %session, "a node reported on another node's session");
            return;
        }
        // The control channel must not wait for one session; the channel is deep, and a report is repeated.
        tokio::spawn(async move { live.command(Command::TaskComplete(Box::new(complete))).await });
    }
}

impl Observer for Registry {
    fn state_changed(&self, session: &AuthorizedSession, state: RelayState) {
        let id = session.session();
        tracing::info!(session.id = %id, node.id = %session.node(), state = ?state, "a session changed state");
        self.note(id, ending::stored_state(state));
    }

    fn ended(&self, session: &AuthorizedSession, outcome: Outcome, faults: Faults) {
        let id = session.session();
        self.sessions().remove(id);
        tracing::info!(
            session.id = %id, node.id = %session.node(), cause = ?outcome.cause, "a session ended"
        );
        if faults != Faults::default() {
            tracing::warn!(session.id = %id, faults = ?faults, "peers of a session broke rules");
        }
        let state = ending::stored_end(&outcome, self.clock.now());
        if let Some(ending) = state.ending() {
            self.recorder.end(id, ending);
        }
        self.note(id, state);
    }

    fn passed(&self, session: &AuthorizedSession, report: FlowReport) {
        let passed = Passed {
            session: session.session().clone(),
            report,
            at: self.clock.now(),
        };
        if self.passed.send(passed).is_err() {
            tracing::error!(session.id = %session.session(), "nobody writes down what passes through tunnels any more");
        }
    }

    fn start_on_node(&self, particulars: &Particulars, client: Option<Capabilities>) {
        let (session, node) = (particulars.authorized.session(), particulars.authorized.node());
        // Another agent may have come since the session began. Its core asks again, and gives up in the end.
        let agent = self.nodes.capabilities(node);
        let is_kept = keeps_destinations(agent) || particulars.start.document.for_awss_agent().is_ok();
        match start_order(particulars, client) {
            Ok(order) if is_kept => self.nodes.start(node, order),
            Ok(_) | Err(_) => tracing::warn!(
                session.id = %session, node.id = %node,
                "a session is not started: its document says what the node's agent would not do"
            ),
        }
    }

    fn terminate_on_node(&self, session: &AuthorizedSession) {
        self.nodes.terminate(session.node(), session.session());
    }
}
