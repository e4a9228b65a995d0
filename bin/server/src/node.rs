//! The managed node of `drawbridge dev`: this machine, as a process of its own, registered like any other.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_aws_client::{Auth, Client, Credentials, Service};
use drawbridge_gateway::NODE_ROLE;
use serde_json::json;
use tokio::process::{Child, ChildStdin, Command};

use crate::exit::{Failure, NODE_FAILED};

/// How long the agent may take to end when asked, before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How the node is set up.
pub(crate) struct NodeSetup {
    /// The agent's program.
    pub(crate) agent: PathBuf,
    /// The agent's state.
    pub(crate) state: PathBuf,
    /// PEM file of our certificate authority.
    pub(crate) authority: PathBuf,
    /// `https://HOST:PORT`.
    pub(crate) endpoint: String,
    /// The region it registers in.
    pub(crate) region: String,
    /// Whether shells land in `ssm-user`.
    pub(crate) ssm_user: bool,
}

/// A running agent, which ends when this value is dropped or this process ends.
pub(crate) struct RunningAgent {
    child: Child,
    /// Held open, and apart from the child, because waiting for a child closes the input that it still has.
    input: Option<ChildStdin>,
}

impl RunningAgent {
    /// Waits until the agent ends by itself, and says how.
    pub(crate) async fn ended(&mut self) -> String {
        let status = self.child.wait().await;
        status.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Asks the agent to end, and waits for that.
    pub(crate) async fn stop(mut self) {
        self.input = None;
        let _ = tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await;
    }
}

impl NodeSetup {
    /// Registers through an activation made for it, and answers the node's id.
    pub(crate) async fn register(&self, client: &Client, administrator: &Credentials) -> Result<String> {
        let input = json!({
            "IamRole": NODE_ROLE,
            "DefaultInstanceName": "this-machine",
            "Description": "the managed node of drawbridge dev",
        });
        let activation = client
            .call_json(
                Service::SSM,
                "CreateActivation",
                &input,
                Auth::Credentials(administrator),
            )
            .await
            .context("cannot make an activation for the managed node")?;
        let text = |key: &str| activation[key].as_str().unwrap_or_default().to_owned();
        // The code travels in the environment: an argument list is everybody's to read.
        let output = Command::new(&self.agent)
            .arg("register")
            .args(["--endpoint", &self.endpoint, "--region", &self.region])
            .args(["--activation-id", &text("ActivationId"), "--force"])
            .arg("--ca")
            .arg(&self.authority)
            .arg("--state-dir")
            .arg(&self.state)
            .env("DRAWBRIDGE_ACTIVATION_CODE", text("ActivationCode"))
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| self.cannot_start(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let failure = format!("the managed node could not register: {}", said.trim());
            return Err(Failure::new(NODE_FAILED, failure).into());
        }
        let id = String::from_utf8_lossy(&output.stdout);
        id.split_whitespace()
            .find(|word| word.starts_with("mi-"))
            .map(str::to_owned)
            .with_context(|| Failure::new(NODE_FAILED, "the managed node registered without naming its id"))
    }

    /// Starts the agent. It ends when this process does, however that ends: its standard input closes.
    pub(crate) fn start(&self) -> Result<RunningAgent> {
        let mut command = Command::new(&self.agent);
        command
            .arg("run")
            .arg("--state-dir")
            .arg(&self.state)
            .arg("--until-stdin-closes")
            // With port 0 the server is elsewhere after each start.
            .args(["--endpoint", &self.endpoint]);
        command.arg(if self.ssm_user {
            "--ssm-user"
        } else {
            "--no-ssm-user"
        });
        if let Some(person) = std::env::var_os("SUDO_USER").filter(|_| !self.ssm_user) {
            command.env("DRAWBRIDGE_RUN_AS", person);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        // A process group of its own: Ctrl-C is for this program, which ends the sessions first.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| self.cannot_start(&error))?;
        let input = child.stdin.take();
        Ok(RunningAgent { child, input })
    }

    fn cannot_start(&self, error: &std::io::Error) -> Failure {
        Failure::new(
            NODE_FAILED,
            format!("cannot start the agent `{}`: {error}", self.agent.display()),
        )
        .hint("`cargo xtask demo` builds the three programs beside each other")
    }
}

/// The folder that holds this program and its siblings.
pub(crate) fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}
