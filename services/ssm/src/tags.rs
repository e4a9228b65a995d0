//! The operations on tags.

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod remove;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, ManagedNode, Need, Resource};
use drawbridge_store::{TagTarget, TagsOf};
use serde_json::Value;

use crate::{Ssm, input};

/// Needs the operation's action on what is tagged.
fn need(caller: &Caller, input: &Value) -> Need {
    Need::on(Resource::node(
        &caller.region,
        &caller.account,
        input::text(input, "ResourceId"),
    ))
}

/// Finds what is tagged; only managed nodes have tags here.
async fn find(ssm: &Ssm, caller: &Caller, kind: &str, id: &str) -> Result<ManagedNode, AwsError> {
    if kind != TagTarget::ManagedInstance.as_str() {
        return Err(AwsError::new(
            "InvalidResourceType",
            format!("Resources of type {kind} cannot be tagged; ManagedInstance can."),
        ));
    }
    ssm.node(caller, id)
        .await?
        .filter(|node| node.id.is_registered())
        .ok_or_else(|| {
            AwsError::new(
                "InvalidResourceId",
                format!("Managed node {id} does not exist in this account and region."),
            )
        })
}

/// Names the tags of a node to the store.
pub(crate) fn of(node: &ManagedNode) -> TagsOf<'_> {
    TagsOf {
        account: &node.account,
        region: &node.region,
        target: TagTarget::ManagedInstance,
        id: node.id.as_str(),
    }
}
