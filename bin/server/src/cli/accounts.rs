//! Commands on accounts, and on what may be done in them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use drawbridge_session::floor::Requirement;

use super::{ServerArguments, key_and_value};

#[derive(Subcommand)]
pub(crate) enum Accounts {
    /// Create an account with an administrator, whose access key is printed for a shell to evaluate
    Create {
        /// Its name, 1 to 50 printable ASCII characters
        name: String,
        /// Whom to write to
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Leave it out of the organization
        #[arg(long)]
        outside_organization: bool,
        /// One JSON object, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// List every account, the oldest first
    List {
        /// One JSON array, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
}

#[derive(Args)]
#[command(
    override_usage = "drawbridge explain --principal PRINCIPAL --action ACTION --resource RESOURCE [--context KEY=VALUE]…\n       \
                      drawbridge explain --who-can ACTION --on RESOURCE [--context KEY=VALUE]…"
)]
pub(crate) struct Explain {
    /// Who: an ARN, `user/NAME`, `role/NAME` or `role/NAME/SESSION`
    #[arg(long, value_name = "PRINCIPAL", required_unless_present = "who_can", requires_all = ["action", "resource"])]
    pub(crate) principal: Option<String>,
    /// What: an action such as `ssm:StartSession`
    #[arg(long, value_name = "ACTION", requires = "principal")]
    pub(crate) action: Option<String>,
    /// On what: an ARN, the id or Name of a node, or `*`
    #[arg(long, value_name = "RESOURCE", requires = "principal")]
    pub(crate) resource: Option<String>,
    /// List everyone who may do this
    #[arg(long, value_name = "ACTION", requires = "on", conflicts_with = "principal")]
    pub(crate) who_can: Option<String>,
    /// On what: `tag:KEY=VALUE` for the nodes with a tag, an ARN, the id or Name of a node, or `*`
    #[arg(long, value_name = "RESOURCE", requires = "who_can")]
    pub(crate) on: Option<String>,
    /// A condition key's value in the place of the real one; once for each value
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) context: Vec<(String, String)>,
    /// One JSON object, as the API answers it
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Subcommand)]
pub(crate) enum Floor {
    /// Set a floor in the place of the one before; live sessions below it end
    #[command(group = clap::ArgGroup::new("rules").args(["require", "max_duration", "idle_timeout"]).required(true).multiple(true))]
    Set {
        /// What a session must have: kms, recording, bucket, log-group, encrypted-logs, reason, no-port; several by commas
        #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = crate::people::requirement)]
        require: Vec<Requirement>,
        /// The longest that a session may last, such as `8h`; its document must say so
        #[arg(long, value_name = "DURATION", value_parser = crate::people::session_minutes)]
        max_duration: Option<u16>,
        /// The longest that a session may wait for input, such as `20m`; its document must say so
        #[arg(long, value_name = "DURATION", value_parser = crate::people::idle_minutes)]
        idle_timeout: Option<u16>,
        /// Allow tunnels and SSH, although they are neither encrypted nor recorded
        #[arg(long)]
        allow_port: bool,
        #[command(flatten)]
        scope: FloorScope,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Show every floor that lies over an account, and what counts: the strictest in every rule
    Show {
        /// An account of the organization [default: the caller's]
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// One JSON object, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Remove a floor
    Remove {
        #[command(flatten)]
        scope: FloorScope,
        #[command(flatten)]
        server: ServerArguments,
    },
}

/// Whose sessions; the caller's account's where nothing is said.
#[derive(Args)]
pub(crate) struct FloorScope {
    /// Every account of the organization, from the account that manages it
    #[arg(long, conflicts_with = "account")]
    pub(crate) organization: bool,
    /// One account of the organization, from the account that manages it
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Find policies that do not do what they look like
    Lint(Lint),
}

#[derive(Args)]
pub(crate) struct Lint {
    /// Policy documents in JSON, each judged by itself; `-` for standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["principal", "all"], conflicts_with_all = ["principal", "all"])]
    pub(crate) files: Vec<PathBuf>,
    /// The policies of a user or role on the server, judged together: `user/NAME` or `role/NAME`
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "all")]
    pub(crate) principal: Option<String>,
    /// The policies of every user and role of the account
    #[arg(long)]
    pub(crate) all: bool,
    /// One JSON array
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}
