//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use drawbridge_agent::state::StateFolder;
use drawbridge_session::{ActivationId, Region};

/// Opens shells on this machine for the people its Drawbridge server allows. It listens on nothing.
#[derive(Debug, Parser)]
#[command(name = "drawbridge-agent", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this machine a managed node, with an activation that the server's administrator made
    Register(Register),
    /// Make this machine a node that `drawbridge nodes enrol --json` has enrolled, with what that printed on standard
    /// input
    Enrol(Enrol),
    /// Connect to the server and serve sessions until stopped; running sessions outlive the agent
    Run(Run),
    /// Run one session, as told on standard input
    #[command(hide = true)]
    Worker,
    /// Copy files for `drawbridge cp`, over standard input and output
    #[command(hide = true, subcommand)]
    CopyEnd(CopyEnd),
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The server, such as `https://drawbridge.example.org`; AWS's own without it
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The activation's id
    #[arg(long, value_name = "ID")]
    pub(crate) activation_id: ActivationId,
    /// The activation's code, or `-` to read it from standard input
    #[arg(
        long,
        value_name = "CODE",
        env = "DRAWBRIDGE_ACTIVATION_CODE",
        hide_env_values = true
    )]
    pub(crate) activation_code: String,
    /// Certificate authorities to trust for the server instead of the system's, in PEM form
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The region to sign for; a server of your own accepts any name
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    pub(crate) region: Region,
    #[command(flatten)]
    pub(crate) state: State,
    /// Give up an existing registration
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// The server, such as `https://drawbridge.example.org`
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: String,
    /// Certificate authorities to trust for the server instead of the system's, in PEM form
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: State,
    /// Give up a registration as another node
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) state: State,
    /// Where the server is now, if it has moved since this node registered
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Open shells as `ssm-user`, made on first use with the right to sudo [default when run by root]
    #[arg(long, overrides_with = "no_ssm_user")]
    pub(crate) ssm_user: bool,
    /// Open shells as the account in `DRAWBRIDGE_RUN_AS`, or as the one that runs the agent
    #[arg(long)]
    pub(crate) no_ssm_user: bool,
    /// Stop when standard input closes, for programs that start an agent of their own
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CopyEnd {
    /// Send files to the client
    Send {
        /// Folders too, with what is in them
        #[arg(long)]
        recursive: bool,
        /// What to send
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Receive files from the client
    Receive {
        /// Only into a folder that exists
        #[arg(long)]
        into_folder: bool,
        /// Go on with what an earlier copy has left
        #[arg(long)]
        resume: bool,
        /// Where to put them
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct State {
    /// Where the agent keeps its key and its sessions [default: /var/lib/drawbridge-agent for root, else
    /// ~/.local/state/drawbridge-agent]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl State {
    /// Returns the folder, named or by default.
    pub(crate) fn path(&self) -> PathBuf {
        if let Some(named) = &self.state_dir {
            // The registry hands paths to workers, whose working directory is another.
            return std::path::absolute(named).unwrap_or_else(|_| named.clone());
        }
        let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        StateFolder::default_path(is_root(), xdg.as_deref(), Path::new(&home))
    }
}

fn is_root() -> bool {
    drawbridge_agent::account::is_root()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_never_shows_the_code_of_the_environment() {
        let mut command = Arguments::command();
        let register = command.find_subcommand_mut("register").expect("there");
        let code = register
            .get_arguments()
            .find(|argument| argument.get_id() == "activation_code")
            .expect("there");
        assert!(code.is_hide_env_values_set());
    }
}
