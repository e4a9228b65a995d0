//! What requests need: actions on keys, with what conditions may ask about the request.

use drawbridge_session::{Caller, Need, Needs, Resource};
use serde_json::Value;

use crate::input;

/// Needs the operation's action on the key that `KeyId` names.
pub(crate) fn key(caller: &Caller, input: &Value) -> Need {
    key_at(caller, input, "KeyId")
}

/// Needs the operation's action on the key that a member names.
pub(crate) fn key_at(caller: &Caller, input: &Value, member: &str) -> Need {
    Need::on(resource(caller, input, member))
}

/// Names the key that a member of a request names.
pub(crate) fn resource(caller: &Caller, input: &Value, member: &str) -> Resource {
    Resource::key(&caller.region, &caller.account, input::text(input, member))
}

/// Needs the operation's action on the key that `KeyId` names, and nothing else.
pub(crate) fn just_key(caller: &Caller, input: &Value) -> Needs {
    key(caller, input).into()
}

/// Adds the pairs of an encryption context.
pub(crate) fn with_context(need: Need, input: &Value, member: &str) -> Need {
    input::context(input, member)
        .into_iter()
        .fold(need, |need, (key, value)| {
            let name = format!("kms:EncryptionContext:{key}");
            need.with("kms:EncryptionContextKeys", key).with(&name, value)
        })
}

/// Adds whether the caller wants no check for a policy that locks everyone out.
pub(crate) fn with_bypass(need: Need, input: &Value) -> Need {
    let bypass = input::flag(input, "BypassPolicyLockoutSafetyCheck");
    need.with("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string())
}
