//! The operations on tags.

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod remove;

use std::collections::HashSet;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, ManagedNode, Need, Resource, Tag};
use drawbridge_store::TagTarget;
use drawbridge_store::tags::MAX_TAGS;
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

/// Says what is wrong with the tags that something is to begin with.
pub(crate) fn fault(tags: &[Tag]) -> Option<String> {
    if tags.len() > MAX_TAGS {
        return Some(format!("At most {MAX_TAGS} tags can be given."));
    }
    let mut keys = HashSet::new();
    tags.iter().find_map(|tag| {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            Some("Tag keys that start with aws: are reserved.".to_owned())
        } else if keys.insert(tag.key.to_ascii_lowercase()) {
            None
        } else {
            Some(format!("Tag key {} is given more than once.", tag.key))
        }
    })
}
