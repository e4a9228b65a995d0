//! The operations of people on managed nodes.

pub(crate) mod deregister;
pub(crate) mod describe_information;
pub(crate) mod describe_properties;
mod filter;
mod listing;
pub(crate) mod update_role;

use drawbridge_aws_dialects::error::AwsError;
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

/// Refuses what is no role's name: nothing, a path, or a character that names do not have.
///
/// Until roles are objects, any name will do.
pub(crate) fn check_role_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_alphanumeric() || "+=,.@-_".contains(c);
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(());
    }
    Err(AwsError::validation(format!(
        "1 validation error detected: Value '{name}' at 'iamRole' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\p{{L}}\\p{{N}}+=,.@\\-_]+"
    )))
}
