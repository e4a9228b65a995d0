//! Commands on managed nodes.

use clap::{Args, Subcommand};
use drawbridge_session::{NodeId, Tag};

use super::{ServerArguments, key_and_value};

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
    /// List every node and when it was last heard of
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
