//! Commands on the machine of a server and on what it keeps there.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use drawbridge_session::SessionId;
use drawbridge_store::Checkpoint;

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
