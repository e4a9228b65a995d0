//! All sessions of one server.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ClientAttachment, ConnectionId, EndCause, Faults, FlowReport, Outcome, Position, RelayCore,
    RelayState, Timers, WatcherAttachment,
};
use drawbridge_protocol::payload::{OpenControlChannel, TaskComplete};
use drawbridge_protocol::{Capabilities, MessageIds, Time};
use drawbridge_session::random::RandomArray as _;
use drawbridge_session::recording::Recorder;
use drawbridge_session::{
    AuthorizedSession, Clock, Ending, NodeId, Random, Relay, RelayError, Session, SessionId, SessionStart,
    SessionState,
};
use drawbridge_store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::flows::{self, Passed};
use crate::journal::{Journal, JournalError, SessionDigest};
use crate::live::{
    Actor, Command, LiveSession, Observer, Particulars, Recovery, SharedObserver, Surroundings,
};
use crate::nodes::Nodes;
use crate::particulars::{keeps_destinations, particulars, start_order};
use crate::scribe::{self, Change};
use crate::socket::{Outgoing, Socket, carry};
use crate::{control, ending};

/// A node pings every 54 s; one that was silent for two such periods is gone.
const NODE_SILENCE: Duration = Duration::from_secs(125);

/// Clients are pinged by the session's core, which judges their silence itself.
const CLIENT_SILENCE: Duration = Duration::from_secs(300);

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

/// Says that a session is over, or was never here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct SessionOver;

/// Why the sessions of a server before this one could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal cannot be read.
    #[error("cannot recover sessions from the journal")]
    Journal(#[from] JournalError),
    /// The store cannot say which sessions there are.
    #[error("cannot list the sessions to recover")]
    Store(#[from] StoreError),
}

/// Joins the ends of sessions; cheap to clone.
#[derive(Clone)]
pub struct SessionRelay {
    inner: Arc<Inner>,
    surroundings: Surroundings,
    tasks: TaskTracker,
    scribe: Scribe,
    random: Arc<dyn Random>,
    timers: Timers,
}

/// The tasks that write to the store; stopped after all others.
#[derive(Clone, Default)]
struct Scribe {
    task: TaskTracker,
    stop: CancellationToken,
}

struct Inner {
    sessions: Mutex<HashMap<SessionId, LiveSession>>,
    nodes: Nodes,
    /// Also numbers control channels.
    connections: AtomicU64,
    changes: mpsc::UnboundedSender<Change>,
    /// Bounded by what the core of each session may report.
    passed: mpsc::UnboundedSender<Passed>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for SessionRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRelay")
            .field("sessions", &self.inner.sessions().len())
            .finish_non_exhaustive()
    }
}

impl SessionRelay {
    /// Makes a relay and takes up the sessions that a server before this one left behind, each where its journal
    /// says. Their ends come back within the deadlines of their cores, or they end.
    ///
    /// Must be called inside a tokio runtime, before any end can connect.
    ///
    /// # Errors
    ///
    /// When the store or the journal cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        journal: Journal,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        timers: Timers,
    ) -> Result<SessionRelay, RecoveryError> {
        let (changes, queue) = mpsc::unbounded_channel();
        let scribe = Scribe::default();
        scribe
            .task
            .spawn(scribe::write_down(Arc::clone(&store), queue, scribe.stop.clone()));
        let (passed, reports) = mpsc::unbounded_channel();
        scribe.task.spawn(flows::write_down(
            Arc::clone(&store),
            Arc::clone(&random),
            reports,
            scribe.stop.clone(),
        ));
        let inner = Arc::new(Inner {
            sessions: Mutex::default(),
            nodes: Nodes::new(Arc::clone(&clock)),
            connections: AtomicU64::new(0),
            changes,
            passed,
            recorder,
            clock: Arc::clone(&clock),
        });
        let observer = Arc::clone(&inner) as SharedObserver;
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            journal,
            clock,
            observer,
            stop,
        };
        let tasks = TaskTracker::new();
        let relay = SessionRelay {
            inner,
            surroundings,
            tasks,
            scribe,
            random,
            timers,
        };
        relay.recover(store.as_ref()).await?;
        Ok(relay)
    }

    /// Serves a client or watcher whose token for `session` was accepted, until either side leaves.
    ///
    /// # Errors
    ///
    /// When the session is over: the socket comes back, so that the client can be told.
    pub async fn serve_client<S: Socket>(
        &self,
        session: &SessionId,
        client: AcceptedClient,
        socket: S,
    ) -> Result<(), (SessionOver, S)> {
        let Some(live) = self.inner.session(session) else {
            return Err((SessionOver, socket));
        };
        let conn = self.inner.next_connection();
        let (outgoing, queue) = Outgoing::channel();
        let command = client_command(conn, client, outgoing);
        if !live.connect(command).await {
            return Err((SessionOver, socket));
        }
        let carried = Box::pin(carry(conn, socket, queue, live.client_queue(), CLIENT_SILENCE));
        self.until_stopped(carried).await;
        Ok(())
    }

    /// Serves the data channel of a node, whose token for `session` was accepted, until either side leaves.
    ///
    /// # Errors
    ///
    /// When the session is over, or is another node's; the socket comes back.
    pub async fn serve_node<S: Socket>(
        &self,
        session: &SessionId,
        node: &NodeId,
        socket: S,
    ) -> Result<(), (SessionOver, S)> {
        let live = self.inner.session(session).filter(|live| live.node == *node);
        let Some(live) = live else {
            return Err((SessionOver, socket));
        };
        let conn = self.inner.next_connection();
        let (outgoing, queue) = Outgoing::channel();
        if !live
            .connect(|accepted| Command::Node {
                conn,
                outgoing,
                accepted,
            })
            .await
        {
            return Err((SessionOver, socket));
        }
        let carried = Box::pin(carry(conn, socket, queue, live.node_queue(), NODE_SILENCE));
        self.until_stopped(carried).await;
        Ok(())
    }

    /// Serves the control channel of a node, whose token was accepted, until either side leaves. A newer channel
    /// of the same node takes its place.
    ///
    /// `text` is the first text frame as it was received, `open` what it says.
    pub async fn serve_control<S: Socket>(
        &self,
        node: &NodeId,
        text: &str,
        open: &OpenControlChannel,
        socket: S,
    ) {
        let generation = self.inner.next_connection().0;
        let orders = self.inner.nodes.connect(node, generation, open.capabilities);
        tracing::info!(node.id = %node, agent.version = open.agent_version, "a node connected");
        let clock = Arc::clone(&self.inner.clock);
        let completed = |complete| self.inner.complete(node, complete);
        let ids = self.message_ids();
        let served = Box::pin(control::serve(
            text,
            socket,
            orders,
            ids,
            clock.as_ref(),
            completed,
        ));
        self.until_stopped(served).await;
        self.inner.nodes.disconnect(node, generation);
        tracing::info!(node.id = %node, "a node's control channel closed");
    }

    /// How many sessions are live.
    pub fn live_sessions(&self) -> usize {
        self.inner.sessions().len()
    }

    /// Lets go of every connection and session without ending them, and waits until that is done. The sessions go
    /// on with the next server that opens the same data folder.
    pub async fn stop(&self) {
        self.surroundings.stop.cancel();
        self.inner.sessions().clear();
        self.tasks.close();
        self.tasks.wait().await;
        // Only now: the last words of the sessions' tasks are queued.
        self.scribe.stop.cancel();
        self.scribe.task.close();
        self.scribe.task.wait().await;
    }

    /// Takes a pinned future: each of the wrappers would otherwise set aside room for it once more.
    async fn until_stopped<F: Future<Output = ()>>(&self, served: Pin<Box<F>>) {
        let served = self.tasks.track_future(served);
        self.surroundings.stop.run_until_cancelled(served).await;
    }

    async fn recover(&self, store: &dyn Store) -> Result<(), RecoveryError> {
        let sessions = store.live_sessions().await?;
        let mut recovery = self.read_journal(&sessions).await?;
        for session in sessions {
            if let Err(error) = self.inner.recorder.begin(&session.id).await {
                // What it has written is in the journal, and stays there; the next start tries again.
                tracing::error!(session.id = %session.id, error = &error as &dyn std::error::Error, "not recorded on");
            }
            let recovered = recovery.take(&SessionDigest::of(&session.id));
            if session.state == SessionState::Terminating && !recovered.core.is_ending() {
                self.end_again(&session);
                continue;
            }
            let authorized = AuthorizedSession::recall(&session);
            let age = self.inner.clock.now().duration_since(session.started_at);
            let age = Duration::try_from(age).unwrap_or_default();
            let particulars = particulars(authorized, session.start, recovered.node, self.timers, age);
            let core = RelayCore::recover(
                particulars.config.clone(),
                recovered.core,
                self.message_ids(),
                self.now(),
            );
            tracing::info!(session.id = %session.id, node.id = %session.node, "took up a session");
            self.run(particulars, core, None);
        }
        Ok(())
    }

    /// Ends a session whose record says that it was ending, while its journal does not say how.
    fn end_again(&self, session: &Session) {
        self.inner.nodes.terminate(&session.node, &session.id);
        let details = "terminated; the server restarted before the node confirmed it".to_owned();
        let ending = Ending {
            at: self.inner.clock.now(),
            details,
            exit_code: None,
        };
        self.inner.recorder.end(&session.id, &ending);
        self.inner.note(&session.id, SessionState::Terminated(ending));
        // It was read for nobody, unless the recorder tracks it.
        let digest = SessionDigest::of(&session.id);
        self.surroundings.journal.track(digest);
        self.surroundings.journal.forget(digest);
    }

    async fn read_journal(&self, sessions: &[Session]) -> Result<Recovery, JournalError> {
        let digests: HashSet<_> = sessions
            .iter()
            .map(|session| SessionDigest::of(&session.id))
            .collect();
        let journal = self.surroundings.journal.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut recovery = Recovery::default();
            journal.recover(&digests, |session, recorded| recovery.absorb(session, recorded))?;
            Ok(recovery)
        });
        read.await
            .map_err(|_panicked_or_shut_down| JournalError::Closed)?
    }

    /// Starts a session's task; `note` is written to its journal first.
    fn run(&self, particulars: Particulars, core: RelayCore, note: Option<Option<Capabilities>>) {
        let session = particulars.authorized.session().clone();
        let (live, inbox) = LiveSession::channel(particulars.authorized.node().clone());
        let actor = Actor::new(particulars, core, inbox, self.surroundings.clone());
        self.inner.sessions().insert(session, live);
        self.tasks.spawn(async move {
            if let Some(capabilities) = note {
                actor.note_node(capabilities).await;
            }
            actor.run().await;
        });
    }

    fn message_ids(&self) -> MessageIds {
        MessageIds::new(self.random.array())
    }

    fn now(&self) -> Time {
        Time::new(self.inner.clock.monotonic(), self.inner.clock.epoch_ms())
    }
}

#[async_trait]
impl Relay for SessionRelay {
    async fn start(&self, session: AuthorizedSession, start: SessionStart) -> Result<(), RelayError> {
        if self.surroundings.stop.is_cancelled() {
            return Err(RelayError::Unavailable("the server is shutting down".to_owned()));
        }
        let node = session.node();
        if !self.inner.nodes.is_connected(node) {
            return Err(RelayError::NodeNotConnected(node.clone()));
        }
        let capabilities = self.inner.nodes.capabilities(node);
        if !keeps_destinations(capabilities)
            && let Err(reason) = start.document.for_awss_agent()
        {
            let document = start.document_name;
            return Err(RelayError::NeedsOurAgent { document, reason });
        }
        let recorded = self.inner.recorder.begin(session.session()).await;
        if let Err(error) = recorded
            && !start.document.inputs.fails_open()
        {
            return Err(error.into());
        }
        let particulars = particulars(session, start, capabilities, self.timers, Duration::ZERO);
        let core = RelayCore::new(particulars.config.clone(), self.message_ids(), self.now());
        self.run(particulars, core, Some(capabilities));
        Ok(())
    }

    async fn terminate(&self, session: &SessionId, reason: &str) -> Result<(), RelayError> {
        let unknown = || RelayError::UnknownSession(session.clone());
        let live = self.inner.session(session).ok_or_else(unknown)?;
        let command = Command::Terminate {
            cause: EndCause::Terminated,
            output: reason.to_owned(),
        };
        if live.command(command).await {
            Ok(())
        } else {
            Err(unknown())
        }
    }

    async fn node_connected(&self, node: &NodeId, patience: Duration) -> bool {
        self.inner.nodes.wait_for(node, patience).await
    }

    async fn node_keeps_destinations(&self, node: &NodeId) -> bool {
        keeps_destinations(self.inner.nodes.capabilities(node))
    }

    async fn wrapped_data_key(&self, session: &SessionId) -> Option<Vec<u8>> {
        self.inner.session(session)?.wrapped_data_key().await
    }

    async fn disconnect_node(&self, node: &NodeId) {
        for live in self.inner.sessions_of(node) {
            let output = "the managed node was deregistered".to_owned();
            live.command(Command::Terminate {
                cause: EndCause::Terminated,
                output,
            })
            .await;
        }
        self.inner.nodes.remove(node);
    }
}

fn client_command(
    conn: ConnectionId,
    client: AcceptedClient,
    outgoing: Outgoing,
) -> impl FnOnce(tokio::sync::oneshot::Sender<()>) -> Command {
    move |accepted| {
        let AcceptedClient {
            role,
            client_id,
            capabilities,
        } = client;
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

impl Inner {
    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, LiveSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, session: &SessionId) -> Option<LiveSession> {
        self.sessions().get(session).cloned()
    }

    fn sessions_of(&self, node: &NodeId) -> Vec<LiveSession> {
        self.sessions()
            .values()
            .filter(|live| live.node == *node)
            .cloned()
            .collect()
    }

    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    fn note(&self, session: &SessionId, state: SessionState) {
        let change = Change {
            session: session.clone(),
            state,
        };
        if self.changes.send(change).is_err() {
            tracing::error!(session.id = %session, "nobody writes down the state of sessions any more");
        }
    }

    /// Passes on a node's report that a session is over; a report about another node's session is not believed.
    fn complete(&self, node: &NodeId, complete: TaskComplete) {
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

impl Observer for Inner {
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
