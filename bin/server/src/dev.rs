//! `drawbridge dev`: a server, an administrator and one managed node on this machine, with nothing else installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_gateway::{ActivationTier, OpenError, Server, ServerConfig};
use serde_json::json;

use crate::api::Administrator;
use crate::cli::Dev;
use crate::environment::Environment;
use crate::exit::{Failure, NODE_FAILED};
use crate::node::{NodeSetup, RunningAgent, programs};
use crate::serve::{self, environment_of};
use crate::{bundle, config::Config, signals};

/// How long the node may take to connect before the start counts as failed.
const NODE_PATIENCE: Duration = Duration::from_secs(30);

/// How long ended sessions may take to be gone before the programs stop anyway.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(8);

/// Runs until a signal, then ends the sessions of this machine and stops.
pub(crate) async fn run(arguments: Dev) -> Result<()> {
    // The environment outlives this program's working directory.
    let folder = std::path::absolute(arguments.data_dir.clone().map_or_else(default_folder, Ok)?)
        .context("cannot tell the working directory")?;
    let env_file = arguments.env_file.clone().unwrap_or_else(|| folder.join("env"));
    let config = Config {
        data_dir: folder.clone(),
        listen: arguments.listen.clone(),
        private_names: arguments.private_names,
        activation_tier: ActivationTier::Advanced,
        ..Config::default()
    };
    let server_config = ServerConfig {
        renew_administrator_key: true,
        ..serve::server_config(&config)?
    };
    let server = match Server::open(server_config).await {
        Err(OpenError::Folder(drawbridge_store::FolderError::InUse { .. })) if arguments.print_env => {
            return print_environment_of_running(&folder.join("env"));
        }
        opened => opened.map_err(|error| serve::explain(error, &config))?,
    };
    let authority = server.authority_file();
    let certificate_bundle = folder.join("ca-bundle.pem");
    bundle::write(&authority, &certificate_bundle)?;
    let mut environment = environment_of(&server, &config, certificate_bundle)?;
    let setup = NodeSetup {
        agent: programs()?.join("drawbridge-agent"),
        state: folder.join("node"),
        authority,
        endpoint: environment.endpoint.clone(),
        region: config.region.clone(),
        ssm_user: arguments.ssm_user,
    };
    let administrator = Administrator::of(&environment, &setup.authority)?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let outcome = async {
        let node = registered_node(&setup, &folder, &administrator).await?;
        let mut agent = setup.start()?;
        wait_until_connected(&administrator, &node, &mut agent).await?;
        environment.node = Some(node.clone());
        environment.write(&folder.join("env"))?;
        environment.write(&env_file)?;
        announce(&arguments, &environment, &env_file, &node);
        let agent = keep_running(&setup, agent).await?;
        end_sessions(&administrator).await;
        agent.stop().await;
        Ok(())
    }
    .await;
    let _ = stop.send(());
    serving
        .await
        .context("the server's task failed")?
        .context("the server stopped")?;
    outcome
}

/// Keeps the agent running until a signal asks for the end.
async fn keep_running(setup: &NodeSetup, mut agent: RunningAgent) -> Result<RunningAgent> {
    let mut restarts = 0_u32;
    loop {
        tokio::select! {
            () = signals::asked_to_stop() => return Ok(agent),
            how = agent.ended() => {
                let pause = Duration::from_millis(200 << restarts.min(6));
                tracing::warn!(how, "the agent ended; starting it again");
                tokio::time::sleep(pause).await;
                restarts += 1;
                agent = setup.start()?;
            }
        }
    }
}

/// The node's id, registering it first where the folder has none that this server knows.
async fn registered_node(setup: &NodeSetup, folder: &Path, administrator: &Administrator) -> Result<String> {
    let remembered = folder.join("node.id");
    if let Ok(node) = std::fs::read_to_string(&remembered)
        && setup.state.exists()
        && administrator.knows_node(node.trim()).await?
    {
        return Ok(node.trim().to_owned());
    }
    let node = setup
        .register(&administrator.client, &administrator.credentials)
        .await?;
    crate::environment::write_private(&remembered, node.as_bytes())
        .with_context(|| format!("cannot write `{}`", remembered.display()))?;
    Ok(node)
}

async fn wait_until_connected(
    administrator: &Administrator,
    node: &str,
    agent: &mut RunningAgent,
) -> Result<()> {
    let connected = async {
        while !administrator.is_connected(node).await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::select! {
        connected = connected => connected,
        how = agent.ended() => {
            Err(Failure::new(NODE_FAILED, format!("the managed node ended: {how}")).into())
        }
        () = tokio::time::sleep(NODE_PATIENCE) => {
            let sentence = format!("the managed node did not connect within {} s", NODE_PATIENCE.as_secs());
            Err(Failure::new(NODE_FAILED, sentence).hint("run again with DRAWBRIDGE_LOG=debug").into())
        }
    }
}

/// Ends every live session, since the only node goes away with this program, and waits until all are over.
async fn end_sessions(administrator: &Administrator) {
    let active = json!({ "State": "Active" });
    let terminating = json!({ "State": "History", "Filters": [{ "key": "Status", "value": "Terminating" }] });
    let all = async {
        for id in administrator.sessions(&active).await? {
            administrator.terminate(&id).await?;
        }
        while !administrator.sessions(&terminating).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(GOODBYE_PATIENCE, all).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "cannot end the sessions"),
        Err(_elapsed) => tracing::warn!("some sessions did not end in time"),
    }
}

fn announce(arguments: &Dev, environment: &Environment, env_file: &Path, node: &str) {
    if arguments.print_env {
        print!("{}", environment.export_lines());
        return;
    }
    eprintln!("drawbridge is ready at {}", environment.endpoint);
    eprintln!("managed node {node} (this machine)\n");
    eprintln!(
        "In another terminal, paste this (or `. {}`):\n",
        env_file.display()
    );
    println!("{}", environment.export_lines());
    println!("aws ssm start-session --target {node}\n");
    eprintln!("Ctrl-C stops the server and ends its sessions.");
}

fn print_environment_of_running(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read the running server's environment `{}`",
            file.display()
        )
    })?;
    print!("{text}");
    Ok(())
}

fn default_folder() -> Result<PathBuf> {
    let named = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    named("XDG_DATA_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("drawbridge"))
        .context("neither XDG_DATA_HOME nor HOME is set; name a folder with `--data-dir`")
}
