//! The command line of `drawbridge`.

mod accounts;
mod machine;
mod nodes;
mod sessions;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use accounts::{Accounts, Explain, Floor, FloorScope, Lint, Policy};
pub(crate) use machine::{Audit, Backup, Config, Dev, Recordings, Restore, Serve};
pub(crate) use nodes::Nodes;
pub(crate) use sessions::{Connect, Cp, Exec, Forward, Replay, Sessions};

/// A self-hosted Session Manager: shells on machines that listen on nothing.
#[derive(Parser)]
#[command(name = "drawbridge", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: a server, an administrator and one managed node
    Dev(Dev),
    /// Run the server
    Serve(Serve),
    /// Work with the configuration file of `serve`
    #[command(subcommand)]
    Config(Config),
    /// Open a shell on a managed node, without the AWS CLI
    Connect(Connect),
    /// Run one command on a managed node, between pipes or on a terminal; its exit code is this program's
    Exec(Exec),
    /// Copy files and folders to or from a managed node
    Cp(Cp),
    /// Connect ports and sockets of this machine with others, through a managed node
    Forward(Forward),
    /// Play what a session wrote, as it happened, also while it runs
    Replay(Replay),
    /// Work with the recordings of this machine's server
    #[command(subcommand)]
    Recordings(Recordings),
    /// List, show, end, watch and take over sessions
    #[command(subcommand)]
    Sessions(Sessions),
    /// List managed nodes, and enrol machines that no activation registers
    #[command(subcommand)]
    Nodes(Nodes),
    /// Create and list the accounts of a server, from the account that it started with
    #[command(subcommand)]
    Accounts(Accounts),
    /// Copy the data folder of this machine's server into one file, while the server runs or not
    Backup(Backup),
    /// Make a data folder from a backup
    Restore(Restore),
    /// Work with the audit log of this machine's server
    #[command(subcommand)]
    Audit(Audit),
    /// Say whether somebody may do something and why, or who may
    Explain(Explain),
    /// Say what every session must have, whatever its document says
    #[command(subcommand)]
    Floor(Floor),
    /// Work with IAM policies
    #[command(subcommand)]
    Policy(Policy),
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print a manual page, in roff
    Man {
        /// The command that it is about, such as `floor set`; the program itself without one
        command: Vec<String>,
        /// Write the pages of all commands into a folder instead
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        to: Option<PathBuf>,
    },
}

/// Which server, and as whom; what is not given comes from the environment and the AWS configuration files.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// The server's address [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region to sign for [default: AWS_REGION]
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// A profile of the AWS configuration files [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
