//! A relay with a store and a journal, that can be killed and opened again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_protocol::data_channel::relay::Timers;
use drawbridge_protocol::payload::{OpenControlChannel, TaskComplete, TaskStatus};
use drawbridge_relay::journal::{
    FaultyFolder, Journal, JournalConfig, JournalKey, JournalWriter, Recorded, SessionDigest,
};
use drawbridge_relay::socket::MemorySocket;
use drawbridge_relay::{AcceptedClient, ClientRole, SessionRelay};
use drawbridge_session::policy::{Context, Decision, PolicySet, Question, administrator, decide};
use drawbridge_session::recording::{Recorder, RecorderError};
use drawbridge_session::{
    AccountId, AuditEvent, AuthorizedSession, Clock, Ending, EntityName, Need, NodeId, Principal, Region,
    Relay, RelayError, Resource, Session, SessionId, SessionStart, SessionState, SystemClock, SystemRandom,
};
use drawbridge_store::{
    AuditLog, ChannelEnd, EventAttribute, EventPage, RootKey, SessionLimits, Sessions, Sqlite, Store,
    TokenGrant,
};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::peers::{Agent, Client, Peer, Worker};

/// Nothing here takes longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NODE: &str = "mi-0a1b2c3d4e5f67890";

pub(crate) struct World {
    pub(crate) relay: SessionRelay,
    pub(crate) store: Sqlite,
    pub(crate) folder: FaultyFolder,
    pub(crate) agent: Peer<Agent>,
    pub(crate) recorder: Arc<Notebook>,
    timers: Timers,
    writer: Option<JournalWriter>,
    _home: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Timers::default()).await
    }

    pub(crate) async fn with(timers: Timers) -> World {
        let home = tempfile::tempdir().expect("temp dir");
        let root = Arc::new(RootKey::ephemeral(&SystemRandom));
        let store = Sqlite::open(&home.path().join("store.db"), root)
            .await
            .expect("store");
        let folder = FaultyFolder::new();
        let recorder = Arc::new(Notebook::default());
        let (relay, writer) = open(&store, &folder, &recorder, timers).await;
        let agent = Agent::ours();
        let mut world = World {
            relay,
            store,
            folder,
            agent,
            recorder,
            timers,
            writer: Some(writer),
            _home: home,
        };
        world.connect_agent();
        world
    }

    /// The process dies; what it had not synced is gone. Another one opens what is left.
    pub(crate) async fn kill_and_reopen(&mut self) {
        let disk = self.folder.after_power_cut(0);
        self.relay.stop().await;
        if let Some(writer) = self.writer.take() {
            writer.close().await;
        }
        self.agent.cut();
        self.folder = disk;
        let (relay, writer) = open(&self.store, &self.folder, &self.recorder, self.timers).await;
        (self.relay, self.writer) = (relay, Some(writer));
        self.connect_agent();
    }

    pub(crate) fn connect_agent(&mut self) {
        let (socket, opening) = self.agent.connect();
        let relay = self.relay.clone();
        tokio::spawn(async move {
            let open = OpenControlChannel::parse(&opening).expect("the agent's own text");
            relay.serve_control(&node(NODE), &opening, &open, socket).await;
        });
    }

    /// Lets another agent take the node's place.
    pub(crate) async fn replace_agent(&mut self, agent: Peer<Agent>, keeps_destinations: bool) {
        self.agent = agent;
        self.connect_agent();
        while self.relay.node_keeps_destinations(&node(NODE)).await != keeps_destinations {
            tokio::task::yield_now().await;
        }
        assert!(self.relay.node_connected(&node(NODE), PATIENCE).await);
    }

    /// A shell session that `StartSession` has just answered.
    pub(crate) async fn start_session(&mut self, id: &str) -> SessionId {
        self.start_session_of(id, SessionStart::default_shell()).await
    }

    /// A session of any kind that `StartSession` has just answered.
    pub(crate) async fn start_session_of(&mut self, id: &str, start: SessionStart) -> SessionId {
        self.start(id, start).await.expect("starts")
    }

    pub(crate) async fn start(&mut self, id: &str, start: SessionStart) -> Result<SessionId, RelayError> {
        assert!(self.relay.node_connected(&node(NODE), PATIENCE).await);
        let (session, authorized) = self.record_of(id, start.clone()).await;
        self.relay.start(authorized, start).await.map(|()| session)
    }

    pub(crate) async fn record(&self, id: &str) -> (SessionId, AuthorizedSession) {
        self.record_of(id, SessionStart::default_shell()).await
    }

    async fn record_of(&self, id: &str, start: SessionStart) -> (SessionId, AuthorizedSession) {
        let session = SessionId::parse(id).expect("a session id");
        let authorized = authorize(&session);
        let now = SystemClock::new().now();
        let region = Region::parse("us-east-1").expect("a region");
        let record = Session::new(&authorized, region, None, start, now);
        let binding = ChannelEnd::ClientStart.of(&session);
        let (_, grant) = TokenGrant::draw(binding, now, Duration::ZERO, &SystemRandom);
        self.store
            .create_session(&record, &grant, SessionLimits::default())
            .await
            .expect("stored");
        (session, authorized)
    }

    pub(crate) fn connect_client(&self, session: &SessionId, client: &mut Peer<Client>, role: ClientRole) {
        let (socket, opening) = client.connect();
        let open = drawbridge_protocol::payload::OpenDataChannel::parse(&opening).expect("the client's text");
        let accepted = AcceptedClient {
            role,
            client_id: open.client_id,
            capabilities: open.capabilities,
        };
        let (relay, session) = (self.relay.clone(), session.clone());
        tokio::spawn(async move { relay.serve_client(&session, accepted, socket).await.is_ok() });
    }

    pub(crate) fn connect_worker(&self, session: &SessionId, worker: &mut Peer<Worker>) {
        let (socket, _) = worker.connect();
        self.serve_worker(session, NODE, socket);
    }

    pub(crate) fn serve_worker(
        &self,
        session: &SessionId,
        from: &str,
        socket: MemorySocket,
    ) -> tokio::task::JoinHandle<bool> {
        let (relay, session, from) = (self.relay.clone(), session.clone(), node(from));
        tokio::spawn(async move { relay.serve_node(&session, &from, socket).await.is_ok() })
    }

    /// A session with both ends connected, and a prompt on the client's screen.
    pub(crate) async fn joined(
        &mut self,
        id: &str,
        client: Peer<Client>,
    ) -> (SessionId, Peer<Client>, Peer<Worker>) {
        self.joined_to(id, SessionStart::default_shell(), client).await
    }

    /// The same of a session that runs something else.
    pub(crate) async fn joined_to(
        &mut self,
        id: &str,
        start: SessionStart,
        mut client: Peer<Client>,
    ) -> (SessionId, Peer<Client>, Peer<Worker>) {
        let session = self.start_session_of(id, start).await;
        self.connect_client(&session, &mut client, ClientRole::Start);
        self.until_agent(|agent| !agent.orders.is_empty()).await;
        let order = self.agent.core.orders.remove(0);
        assert_eq!(order.session_id, id);
        let mut worker = Worker::start(id, NODE, order.drawbridge);
        self.connect_worker(&session, &mut worker);
        worker.core.print(b"$ ");
        self.until(&mut client, &mut worker, |client, _| client.output == b"$ ")
            .await;
        (session, client, worker)
    }

    /// Everything that the journal has of a session, opened, as it would be after a crash at this moment.
    pub(crate) fn recorded(&self, session: &SessionId) -> Vec<Recorded> {
        let digest = SessionDigest::of(session);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (journal, _writer) = Journal::open(
            JournalConfig::default(),
            Arc::new(self.folder.after_power_cut(0)),
            JournalKey::new([1; 32]),
            clock,
            Arc::new(SystemRandom),
        )
        .expect("journal");
        let mut records = Vec::new();
        journal
            .recover(&[digest].into(), |_, recorded| records.push(recorded))
            .expect("read");
        records
    }

    /// Lets everybody run until something is so.
    pub(crate) async fn until(
        &mut self,
        client: &mut Peer<Client>,
        worker: &mut Peer<Worker>,
        so: impl Fn(&Client, &Worker) -> bool,
    ) {
        let running = async {
            while !so(&client.core, &worker.core) {
                tokio::select! {
                    () = client.step() => {}
                    () = worker.step() => {}
                    () = self.agent.step() => {}
                }
            }
        };
        timeout(PATIENCE, running).await.expect("it comes to that");
    }

    /// Runs the agent until something is so of it.
    pub(crate) async fn until_agent(&mut self, so: impl Fn(&Agent) -> bool) {
        let running = async {
            while !so(&self.agent.core) {
                self.agent.step().await;
            }
        };
        timeout(PATIENCE, running).await.expect("it comes to that");
    }

    pub(crate) fn report_completion(&mut self, session: &SessionId, status: TaskStatus, output: &str) {
        let complete = TaskComplete::new(session.to_string(), NODE, status, output);
        let now = self.agent.now();
        self.agent.core.control.complete(complete, now);
        self.agent.flush();
    }

    /// The session's state once it is `so`, as the store tells it.
    pub(crate) async fn stored_state(
        &self,
        session: &SessionId,
        so: impl Fn(&SessionState) -> bool,
    ) -> SessionState {
        let polling = async {
            loop {
                let state = self
                    .store
                    .session(session)
                    .await
                    .expect("store")
                    .expect("known")
                    .state;
                if so(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, polling).await.expect("the store is told")
    }
}

impl World {
    /// What the audit log tells of tunnels, the oldest first, once there are so many events of them.
    pub(crate) async fn tunnel_flows(&self, count: usize) -> Vec<AuditEvent> {
        let (account, region) = (
            AccountId::parse("123456789012").expect("an account"),
            Region::parse("us-east-1").expect("a region"),
        );
        let polling = async {
            loop {
                let page = EventPage {
                    account: &account,
                    region: &region,
                    attribute: Some(EventAttribute::Name("TunnelFlows".to_owned())),
                    since: Timestamp::UNIX_EPOCH,
                    until: Timestamp::MAX,
                    before: None,
                    limit: 50,
                };
                let events = self.store.events(page).await.expect("store");
                if events.len() >= count {
                    return events.into_iter().rev().map(|stored| stored.event).collect();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, polling).await.expect("the audit log is told")
    }
}

/// Notes what a recorder is told, and can refuse to begin.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) refuses: AtomicBool,
    pub(crate) told: Mutex<Vec<String>>,
}

impl Notebook {
    fn note(&self, what: &str, session: &SessionId) {
        self.told.lock().expect("whole").push(format!("{what} {session}"));
    }
}

#[async_trait]
impl Recorder for Notebook {
    async fn begin(&self, session: &SessionId) -> Result<(), RecorderError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(RecorderError("no room".to_owned()));
        }
        self.note("begin", session);
        Ok(())
    }

    fn end(&self, session: &SessionId, _: &Ending) {
        self.note("end", session);
    }
}

async fn open(
    store: &Sqlite,
    folder: &FaultyFolder,
    recorder: &Arc<Notebook>,
    timers: Timers,
) -> (SessionRelay, JournalWriter) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random = Arc::new(SystemRandom);
    let (journal, writer) = Journal::open(
        JournalConfig::default(),
        Arc::new(folder.clone()),
        JournalKey::new([1; 32]),
        Arc::clone(&clock),
        Arc::clone(&random) as _,
    )
    .expect("journal");
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let relay = SessionRelay::open(store, journal, Arc::clone(recorder) as _, clock, random, timers)
        .await
        .expect("relay");
    (relay, writer)
}

pub(crate) fn node(id: &str) -> NodeId {
    NodeId::parse(id).expect("a node id")
}

fn authorize(session: &SessionId) -> AuthorizedSession {
    let account = AccountId::parse("123456789012").expect("an account");
    let region = Region::parse("us-east-1").expect("a region");
    let alice = Principal::User {
        account: account.clone(),
        user: EntityName::new("alice", "AIDAALICE"),
    };
    let need = Need::also("ssm:StartSession", Resource::node(&region, &account, NODE));
    let question = Question {
        need: &need,
        context: Context::new(),
        policies: PolicySet {
            identity: vec![administrator()],
            ..PolicySet::default()
        },
    };
    let Decision::Allow(allowed) = decide(&alice, vec![question]) else {
        panic!("allowed")
    };
    allowed
        .open_session(session.clone(), node(NODE))
        .expect("the decision is about it")
}
