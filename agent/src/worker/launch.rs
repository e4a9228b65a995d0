//! Starting what a plan says, and joining it with its data channel and its log.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_aws_client::WebSocket;
use drawbridge_protocol::encryption::MESSAGE_OVERHEAD_BYTES;
use drawbridge_protocol::{NodeExtension, payload as protocol};
use drawbridge_session::document::Destination;
use drawbridge_session::{Clock, Random, SessionId};

use super::commands::{Commands, Words};
use super::deferred::{DeferredEnd, Start};
use super::encryption::{Encryption, NodeKeys};
use super::far_end::FarEnd;
use super::leader::Children;
use super::logging::Logging;
use super::pipes::{PipeSettings, PipesEnd};
use super::session::{Session, Settings};
use super::shared::SharedEnd;
use super::socket::SocketEnd;
use super::target::Reach;
use super::terminal::TerminalEnd;
use super::tunnel::TunnelEnd;
use super::{Stop, WorkerError};
use crate::account::{Account, choose};
use crate::gateway::{self, Channel};
use crate::identity::PresentNode;
use crate::line::{Dial, Dialled};
use crate::logs::{Destinations, Pace, Particulars, SessionLog};
use crate::pam::PamSession;
use crate::process::{ProcessIdentity, give_up_privileges, give_up_privileges_but_identity};
use crate::pty::Program;
use crate::sessions::{Login, Order, Outcome, Plan, SessionFolder, Task, WorkerSpec};

/// An account, the machine's own session of it, and what that adds to the environment.
type LoggedIn = (Account, Option<PamSession>, Vec<(OsString, OsString)>);

/// Everything a session is run with, whatever it does.
pub(super) struct Launch {
    pub(super) spec: WorkerSpec,
    pub(super) folder: SessionFolder,
    pub(super) locale: Option<String>,
    pub(super) logs: Option<Box<Destinations>>,
    pub(super) node: Arc<PresentNode>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) stop: Stop,
}

impl Launch {
    /// Starts what is planned, and runs the session to its end.
    pub(super) async fn run(self, plan: Plan) -> Result<Outcome, WorkerError> {
        let max_payload = plan.max_payload();
        let extension = plan.extension;
        let kms_key_id = plan.kms_key_id;
        // In each of these, what the machine keeps of the session is closed when everything else is over.
        match plan.task {
            Task::Shell { login, profile } => {
                let (account, _pam, variables) = self.log_in(&login)?;
                let log = self.begin_log(&account)?;
                let is_shared = extension.is_some_and(|extension| extension.client_commands);
                let words = is_shared.then(|| self.words(&account, &variables, login.folder.clone()));
                let program = Program::login_shell(account, self.locale()).with_environment(variables);
                let program = program.in_folder(login.folder);
                if kms_key_id.is_some() {
                    let start = self.deferred(program, profile)?;
                    let children = start.children.another().map_err(WorkerError::Signals)?;
                    let far = DeferredEnd::new(protocol::SessionType::StandardStream, start);
                    let Some(words) = words else {
                        return Ok(self.join(far, log, extension, kms_key_id).await);
                    };
                    let max_payload = max_payload.saturating_sub(MESSAGE_OVERHEAD_BYTES);
                    let far = SharedEnd::new(far, Commands::new(words, children, max_payload));
                    return Ok(self.join(far, log, extension, kms_key_id).await);
                }
                let far = self.on_terminal(&program, profile)?;
                let Some(words) = words else {
                    return Ok(self.join(far, log, extension, kms_key_id).await);
                };
                let children = far.other_children().map_err(WorkerError::Signals)?;
                let far = SharedEnd::new(far, Commands::new(words, children, max_payload));
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
                    let far = DeferredEnd::new(kind, self.deferred(program, String::new())?);
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
    fn deferred(&self, program: Program, profile: String) -> Result<Start, WorkerError> {
        let folder = self.folder.clone();
        Ok(Start {
            program,
            profile,
            children: children()?,
            clock: Arc::clone(&self.clock),
            started: Box::new(move |pid| note_leader(&folder, pid)),
        })
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

pub(super) fn command(
    account: Account,
    locale: Option<&str>,
    program: &str,
    arguments: &[String],
) -> Program {
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
