//! One session, in a process of its own: a shell on a terminal at one end, the data channel at the other.
//!
//! The process outlives the agent that started it and needs nothing from it: it gets its own tokens and, when they run
//! out, its own credentials. It ends when the shell does, when the server or the agent says so, or when the server no
//! longer knows the session.

mod input;
mod session;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use drawbridge_aws_client::{Environment, WebSocket};
use drawbridge_session::{Clock, Random, SessionId};
use rustix::process::{getpid, set_child_subreaper};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument as _;

use self::session::{Settings, ShellSession};
use crate::account::{AccountError, choose};
use crate::gateway::{self, Channel};
use crate::identity::{KeyRotation, Node, NodeError};
use crate::line::{Dial, Dialled};
use crate::process::{ProcessIdentity, protect_memory};
use crate::pty::{ShellError, shell_environment};
use crate::sessions::{Outcome, SessionFolder, WorkerSpec, chain};
use crate::state::{StateError, StateFolder};

/// Why a session could not be run.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Shell(#[from] ShellError),
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
    let span = tracing::info_span!("session", session.id = %spec.plan.session);
    async {
        let outcome = match run(&spec, environment, clock, random).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(format!("Unable to start shell: {}", chain(&error))),
        };
        tracing::info!(status = ?outcome.status, output = outcome.output, "session ended");
        note(&spec.session_folder, &outcome)
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

async fn run(
    spec: &WorkerSpec,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Outcome, WorkerError> {
    protect_memory();
    // A session works without it; then only what stays in the shell's own session is found at its end.
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
    let account = choose(&spec.plan.run_as, &spec.default_account, &spec.state, clock.now())?;
    let settings = Settings {
        plan: spec.plan.clone(),
        node: node.id().clone(),
        environment: shell_environment(&account, environment.value("LANG")),
        account,
        adopts_orphans: true,
    };
    let dial = GatewayDial {
        node: RefCell::new(Arc::new(node)),
        session: spec.plan.session.clone(),
    };
    let session = ShellSession::start(settings, dial, clock, random)?;
    if let Some(shell) = ProcessIdentity::of(session.shell()) {
        folder.set_shell(&shell)?;
    }
    tracing::info!("session started");
    let stopped = async move {
        stop.recv().await;
    };
    Ok(session.run(Box::pin(stopped)).await)
}

struct GatewayDial {
    node: RefCell<Arc<Node>>,
    session: SessionId,
}

impl GatewayDial {
    fn node(&self) -> Arc<Node> {
        // The agent that notices a new address of the server may have been started after this worker.
        match self.node.borrow().moved() {
            Ok(Some(moved)) => drop(self.node.replace(Arc::new(moved))),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = chain(&error), "cannot look where the server is"),
        }
        Arc::clone(&self.node.borrow())
    }
}

impl Dial for GatewayDial {
    type Transport = WebSocket;

    fn dial(&self) -> Dialled<WebSocket> {
        let (node, session) = (self.node(), self.session.clone());
        Box::pin(async move { gateway::open(&node, Channel::Data(&session)).await })
    }
}
