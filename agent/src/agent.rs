//! The agent itself: the control channel, and the worker processes it starts, watches and reports.
//!
//! One task, one loop. The agent may be stopped, updated or killed at any moment: everything it must not forget is in
//! the registry, and its sessions are processes of their own.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_client::WebSocket;
use drawbridge_protocol::control_channel::node::{Event, NodeControl, NodeControlConfig};
use drawbridge_protocol::payload::ShellContent;
use drawbridge_protocol::{Capabilities, Keepalive, MessageIds, Time};
use drawbridge_session::{Clock, NodeId, Random, RandomArray, SessionId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use uuid::Uuid;

use crate::account::DefaultAccount;
use crate::backoff::Backoff;
use crate::gateway::{self, Channel};
use crate::heartbeat;
use crate::identity::{AGENT_VERSION, Node};
use crate::line::{Dial, Dialled, Line, LineEvent};
use crate::platform::Platform;
use crate::process::ProcessHandle;
use crate::pty::{Leftovers, end_leftovers};
use crate::sessions::{
    LaunchError, Order, Outcome, PlanError, Registry, SessionFolder, WorkerProgram, WorkerSpec, chain,
    failure_of, session_type_of,
};
use crate::state::{StateError, StateFolder};

/// How an agent treats its sessions.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// The account of sessions whose document names none.
    pub default_account: DefaultAccount,
    /// How workers are executed.
    pub worker: WorkerProgram,
}

/// As many sessions as AWS's agent allows (`Mgs.SessionWorkersLimit`).
const MAX_SESSIONS: usize = 1000;
/// How long a worker may take to end its session before it is killed.
const TERMINATION_PATIENCE: Duration = Duration::from_secs(15);
/// How much more it may take to ship the session's log.
const SHIPPING_PATIENCE: Duration = Duration::from_secs(12 * 60);
/// How long the agent waits for its goodbye to be sent.
const GOODBYE_PATIENCE: Duration = Duration::from_millis(500);
/// Often enough to notice a dead path within half a minute, seldom enough to cost an idle node nothing.
const KEEPALIVE: Keepalive = Keepalive::new(Duration::from_secs(20), Duration::from_secs(30));
const BACKLOG_BYTES: usize = 128 * 1024;

/// Serves sessions until `stop` resolves, which ends the agent but none of its sessions.
///
/// # Errors
///
/// When the registry of sessions cannot be read. That the server is away is not an error.
pub async fn run(
    node: Node,
    state: StateFolder,
    settings: AgentSettings,
    stop: impl Future<Output = ()>,
) -> Result<(), StateError> {
    let node = Arc::new(node);
    let registry = Registry::open(&state)?;
    let identity = Identity {
        node: node.id().clone(),
        capabilities: node.has_own_server().then_some(Capabilities::OURS),
        clock: Arc::clone(node.clock()),
        random: Arc::clone(node.random()),
    };
    let dial = ControlDial {
        node: Arc::clone(&node),
    };
    let mut agent = Agent::new(identity, dial, state, registry, settings);
    agent.take_up().await?;
    let platform = Platform::of_this_machine();
    tokio::select! {
        () = agent.serve() => {}
        () = heartbeat::report(&node, &platform) => {}
        () = stop => {}
    }
    agent.leave().await;
    Ok(())
}

/// Who the agent is, apart from how it reaches its server.
struct Identity {
    node: NodeId,
    capabilities: Option<Capabilities>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

struct Agent<D: Dial> {
    identity: Identity,
    state: StateFolder,
    registry: Registry,
    settings: AgentSettings,
    control: NodeControl,
    line: Line<D>,
    workers: HashMap<SessionId, Worker>,
    watches: FuturesUnordered<Watch>,
    reports: HashMap<Uuid, SessionFolder>,
}

struct Worker {
    process: Rc<ProcessHandle>,
    folder: SessionFolder,
}

type Watch = Pin<Box<dyn Future<Output = WorkerEvent>>>;

enum WorkerEvent {
    Ended(SessionId),
    Overdue(SessionId, Rc<ProcessHandle>),
    Late(Rc<ProcessHandle>),
}

/// Everything the agent can wait for.
enum Happened {
    Line(LineEvent),
    Worker(WorkerEvent),
    Elapsed,
}

/// Why a session did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("this node runs {MAX_SESSIONS} sessions already")]
    TooMany,
}

impl<D: Dial> Agent<D> {
    fn new(
        identity: Identity,
        dial: D,
        state: StateFolder,
        registry: Registry,
        settings: AgentSettings,
    ) -> Self {
        let config = NodeControlConfig {
            capabilities: identity.capabilities,
            keepalive: KEEPALIVE,
            ..NodeControlConfig::new(AGENT_VERSION, "linux")
        };
        Self {
            control: NodeControl::new(config, MessageIds::new(identity.random.array())),
            line: Line::new(dial, Backoff::CONTROL, Arc::clone(&identity.random)),
            identity,
            state,
            registry,
            settings,
            workers: HashMap::new(),
            watches: FuturesUnordered::new(),
            reports: HashMap::new(),
        }
    }

    /// Finds the sessions of an earlier run: watches those that go on, reports those that have ended.
    async fn take_up(&mut self) -> Result<(), StateError> {
        for folder in self.registry.known()? {
            let process = match folder.worker().map(ProcessHandle::open) {
                Some(Ok(process)) => process,
                Some(Err(error)) => {
                    tracing::warn!(session.id = %folder.session(), %error, "cannot watch the worker of a session");
                    None
                }
                None => None,
            };
            match process {
                Some(process) => {
                    tracing::info!(session.id = %folder.session(), "session goes on");
                    self.watch(process, folder);
                }
                // Its number may be another session's by now, unless the shell itself is still there.
                None => self.conclude(folder, |shell_is_alive| shell_is_alive).await,
            }
        }
        Ok(())
    }

    async fn serve(&mut self) {
        loop {
            while let Some(event) = self.control.poll_event() {
                self.handle_event(event);
            }
            let now = self.now();
            let Self { line, control, .. } = self;
            line.fill(BACKLOG_BYTES, || control.poll_transmit(now));

            match self.next().await {
                Happened::Line(event) => self.handle_line(event),
                Happened::Worker(WorkerEvent::Ended(session)) => self.handle_ended(&session).await,
                Happened::Worker(WorkerEvent::Overdue(session, process)) => {
                    self.handle_overdue(&session, process);
                }
                Happened::Worker(WorkerEvent::Late(process)) => kill(&process),
                Happened::Elapsed => self.control.handle_timeout(self.now()),
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let deadline = self.control.poll_timeout();
        let wait = deadline.map(|deadline| deadline.saturating_sub(self.identity.clock.monotonic()));
        let Self { line, watches, .. } = self;
        tokio::select! {
            event = line.next() => Happened::Line(event),
            Some(event) = watches.next(), if !watches.is_empty() => Happened::Worker(event),
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => Happened::Elapsed,
        }
    }

    fn handle_line(&mut self, event: LineEvent) {
        let now = self.now();
        match event {
            LineEvent::Frame(frame) => {
                if let Err(error) = self.control.handle_message(frame, now) {
                    tracing::warn!(error = chain(&error), "message of the server ignored");
                }
            }
            LineEvent::Pong => self.control.handle_pong(now),
            LineEvent::Lost { .. } => {
                tracing::info!("control channel lost");
                self.control.handle_disconnected(now);
            }
            LineEvent::Up(token) => {
                tracing::info!("control channel connected");
                self.control.handle_connected(token, now);
            }
            // A control channel has no session that could have ended.
            LineEvent::Flushed | LineEvent::SessionEnded => {}
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::StartSession(content) => self.start(&content),
            Event::Terminate(session) => self.terminate(&session),
            Event::CompletionAcknowledged(message) => {
                if let Some(Err(error)) = self.reports.remove(&message).map(|folder| folder.forget()) {
                    tracing::warn!(%error, "cannot forget a session");
                }
            }
            Event::Unresponsive => {
                tracing::info!("the server does not answer any more");
                self.control.handle_disconnected(self.now());
                self.line.replace();
            }
        }
    }

    fn start(&mut self, content: &ShellContent) {
        let session = match SessionId::parse(&content.session_id) {
            Ok(session) => session,
            // Nothing can be reported about something that has no name.
            Err(error) => return tracing::warn!(%error, "session request ignored"),
        };
        let failure = failure_of(session_type_of(content));
        let folder = match self.registry.begin(&session) {
            Ok(Some(folder)) => folder,
            Ok(None) => return tracing::debug!(session.id = %session, "session request repeated"),
            Err(error) => {
                tracing::error!(session.id = %session, %error, "cannot keep track of a session");
                let outcome = Outcome::failed(format!("{failure}{}", chain(&error)));
                self.control
                    .complete(outcome.report(&session, &self.identity.node), self.now());
                return;
            }
        };
        match self.launch(content, &folder) {
            Ok(process) => {
                tracing::info!(session.id = %session, worker.pid = process.identity().pid, "session starts");
                self.watch(process, folder);
            }
            Err(error) => {
                tracing::warn!(session.id = %session, error = chain(&error), "session refused");
                self.settle(&folder, &Outcome::failed(format!("{failure}{}", chain(&error))));
                self.complete(folder);
            }
        }
    }

    fn launch(&self, content: &ShellContent, folder: &SessionFolder) -> Result<ProcessHandle, StartError> {
        let order = Order::parse(content)?;
        if self.workers.len() >= MAX_SESSIONS {
            return Err(StartError::TooMany);
        }
        let spec = WorkerSpec {
            state: self.state.path().to_owned(),
            session_folder: folder.path().to_owned(),
            order,
            default_account: self.settings.default_account.clone(),
        };
        Ok(self.settings.worker.launch(&spec, folder)?)
    }

    fn watch(&mut self, process: ProcessHandle, folder: SessionFolder) {
        let process = Rc::new(process);
        let (watched, session) = (Rc::clone(&process), folder.session().clone());
        self.watches.push(Box::pin(async move {
            watched.ended().await;
            WorkerEvent::Ended(session)
        }));
        self.workers
            .insert(folder.session().clone(), Worker { process, folder });
    }

    fn terminate(&mut self, session: &str) {
        let session = match SessionId::parse(session) {
            Ok(session) => session,
            Err(error) => return tracing::warn!(%error, "request to terminate ignored"),
        };
        if let Some(worker) = self.workers.get(&session) {
            tracing::info!(session.id = %session, "session is to end");
            if let Err(error) = worker.process.terminate() {
                tracing::warn!(session.id = %session, %error, "cannot signal the worker");
            }
            let process = Rc::clone(&worker.process);
            self.watches.push(Box::pin(async move {
                tokio::time::sleep(TERMINATION_PATIENCE).await;
                WorkerEvent::Overdue(session, process)
            }));
        } else if !self.reports.values().any(|folder| *folder.session() == session) {
            // The server believes in a session that this node knows nothing of, and would otherwise go on doing so.
            self.control.complete(
                Outcome::success().report(&session, &self.identity.node),
                self.now(),
            );
        }
    }

    /// A worker that was to end has not. One that ships its log knows when to give up; it is killed if it does not.
    fn handle_overdue(&mut self, session: &SessionId, process: Rc<ProcessHandle>) {
        let worker = self.workers.get(session);
        let is_shipping = worker.is_some_and(|worker| worker.folder.is_shipping());
        if !is_shipping {
            return kill(&process);
        }
        self.watches.push(Box::pin(async move {
            tokio::time::sleep(SHIPPING_PATIENCE).await;
            WorkerEvent::Late(process)
        }));
    }

    async fn handle_ended(&mut self, session: &SessionId) {
        if let Some(worker) = self.workers.remove(session) {
            self.conclude(worker.folder, |_| true).await;
        }
    }

    /// Reports a session whose worker is gone; ends what it left behind, if `may_sweep` trusts what is noted of it.
    async fn conclude(&mut self, folder: SessionFolder, may_sweep: impl FnOnce(bool) -> bool) {
        if folder.outcome().is_none() {
            tracing::warn!(session.id = %folder.session(), "the worker of a session ended unexpectedly");
            if let Some(shell) = folder.shell()
                && may_sweep(shell.is_alive())
            {
                end_leftovers(Leftovers {
                    session: shell.pid,
                    ancestor: None,
                })
                .await;
            }
            self.settle(
                &folder,
                &Outcome::failed("The session's worker process ended unexpectedly"),
            );
        }
        self.complete(folder);
    }

    fn settle(&self, folder: &SessionFolder, outcome: &Outcome) {
        if let Err(error) = folder.set_outcome(outcome) {
            tracing::warn!(session.id = %folder.session(), %error, "cannot note how a session ended");
        }
    }

    fn complete(&mut self, folder: SessionFolder) {
        let outcome = folder.outcome().unwrap_or_else(Outcome::success);
        let report = outcome.report(folder.session(), &self.identity.node);
        tracing::info!(session.id = %folder.session(), status = ?outcome.status, output = outcome.output, "session ended");
        for complaint in outcome.logged.iter().flat_map(|logged| &logged.complaints) {
            tracing::error!(session.id = %folder.session(), "{complaint}");
        }
        let message = self.control.complete(report, self.now());
        self.reports.insert(message, folder);
    }

    async fn leave(&mut self) {
        self.line.close();
        let said = async {
            while self.line.is_up() {
                self.line.next().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE_PATIENCE, said).await;
    }

    fn now(&self) -> Time {
        let clock = &self.identity.clock;
        Time::new(clock.monotonic(), clock.epoch_ms())
    }
}

fn kill(process: &ProcessHandle) {
    let killed: io::Result<()> = process.kill();
    if let Err(error) = killed {
        tracing::warn!(%error, "cannot kill a worker that does not end");
    }
}

struct ControlDial {
    node: Arc<Node>,
}

impl Dial for ControlDial {
    type Transport = WebSocket;

    fn dial(&self) -> Dialled<WebSocket> {
        let node = Arc::clone(&self.node);
        Box::pin(async move { gateway::open(&node, Channel::Control).await })
    }
}

#[cfg(test)]
mod tests;
