//! One session, in a process of its own: what it is about at one end, the data channel at the other.
//!
//! ```text
//!             ┌ a shell or command line on a terminal (terminal) ┐
//!  Session ───┼ a command on pipes                   (pipes)     ┼── each a FarEnd
//!  (session)  ├ a connection to a port               (socket)    ┤
//!             └ as many as the client asks for       (tunnel)    ┘
//! ```
//!
//! The process outlives the agent that started it and needs nothing from it: it gets its own tokens and, when they run
//! out, its own credentials. It ends when its far end does, when the server or the agent says so, or when the server no
//! longer knows the session.

mod command;
mod commands;
mod deferred;
mod encryption;
mod far_end;
mod input;
mod leader;
mod logging;
mod pipes;
mod references;
mod session;
mod shared;
mod socket;
mod source;
mod target;
mod terminal;
#[cfg(test)]
mod tests;
mod tunnel;

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use drawbridge_aws_client::{Environment, WebSocket};
use drawbridge_protocol::{NodeExtension, payload as protocol};
use drawbridge_session::document::Destination;
use drawbridge_session::{Clock, Random, SessionId};
use rustix::process::{getpid, set_child_subreaper};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument as _;

use self::commands::{Commands, Words};
use self::deferred::{DeferredEnd, Start};
use self::encryption::{Encryption, NodeKeys};
use self::far_end::FarEnd;
use self::leader::Children;
use self::logging::Logging;
use self::pipes::{PipeSettings, PipesEnd};
use self::references::{ReferenceError, values_of};
use self::session::{Session, Settings};
use self::shared::SharedEnd;
use self::socket::SocketEnd;
use self::target::Reach;
use self::terminal::TerminalEnd;
use self::tunnel::TunnelEnd;
use crate::account::{Account, AccountError, choose};
use crate::gateway::{self, Channel};
use crate::identity::{KeyRotation, Node, NodeError, PresentNode};
use crate::line::{Dial, Dialled};
use crate::logs::{CheckError, Destinations, Pace, Particulars, SessionLog, check};
use crate::pam::{PamError, PamSession};
use crate::process::{ProcessIdentity, give_up_privileges, give_up_privileges_but_identity, protect_memory};
use crate::pty::{Program, StartError};
use crate::sessions::{
    Login, Order, Outcome, Plan, PlanError, SessionFolder, Task, Work, WorkerSpec, chain, failure_of,
};
use crate::state::{StateError, StateFolder};

/// Why a session could not be run.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Pam(#[from] PamError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("cannot keep the session's log")]
    Log(#[source] io::Error),
    #[error("the session's folder is gone")]
    Folder,
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
}

/// Runs the session that `spec` describes to its end, and notes in its folder how it ended.
///
/// Takes the whole process for it: orphans of the session become its children and are ended with it, and its memory,
/// which holds the node's credentials, is kept out of core dumps.
///
/// # Errors
///
/// When the outcome cannot be noted. That a session failed is an outcome, not an error.
pub async fn work(
    spec: WorkerSpec,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(), StateError> {
    let span = tracing::info_span!("session", session.id = %spec.order.session);
    async {
        let failure = failure_of(spec.order.session_type.as_str());
        let folder = spec.session_folder.clone();
        let outcome = match run(spec, environment, clock, random).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(format!("{failure}{}", chain(&error))),
        };
        tracing::info!(status = ?outcome.status, output = outcome.output, "session ended");
        note(&folder, &outcome)
    }
    .instrument(span)
    .await
}

fn note(folder: &Path, outcome: &Outcome) -> Result<(), StateError> {
    match SessionFolder::open(folder)? {
        Some(folder) => folder.set_outcome(outcome),
        // The agent gave the session up meanwhile and has reported so.
        None => Ok(()),
    }
}

/// What resolves when the session is to be ended from outside.
type Stop = Pin<Box<dyn Future<Output = ()>>>;

async fn run(
    spec: WorkerSpec,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Outcome, WorkerError> {
    protect_memory();
    // A session works without it; then only what stays in the leader's own session is found at its end.
    let _ = set_child_subreaper(Some(getpid()));
    let mut stop = signal(SignalKind::terminate()).map_err(WorkerError::Signals)?;

    let folder = SessionFolder::open(&spec.session_folder)?.ok_or(WorkerError::Folder)?;
    let state = StateFolder::open(&spec.state)?;
    let node = Node::open(
        state,
        KeyRotation::LeftToAgent,
        environment,
        Arc::clone(&clock),
        Arc::clone(&random),
    )?;
    let stop: Stop = Box::pin(async move {
        stop.recv().await;
    });
    let Some((plan, stop)) = plan(spec.order.work.clone(), &node, stop).await? else {
        return Ok(Outcome::success());
    };
    let node = Arc::new(PresentNode::new(node));
    let stop = match &plan.logs {
        Some(destinations) => {
            let checked = check(destinations, &node, &clock, &random, &Pace::NORMAL);
            match unless_stopped(checked, stop).await {
                Some((checked, stop)) => {
                    checked?;
                    stop
                }
                None => return Ok(Outcome::success()),
            }
        }
        None => stop,
    };
    let launch = Launch {
        spec,
        folder,
        locale: environment.value("LANG").map(str::to_owned),
        logs: plan.logs.clone(),
        node,
        clock,
        random,
        stop,
    };
    launch.run(*plan).await
}

/// Resolves what the document refers to, unless the session is ended meanwhile.
async fn plan(work: Work, node: &Node, stop: Stop) -> Result<Option<(Box<Plan>, Stop)>, WorkerError> {
    let referring = match work {
        Work::Planned(plan) => return Ok(Some((Box::new(plan), stop))),
        Work::Referring(referring) => referring,
    };
    let references = referring.references();
    let Some((values, stop)) = unless_stopped(values_of(node, &references), stop).await else {
        return Ok(None);
    };
    Ok(Some((Box::new(referring.plan(&values?)?), stop)))
}

/// Waits for something, unless the session is ended meanwhile.
async fn unless_stopped<T>(future: impl Future<Output = T>, mut stop: Stop) -> Option<(T, Stop)> {
    tokio::select! {
        value = future => Some((value, stop)),
        () = &mut stop => None,
    }
}

/// An account, the machine's own session of it, and what that adds to the environment.
type LoggedIn = (Account, Option<PamSession>, Vec<(OsString, OsString)>);

/// Everything a session is run with, whatever it does.
struct Launch {
    spec: WorkerSpec,
    folder: SessionFolder,
    locale: Option<String>,
    logs: Option<Box<Destinations>>,
    node: Arc<PresentNode>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    stop: Stop,
}

impl Launch {
    async fn run(self, plan: Plan) -> Result<Outcome, WorkerError> {
        let max_payload = plan.max_payload();
        let extension = plan.extension;
        let kms_key_id = plan.kms_key_id;
        // In each of these, what the machine keeps of the session is closed when everything else is over.
        match plan.task {
            Task::Shell { login, profile } => {
                let (account, _pam, variables) = self.log_in(&login)?;
                let log = self.begin_log(&account)?;
                if kms_key_id.is_some() {
                    let program = Program::login_shell(account, self.locale()).with_environment(variables);
                    let program = program.in_folder(login.folder);
                    let far = self.deferred(protocol::SessionType::StandardStream, program, profile)?;
                    return Ok(self.join(far, log, extension, kms_key_id).await);
                }
                let is_shared = extension.is_some_and(|extension| extension.client_commands);
                let words = is_shared.then(|| self.words(&account, &variables, login.folder.clone()));
                let program = Program::login_shell(account, self.locale()).with_environment(variables);
                let far = self.on_terminal(&program.in_folder(login.folder), profile)?;
                let Some(words) = words else {
                    return Ok(self.join(far, log, extension, kms_key_id).await);
                };
                let children = far.other_children().map_err(WorkerError::Signals)?;
                let commands = Commands::new(words, children, max_payload);
                let far = SharedEnd::new(far, commands);
                Ok(self.join(far, log, extension, kms_key_id).await)
            }
            Task::CommandLine { login, line } => {
                let (account, _pam, variables) = self.log_in(&login)?;
                let log = self.begin_log(&account)?;
                let program =
                    Program::command_line(account, self.locale(), &line).with_environment(variables);
                let program = program.in_folder(login.folder);
                if kms_key_id.is_some() {
                    let kind = protocol::SessionType::InteractiveCommands;
                    let far = self.deferred(kind, program, String::new())?;
                    return Ok(self.join(far, log, extension, kms_key_id).await);
                }
                let far = self.on_terminal(&program, String::new())?;
                // AWS's plugin is not told where AWS's agent tells it nothing (`protocol.md` 5.1).
                let client_is_ours = extension.is_some_and(|extension| extension.client_streams_input);
                let far = if client_is_ours { far.introduced() } else { far };
                Ok(self.join(far, log, extension, kms_key_id).await)
            }
            Task::Command {
                login,
                program,
                arguments,
                separation,
            } => {
                let (account, _pam, variables) = self.log_in(&login)?;
                let log = self.begin_log(&account)?;
                let program =
                    command(account, self.locale(), &program, &arguments).with_environment(variables);
                let settings = PipeSettings {
                    separation,
                    takes_input: extension.is_some_and(|extension| extension.client_streams_input),
                    max_payload,
                };
                let folder = self.folder.clone();
                let started = move |pid| note_leader(&folder, pid);
                let far = PipesEnd::new(program.in_folder(login.folder), settings, children()?, started);
                Ok(self.join(far, log, extension, kms_key_id).await)
            }
            Task::Connection {
                destination,
                rules,
                properties,
            } => {
                give_up_privileges();
                let reach = Reach { rules, account: None };
                let far = SocketEnd::new(destination, reach, properties);
                Ok(self.join(far, None, extension, kms_key_id).await)
            }
            Task::Tunnel {
                destinations,
                rules,
                login,
                properties,
            } => {
                let account = self.account_for_sockets(&destinations, &login)?;
                match account {
                    Some(_) => give_up_privileges_but_identity(),
                    None => give_up_privileges(),
                }
                let reach = Reach { rules, account };
                let far = TunnelEnd::new(destinations, reach, properties, extension);
                Ok(self.join(far, None, extension, kms_key_id).await)
            }
        }
    }

    /// Finds the account, and opens a session of the machine's own for it, unless it is the agent's.
    fn log_in(&self, login: &Login) -> Result<LoggedIn, WorkerError> {
        let WorkerSpec {
            default_account,
            state,
            ..
        } = &self.spec;
        let mut account = choose(&login.run_as, default_account, state, self.clock.now())?;
        let is_own = account.uid == rustix::process::geteuid().as_raw();
        if is_own {
            return Ok((account, None, Vec::new()));
        }
        let pam = PamSession::open(&account)?;
        let mut variables = Vec::new();
        if let Some(pam) = &pam {
            variables = pam.environment();
            account.groups = pam.groups().to_vec();
        }
        Ok((account, pam, variables))
    }

    /// Finds the account whose rights count for UNIX sockets, if there are any and it is not the agent's own.
    fn account_for_sockets(
        &self,
        destinations: &[Destination],
        login: &Login,
    ) -> Result<Option<Account>, WorkerError> {
        let is_socket = |destination: &Destination| matches!(destination, Destination::Socket { .. });
        if !destinations.iter().any(is_socket) {
            return Ok(None);
        }
        let WorkerSpec {
            default_account,
            state,
            ..
        } = &self.spec;
        let account = choose(&login.run_as, default_account, state, self.clock.now())?;
        Ok(Some(account).filter(|account| account.uid != rustix::process::geteuid().as_raw()))
    }

    /// How words become programs of a session that is logged in.
    fn words(&self, account: &Account, variables: &[(OsString, OsString)], folder: Option<PathBuf>) -> Words {
        let (account, variables) = (account.clone(), variables.to_vec());
        let locale = self.locale.clone();
        Box::new(move |program, arguments| {
            command(account.clone(), locale.as_deref(), program, arguments)
                .with_environment(variables.clone())
                .in_folder(folder.clone())
        })
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    fn on_terminal(&self, program: &Program, profile: String) -> Result<TerminalEnd, WorkerError> {
        let far = TerminalEnd::start(program, profile, children()?, Arc::clone(&self.clock))?;
        note_leader(&self.folder, far.pid());
        Ok(far)
    }

    /// The same, started once the client has proved that it has the session's key.
    fn deferred(
        &self,
        session_type: protocol::SessionType,
        program: Program,
        profile: String,
    ) -> Result<DeferredEnd, WorkerError> {
        let folder = self.folder.clone();
        let start = Start {
            program,
            profile,
            children: children()?,
            clock: Arc::clone(&self.clock),
            started: Box::new(move |pid| note_leader(&folder, pid)),
        };
        Ok(DeferredEnd::new(session_type, start))
    }

    async fn join<F: FarEnd>(
        self,
        far: F,
        log: Option<SessionLog>,
        extension: Option<NodeExtension>,
        kms_key_id: Option<String>,
    ) -> Outcome {
        let Order { session, .. } = self.spec.order;
        let settings = Settings {
            session: session.clone(),
            node: self.node.get().id().clone(),
            extension,
        };
        let encryption = kms_key_id.map(|kms_key_id| Encryption {
            kms_key_id: kms_key_id.clone(),
            keys: Box::new(NodeKeys {
                node: self.node.get(),
                session: session.clone(),
                kms_key_id,
            }),
        });
        let dial = GatewayDial {
            node: self.node,
            session,
        };
        let log = log.map(|log| Logging::new(log, self.folder));
        let session = Session::new(&settings, encryption, far, log, dial, self.clock, self.random);
        tracing::info!("session started");
        // Boxed, or this future would be as large as the largest of its kinds.
        Box::pin(session.run(self.stop)).await
    }

    /// Begins the log of a session that runs as this account, if there is to be one.
    fn begin_log(&self, account: &Account) -> Result<Option<SessionLog>, WorkerError> {
        let Some(destinations) = self.logs.as_deref().cloned() else {
            return Ok(None);
        };
        let particulars = Particulars {
            destinations,
            session: self.spec.order.session.clone(),
            run_as: account.name.clone(),
            node: Arc::clone(&self.node),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            pace: Pace::NORMAL,
        };
        SessionLog::begin(particulars, &self.folder.output())
            .map(Some)
            .map_err(WorkerError::Log)
    }
}

/// The end of a copy that a node is. It is part of this program, and nothing of the name has to be installed.
const COPY_END: &str = "drawbridge-copy-end";

fn command(account: Account, locale: Option<&str>, program: &str, arguments: &[String]) -> Program {
    if program != COPY_END {
        return Program::words(account, locale, program, arguments);
    }
    let arguments = arguments.iter().map(String::as_str);
    let arguments: Vec<&str> = std::iter::once("copy-end").chain(arguments).collect();
    Program::itself(account, locale, &arguments)
}

fn children() -> Result<Children, WorkerError> {
    Children::watch(true).map_err(WorkerError::Signals)
}

/// Notes the process that leads the session, so that what it started can be ended should this one be killed.
fn note_leader(folder: &SessionFolder, pid: i32) {
    if let Some(leader) = ProcessIdentity::of(pid)
        && let Err(error) = folder.set_shell(&leader)
    {
        tracing::warn!(%error, "cannot note the session's program");
    }
}

struct GatewayDial {
    node: Arc<PresentNode>,
    session: SessionId,
}

impl Dial for GatewayDial {
    type Transport = WebSocket;

    fn dial(&self) -> Dialled<WebSocket> {
        let (node, session) = (self.node.get(), self.session.clone());
        Box::pin(async move { gateway::open(&node, Channel::Data(&session)).await })
    }
}
