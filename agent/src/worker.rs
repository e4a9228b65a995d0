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
mod launch;
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

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use drawbridge_aws_client::Environment;
use drawbridge_session::{Clock, Random};
use rustix::process::{getpid, set_child_subreaper};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument as _;

use self::launch::Launch;
use self::references::{ReferenceError, values_of};
use crate::account::AccountError;
use crate::identity::{KeyRotation, Node, NodeError, PresentNode};
use crate::logs::{CheckError, Pace, check};
use crate::pam::PamError;
use crate::process::protect_memory;
use crate::pty::StartError;
use crate::sessions::{Outcome, Plan, PlanError, SessionFolder, Work, WorkerSpec, chain, failure_of};
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
        Work::Planned(plan) => return Ok(Some((plan, stop))),
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
