//! `drawbridge-agent run`.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_agent::AgentSettings;
use drawbridge_agent::account::DefaultAccount;
use drawbridge_agent::identity::{KeyRotation, Node, NodeError, Registration};
use drawbridge_agent::process::protect_memory;
use drawbridge_agent::sessions::WorkerProgram;
use drawbridge_agent::state::{StateError, StateFolder};
use drawbridge_aws_client::Environment;
use drawbridge_session::document::RunAsName;
use drawbridge_session::{SystemClock, SystemRandom};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument as _;

use crate::cli::Run;
use crate::exit::{FOLDER_IN_USE, Failure};

/// How long an agent that ends with its standard input may take for that.
const PREDECESSOR_ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Serves sessions until a signal; sessions go on without it.
pub(crate) async fn run(arguments: Run) -> Result<()> {
    protect_memory();
    let environment = Environment::of_process();
    let default_account = default_account(&arguments, &environment)?;
    let path = arguments.state.path();
    let folder = match StateFolder::open(&path) {
        Err(StateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(NodeError::NotRegistered.into());
        }
        opened => opened?,
    };
    // Whoever ends with its standard input may do so only just now, when what had started it died and was started again.
    let patience = if arguments.until_stdin_closes {
        PREDECESSOR_ENDS_WITHIN
    } else {
        Duration::ZERO
    };
    let _lock = folder.lock_within(patience).await?.ok_or(Failure {
        code: FOLDER_IN_USE,
        sentence: "another agent runs with the same state folder",
        hint: "stop it, or give this one a folder of its own with `--state-dir`",
    })?;
    if let (Some(endpoint), Some(registration)) = (&arguments.endpoint, Registration::load(&folder)?) {
        registration.move_to(endpoint, &folder)?;
    }
    let clock = Arc::new(SystemClock::new());
    let node = Node::open(
        folder.clone(),
        KeyRotation::Allowed,
        &environment,
        clock,
        Arc::new(SystemRandom),
    )?;
    let span = tracing::info_span!("agent", node.id = %node.id());
    let settings = AgentSettings {
        default_account,
        worker: WorkerProgram::this_program(),
    };
    let stop = stop(arguments.until_stdin_closes)?;
    drawbridge_agent::run(node, folder, settings, stop)
        .instrument(span)
        .await?;
    Ok(())
}

fn default_account(arguments: &Run, environment: &Environment) -> Result<DefaultAccount> {
    if arguments.ssm_user {
        return Ok(DefaultAccount::SsmUser);
    }
    if let Some(name) = environment.value("DRAWBRIDGE_RUN_AS") {
        let name = RunAsName::parse(name).context("cannot use `DRAWBRIDGE_RUN_AS`")?;
        return Ok(DefaultAccount::Named(name));
    }
    Ok(if arguments.no_ssm_user {
        DefaultAccount::AgentUser
    } else {
        DefaultAccount::SsmUser
    })
}

/// Resolves when the agent is asked to stop.
fn stop(until_stdin_closes: bool) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
    let mut input = None;
    if until_stdin_closes {
        let stdin = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("cannot watch standard input")?;
        input = Some(pipe::Receiver::from_owned_fd(stdin).context("`--until-stdin-closes` needs a pipe")?);
    }
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed(&mut input) => {}
        }
    })
}

async fn closed(input: &mut Option<pipe::Receiver>) {
    let Some(input) = input else {
        return std::future::pending().await;
    };
    let mut ignored = [0; 64];
    while input.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}
