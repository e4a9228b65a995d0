//! The walk over nodes behind both operations that describe them, and what they show of one.

use std::collections::BTreeSet;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{ActivationId, Caller, ManagedNode, NodeId, PingStatus};
use drawbridge_store::TagsOf;
use jiff::Timestamp;
use serde::Serialize;

use super::filter::{Filter, View};
use crate::error::internal;
use crate::{Ssm, page, wire};

/// A node as clients print it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribedNode {
    instance_id: NodeId,
    ping_status: &'static str,
    #[serde(
        serialize_with = "wire::epoch_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    last_ping_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_id: Option<ActivationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iam_role: Option<String>,
    #[serde(
        serialize_with = "wire::epoch_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    registration_date: Option<Timestamp>,
    resource_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "IPAddress", skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    computer_name: Option<String>,
    source_id: NodeId,
    source_type: &'static str,
}

impl DescribedNode {
    fn new(view: View) -> Self {
        let resource_type = view.resource_type();
        let registered = view.node.id.is_registered();
        let source_type = if registered {
            "AWS::SSM::ManagedInstance"
        } else {
            "AWS::EC2::Instance"
        };
        let node = view.node;
        Self {
            source_id: node.id.clone(),
            instance_id: node.id,
            ping_status: view.status.as_str(),
            last_ping_date_time: node.last_ping_at,
            agent_version: node.agent.version,
            platform_type: node.agent.platform_type,
            platform_name: node.agent.platform_name,
            platform_version: node.agent.platform_version,
            activation_id: node.activation,
            // Instances were never registered, and what describes them tells their role.
            iam_role: registered.then_some(node.iam_role),
            registration_date: registered.then_some(node.registered_at),
            resource_type,
            name: node.name,
            ip_address: node.agent.ip_address,
            computer_name: node.agent.computer_name,
            source_type,
        }
    }
}

/// Which nodes to list.
pub(super) struct Listing<'a> {
    /// The operation, for its page tokens.
    pub(super) operation: &'static str,
    pub(super) filters: Vec<Filter>,
    pub(super) limit: usize,
    pub(super) next_token: Option<&'a str>,
}

/// Lists a page of the nodes that every condition holds for, and the token of the next page.
pub(super) async fn list(
    ssm: &Ssm,
    caller: &Caller,
    listing: Listing<'_>,
) -> Result<(Vec<DescribedNode>, Option<String>), AwsError> {
    let mut last: Option<NodeId> = page::last(listing.operation, listing.next_token)?;
    let needs_tags = listing.filters.iter().any(Filter::needs_tags);
    let now = ssm.clock.now();
    let mut described = Vec::new();
    let mut scanned = 0;
    loop {
        let (batch, is_last_batch) = read_batch(ssm, caller, &listing.filters, last.as_ref()).await?;
        scanned += batch.len();
        for node in batch {
            if described.len() == listing.limit {
                break;
            }
            last = Some(node.id.clone());
            let view = look(ssm, node, needs_tags, now).await?;
            if listing.filters.iter().all(|filter| filter.matches(&view)) {
                described.push(DescribedNode::new(view));
            }
        }
        if described.len() < listing.limit && is_last_batch {
            return Ok((described, None));
        }
        if described.len() == listing.limit || scanned >= page::MOST_SCANNED {
            return Ok((described, last.map(|last| page::token(listing.operation, last))));
        }
    }
}

/// Reads the next nodes in the order of their ids; a condition on ids spares reading all the others.
async fn read_batch(
    ssm: &Ssm,
    caller: &Caller,
    filters: &[Filter],
    last: Option<&NodeId>,
) -> Result<(Vec<ManagedNode>, bool), AwsError> {
    let Some(ids) = filters.iter().find_map(Filter::ids) else {
        let batch = ssm
            .store
            .nodes_after(&caller.account, &caller.region, last, page::BATCH)
            .await
            .map_err(internal)?;
        let is_last_batch = batch.len() < page::BATCH as usize;
        return Ok((batch, is_last_batch));
    };
    let ids: BTreeSet<NodeId> = ids.filter(|id| last.is_none_or(|last| id > last)).collect();
    let mut batch = Vec::with_capacity(ids.len());
    for id in &ids {
        batch.extend(ssm.node(caller, id.as_str()).await?);
    }
    Ok((batch, true))
}

async fn look(ssm: &Ssm, mut node: ManagedNode, needs_tags: bool, now: Timestamp) -> Result<View, AwsError> {
    // A registered node was named by its activation; an enrolled one is called what its tag says today.
    let needs_tags = needs_tags || !node.id.is_registered();
    let connected = ssm.relay.node_connected(&node.id, Duration::ZERO).await;
    let tags = if needs_tags {
        ssm.store.tags(TagsOf::node(&node)).await.map_err(internal)?
    } else {
        Vec::new()
    };
    if !node.id.is_registered() {
        let name = tags.iter().find(|tag| tag.key == "Name");
        node.name = name.map(|tag| tag.value.clone());
    }
    Ok(View {
        status: PingStatus::of(&node, connected, now),
        node,
        tags,
    })
}
