//! All sessions of one server.

mod client;
mod recovery;
mod registry;

use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_protocol::data_channel::relay::{EndCause, RelayCore, Timers};
use drawbridge_protocol::payload::OpenControlChannel;
use drawbridge_protocol::{Capabilities, MessageIds, Time};
use drawbridge_session::random::RandomArray as _;
use drawbridge_session::recording::Recorder;
use drawbridge_session::{
    AuthorizedSession, Clock, NodeId, Random, Relay, RelayError, SessionId, SessionStart,
};
use drawbridge_store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::client::{AcceptedClient, ClientRole};
use self::registry::Registry;
use crate::journal::{Journal, JournalError};
use crate::live::{Actor, Command, LiveSession, Particulars, SharedObserver, Surroundings};
use crate::nodes::Nodes;
use crate::particulars::{keeps_destinations, particulars};
use crate::socket::{Outgoing, Socket, carry};
use crate::{control, flows, scribe};

/// A node pings every 54 s; one that was silent for two such periods is gone.
const NODE_SILENCE: Duration = Duration::from_secs(125);

/// Clients are pinged by the session's core, which judges their silence itself.
const CLIENT_SILENCE: Duration = Duration::from_secs(300);

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
    registry: Arc<Registry>,
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

impl std::fmt::Debug for SessionRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRelay")
            .field("sessions", &self.registry.sessions().len())
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
        let registry = Arc::new(Registry {
            sessions: Mutex::default(),
            nodes: Nodes::new(Arc::clone(&clock)),
            connections: AtomicU64::new(0),
            changes,
            passed,
            recorder,
            clock: Arc::clone(&clock),
        });
        let observer = Arc::clone(&registry) as SharedObserver;
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            journal,
            clock,
            observer,
            stop,
        };
        let tasks = TaskTracker::new();
        let relay = SessionRelay {
            registry,
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
        let Some(live) = self.registry.session(session) else {
            return Err((SessionOver, socket));
        };
        let conn = self.registry.next_connection();
        let (outgoing, queue) = Outgoing::channel();
        if !live
            .connect(|accepted| client.command(conn, outgoing, accepted))
            .await
        {
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
        let live = self.registry.session(session).filter(|live| live.node == *node);
        let Some(live) = live else {
            return Err((SessionOver, socket));
        };
        let conn = self.registry.next_connection();
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
        let generation = self.registry.next_connection().0;
        let orders = self.registry.nodes.connect(node, generation, open.capabilities);
        tracing::info!(node.id = %node, agent.version = open.agent_version, "a node connected");
        let clock = Arc::clone(&self.registry.clock);
        let completed = |complete| self.registry.complete(node, complete);
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
        self.registry.nodes.disconnect(node, generation);
        tracing::info!(node.id = %node, "a node's control channel closed");
    }

    /// How many sessions are live.
    pub fn live_sessions(&self) -> usize {
        self.registry.sessions().len()
    }

    /// Lets go of every connection and session without ending them, and waits until that is done. The sessions go
    /// on with the next server that opens the same data folder.
    pub async fn stop(&self) {
        self.surroundings.stop.cancel();
        self.registry.sessions().clear();
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

    /// Starts a session's task; `note` is written to its journal first.
    fn run(&self, particulars: Particulars, core: RelayCore, note: Option<Option<Capabilities>>) {
        let session = particulars.authorized.session().clone();
        let (live, inbox) = LiveSession::channel(particulars.authorized.node().clone());
        let actor = Actor::new(particulars, core, inbox, self.surroundings.clone());
        self.registry.sessions().insert(session, live);
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
        Time::new(self.registry.clock.monotonic(), self.registry.clock.epoch_ms())
    }
}

#[async_trait]
impl Relay for SessionRelay {
    async fn start(&self, session: AuthorizedSession, start: SessionStart) -> Result<(), RelayError> {
        if self.surroundings.stop.is_cancelled() {
            return Err(RelayError::Unavailable("the server is shutting down".to_owned()));
        }
        let node = session.node();
        if !self.registry.nodes.is_connected(node) {
            return Err(RelayError::NodeNotConnected(node.clone()));
        }
        let capabilities = self.registry.nodes.capabilities(node);
        if !keeps_destinations(capabilities)
            && let Err(reason) = start.document.for_awss_agent()
        {
            let document = start.document_name;
            return Err(RelayError::NeedsOurAgent { document, reason });
        }
        let recorded = self.registry.recorder.begin(session.session()).await;
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
        let live = self.registry.session(session).ok_or_else(unknown)?;
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
        self.registry.nodes.wait_for(node, patience).await
    }

    async fn node_keeps_destinations(&self, node: &NodeId) -> bool {
        keeps_destinations(self.registry.nodes.capabilities(node))
    }

    async fn wrapped_data_key(&self, session: &SessionId) -> Option<Vec<u8>> {
        self.registry.session(session)?.wrapped_data_key().await
    }

    async fn disconnect_node(&self, node: &NodeId) {
        for live in self.registry.sessions_of(node) {
            let output = "the managed node was deregistered".to_owned();
            live.command(Command::Terminate {
                cause: EndCause::Terminated,
                output,
            })
            .await;
        }
        self.registry.nodes.remove(node);
    }
}
