//! The operations of people on managed nodes.

pub(crate) mod deregister;
pub(crate) mod describe_information;
pub(crate) mod describe_properties;
pub(crate) mod enrol;
mod filter;
mod listing;
pub(crate) mod remove;
pub(crate) mod update_role;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Needs, NodeId, Resource};
use serde_json::Value;

use crate::error::internal;
use crate::{Ssm, input};

/// Names the node of an operation on one.
pub(crate) fn named_node(caller: &Caller, input: &Value) -> Resource {
    Resource::node(&caller.region, &caller.account, input::text(input, "InstanceId"))
}

/// Needs the operation's action on the node that a request names.
pub(crate) fn needs_node(caller: &Caller, input: &Value) -> Needs {
    named_node(caller, input).into()
}

/// Forgets a node and closes its channel.
async fn forget(ssm: &Ssm, node: &NodeId) -> Result<(), AwsError> {
    // The record goes first: from then on the node cannot open another channel in the place of the closed one.
    ssm.store.remove_node(node).await.map_err(internal)?;
    ssm.relay.disconnect_node(node).await;
    Ok(())
}
