//! The `ec2` service, as far as enrolled nodes need it: they are instances, and have tags that policies ask about.
//!
//! The operations answer JSON; the gateway writes it as EC2's XML. Nothing else of EC2 is here: what is no enrolled
//! node of the caller's account and region does not exist.

mod error;
mod filter;
mod instances;
mod page;
mod tags;

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, ManagedNode, NodeId};
use drawbridge_store::Store;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::internal;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Ec2, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[
    tags::create::OPERATION,
    tags::delete::OPERATION,
    instances::OPERATION,
    tags::describe::OPERATION,
];

/// The `ec2` service of one server.
pub struct Ec2 {
    store: Arc<dyn Store>,
}

impl Ec2 {
    /// Serves the enrolled nodes of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// Finds the instances of these ids, each once, in the order of their ids.
    ///
    /// # Errors
    /// `InvalidInstanceID.Malformed` for the first that is no id, `InvalidInstanceID.NotFound` for all that are not
    /// there.
    async fn instances(&self, caller: &Caller, ids: &[String]) -> Result<Vec<ManagedNode>, AwsError> {
        let mut parsed = Vec::with_capacity(ids.len());
        for text in ids {
            let id = NodeId::parse(text).ok().filter(|id| !id.is_registered());
            parsed.push(id.ok_or_else(|| error::malformed_id(text))?);
        }
        parsed.sort();
        parsed.dedup();
        let (mut found, mut absent) = (Vec::with_capacity(parsed.len()), Vec::new());
        for id in parsed {
            match self.instance(caller, &id).await? {
                Some(node) => found.push(node),
                None => absent.push(id),
            }
        }
        if absent.is_empty() {
            Ok(found)
        } else {
            Err(error::no_such_instances(&absent))
        }
    }

    /// Finds an instance where the caller acts.
    async fn instance(&self, caller: &Caller, id: &NodeId) -> Result<Option<ManagedNode>, AwsError> {
        let node = self.store.node(id).await.map_err(internal)?;
        Ok(node.filter(|node| is_instance_of(node, caller)))
    }

    /// Reads the next instances in the order of their ids, and says whether there are more.
    async fn instances_after(
        &self,
        caller: &Caller,
        after: Option<&NodeId>,
    ) -> Result<(Vec<ManagedNode>, bool), AwsError> {
        let (account, region) = (&caller.account, &caller.region);
        let nodes = self.store.nodes_after(account, region, after, page::BATCH).await;
        let mut nodes = nodes.map_err(internal)?;
        // In that order registered nodes, `mi-…`, come after all others.
        let read = nodes.len();
        nodes.retain(|node| is_instance_of(node, caller));
        let more = read == page::BATCH as usize && nodes.len() == read;
        Ok((nodes, more))
    }
}

fn is_instance_of(node: &ManagedNode, caller: &Caller) -> bool {
    !node.id.is_registered() && node.account == caller.account && node.region == caller.region
}

/// Reads an input; the model was checked before, so a failure means that model and type disagree.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| error::invalid_value(error.to_string()))
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use drawbridge_aws_dialects::model;

    use super::*;

    #[test]
    fn every_modelled_operation_has_a_handler_and_an_action_of_its_name() {
        let mut handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
        let mut modelled = drawbridge_house::modelled(model::ec2());
        handled.sort();
        modelled.sort();
        assert_eq!(handled, modelled);
        for operation in OPERATIONS {
            assert_eq!(operation.action, format!("ec2:{}", operation.name));
        }
    }
}
