//! The command line of `drawbridge`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use drawbridge_session::floor::Requirement;
use drawbridge_session::{NodeId, SessionId, Tag};
use drawbridge_store::Checkpoint;

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

#[derive(Args)]
pub(crate) struct Dev {
    /// Folder for state, keys and certificates
    #[arg(long, value_name = "DIR", env = "DRAWBRIDGE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    pub(crate) listen: String,
    /// Where to write the environment for shells [default: DIR/env]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Print only the `export` lines on standard output; if a server already runs on the folder, print its and end
    #[arg(long)]
    pub(crate) print_env: bool,
    /// Land shells in an `ssm-user` account with sudo rights, as AWS does (makes the account; needs root)
    #[arg(long)]
    pub(crate) ssm_user: bool,
    /// Answer for AWS's own host names too, and hand out stream addresses under them
    #[arg(long)]
    pub(crate) private_names: bool,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Say whether a configuration file is right, and if not, where and why
    Check {
        /// The configuration file
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Connect {
    /// A node id, or the Name of exactly one node
    pub(crate) node: String,
    /// The session document [default: the account's preferences]
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Why; kept with the session
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Let `drawbridge exec` of the same account run its commands in this session, while it is open
    #[arg(long)]
    pub(crate) persist: bool,
    /// Show no shell: only hold the session open, until Ctrl-C
    #[arg(long, short = 'N', requires = "persist")]
    pub(crate) no_shell: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Args)]
#[command(override_usage = "drawbridge exec [OPTIONS] <NODE> [--] <COMMAND>…")]
pub(crate) struct Exec {
    /// A node id, or the Name of exactly one node
    pub(crate) node: String,
    /// Give the command a terminal, in a session of its own
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// The session document, with a parameter `command` [default: AWS's, or Drawbridge's where the floor refuses AWS's]
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Why; kept with the session, which is then never one of `connect --persist`
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Tell the session's id, on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// The command and its arguments, passed as they are: no shell looks at them
    #[arg(required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "\
A tunnel is written as for `ssh -L`, and shorter where the destination is the node itself:
  8080:db.internal:5432             a port here, and a host and port as the node knows them
  8080:80, 8080                     a port of the node; the same number on both sides
  127.0.0.2:8080:db.internal:5432   listen on another address than localhost
  8080:/run/app.sock                a socket on the node, where a document allows it
  /tmp/db.sock:db.internal:5432     a socket here
Port 0 takes a free one.")]
pub(crate) struct Forward {
    /// A node id, or the Name of exactly one node
    pub(crate) node: String,
    /// What leads where; all of them share one session
    #[arg(required = true, value_name = "TUNNEL", value_parser = crate::people::forward_spec)]
    pub(crate) tunnels: Vec<crate::people::ForwardSpec>,
    /// The session document, with a parameter `destinations` [default: AWS's for one port, Drawbridge's for several]
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Why; kept with the session
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// End when the node fails or vanishes, and do not wait for it to come back
    #[arg(long)]
    pub(crate) once: bool,
    /// Tell every connection, on a line of its own
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Tell everything as JSON, one object a line, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Args)]
#[command(
    override_usage = "drawbridge cp [OPTIONS] [--] <FILE>… <NODE>:<PATH>\n       drawbridge cp [OPTIONS] [--] <NODE>:<PATH>… <FILE>"
)]
pub(crate) struct Cp {
    /// Folders too, with what is in them
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Go on with files that an interrupted copy has left
    #[arg(long)]
    pub(crate) resume: bool,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Tell the session's id and each file, on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// The session document, with a parameter `command` [default: AWS's, or Drawbridge's where the floor refuses AWS's]
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Why; kept with the session
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// What to copy, and last where to; on a node, its id or Name, a colon, and a path
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Sessions {
    /// List sessions
    List {
        /// Ended sessions instead of live ones
        #[arg(long)]
        history: bool,
        /// One JSON array, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Print everything about a session, and where its recording and logs lie
    Show {
        /// The session's id
        session: String,
        /// One JSON object, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// End a session
    Terminate {
        /// The session's id
        session: String,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Follow a live session, read-only
    Watch {
        /// The session's id
        session: String,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Take over a live session from whoever has it; `~d` detaches
    Attach {
        /// The session's id
        session: String,
        #[command(flatten)]
        server: ServerArguments,
    },
}

#[derive(Args)]
#[command(after_help = "\
Keys: space pauses, h and l or the arrows seek, + and - change the speed, / searches, n searches on, 0 and G go to the
start and end, q quits. Where standard output is no terminal, the recording is printed as with --text.")]
pub(crate) struct Replay {
    /// The session's id
    pub(crate) session: String,
    /// How many times as fast
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// Wait no longer than this where nothing happens
    #[arg(long, value_name = "TIME", value_parser = crate::people::moment)]
    pub(crate) idle_limit: Option<Duration>,
    /// Where to begin: seconds, or `MINUTES:SECONDS`
    #[arg(long, value_name = "TIME", value_parser = crate::people::moment)]
    pub(crate) from: Option<Duration>,
    /// Go on with a session that runs, until it ends
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print the text that scrolled by
    #[arg(long, conflicts_with_all = ["asciicast", "json"])]
    pub(crate) text: bool,
    /// Write an asciicast (version 2) to a file, or to standard output for `-`
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) asciicast: Option<String>,
    /// Print what one command wrote that ran beside the shell, as --text numbers them
    #[arg(long, value_name = "N", conflicts_with_all = ["text", "asciicast", "json"])]
    pub(crate) command: Option<u64>,
    /// Print what the session was, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Subcommand)]
pub(crate) enum Recordings {
    /// Check that no recording was changed, cut, replaced or removed; a server may be running
    Verify {
        /// The session whose recording to check; all of them without
        session: Option<SessionId>,
        /// Folder of the server's state
        #[arg(long, value_name = "DIR", env = "DRAWBRIDGE_DATA_DIR")]
        data_dir: PathBuf,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: Option<f64> = text.parse().ok();
    speed
        .filter(|speed| (0.01..=1000.0).contains(speed))
        .ok_or_else(|| "expected a number from 0.01 to 1000".to_owned())
}

#[derive(Subcommand)]
pub(crate) enum Nodes {
    /// Make a machine a node under an `i-` id; its access key is printed for a shell to evaluate
    Enrol {
        #[command(flatten)]
        role: NodeRole,
        /// Its id, `i-` and 17 hex digits; one is drawn if none is given
        #[arg(long, value_name = "ID")]
        id: Option<NodeId>,
        /// The tag `Name`, by which people find it
        #[arg(long, value_name = "NAME", conflicts_with = "rotate")]
        name: Option<String>,
        /// A further tag that it begins with; may be repeated
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag, conflicts_with = "rotate")]
        tags: Vec<Tag>,
        /// Give a node that is enrolled another key and role; the key before signs nothing from then on
        #[arg(long, requires = "id")]
        rotate: bool,
        /// One JSON object, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// List every node and whether it can be reached
    List {
        /// One JSON array, as the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Forget an enrolled node; its key, its channel and its sessions end with it
    Remove {
        /// The node, `i-…`
        node: NodeId,
        #[command(flatten)]
        server: ServerArguments,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NodeRole {
    /// The instance profile whose role the node gets, as it is whenever the node signs
    #[arg(long, value_name = "NAME")]
    pub(crate) instance_profile: Option<String>,
    /// The role, where there is no instance profile
    #[arg(long = "role", value_name = "NAME")]
    pub(crate) iam_role: Option<String>,
}

fn tag(text: &str) -> Result<Tag, String> {
    key_and_value(text).map(|(key, value)| Tag::new(key, value))
}

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
pub(crate) struct Backup {
    /// Where to: a file that is not there yet, or `-` for standard output
    pub(crate) file: PathBuf,
    /// Folder of the server's state
    #[arg(long, value_name = "DIR", env = "DRAWBRIDGE_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Put the root key into the backup; whoever has that then reads every secret
    #[arg(long)]
    pub(crate) with_root_key: bool,
    /// One JSON object at the end, and no progress
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup, or `-` for standard input
    pub(crate) file: PathBuf,
    /// The folder to make; it must be empty or not there
    #[arg(long, value_name = "DIR", env = "DRAWBRIDGE_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// The root key's file, where the backup does not hold it
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key: Option<PathBuf>,
    /// One JSON object at the end, and no progress
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Check that no event was changed, removed or added; a server may be running
    Verify {
        /// Folder of the server's state
        #[arg(long, value_name = "DIR", env = "DRAWBRIDGE_DATA_DIR")]
        data_dir: PathBuf,
        /// A checkpoint that was kept elsewhere, which the log must lead to; shows that it was not rolled back
        #[arg(long, value_name = "LINE")]
        checkpoint: Option<Checkpoint>,
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
