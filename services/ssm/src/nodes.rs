//! The operations of people on managed nodes.

pub(crate) mod deregister;
pub(crate) mod describe_information;
pub(crate) mod describe_properties;
mod filter;
mod listing;
pub(crate) mod update_role;

use drawbridge_session::{Caller, Needs, Resource};
use serde_json::Value;

use crate::input;

/// Names the node of an operation on one.
pub(crate) fn named_node(caller: &Caller, input: &Value) -> Resource {
    Resource::node(&caller.region, &caller.account, input::text(input, "InstanceId"))
}

/// Needs the operation's action on the node that a request names.
pub(crate) fn needs_node(caller: &Caller, input: &Value) -> Needs {
    named_node(caller, input).into()
}
