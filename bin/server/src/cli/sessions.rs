//! Commands that open sessions, and that work with those there are and were.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::ServerArguments;

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

fn speed(text: &str) -> Result<f64, String> {
    let speed: Option<f64> = text.parse().ok();
    speed
        .filter(|speed| (0.01..=1000.0).contains(speed))
        .ok_or_else(|| "expected a number from 0.01 to 1000".to_owned())
}
