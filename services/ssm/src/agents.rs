//! What agents ask: to become a node, for credentials, to report, and for work that there is none of.

pub(crate) mod inventory;
pub(crate) mod list_associations;
mod public_key;
pub(crate) mod register;
pub(crate) mod report;
pub(crate) mod role_token;
pub(crate) mod rotate_key;

use drawbridge_session::{Caller, Needs, Resource};
use serde_json::Value;

/// Names the node that calls: these operations are about nobody else.
fn calling_node(caller: &Caller, _: &Value) -> Needs {
    let node = caller.principal.node().map_or("*", |node| node.as_str());
    Resource::node(&caller.region, &caller.account, node).into()
}
