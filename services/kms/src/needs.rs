//! What requests need: actions on keys, with what conditions may ask about the request.

use drawbridge_session::{Caller, Need, Needs, Resource};
use serde_json::Value;

use crate::{context, input};

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

/// Adds the pairs of an encryption context. One that the operation will refuse is none: a decision costs by its facts.
pub(crate) fn with_context(need: Need, input: &Value, member: &str) -> Need {
    let context = input::context(input, member);
    if context::check(&context).is_err() {
        return need;
    }
    context.into_iter().fold(need, |need, (key, value)| {
        let name = format!("kms:EncryptionContext:{key}");
        need.with("kms:EncryptionContextKeys", key).with(&name, value)
    })
}

/// Adds whether the caller wants no check for a policy that locks everyone out.
pub(crate) fn with_bypass(need: Need, input: &Value) -> Need {
    let bypass = input::flag(input, "BypassPolicyLockoutSafetyCheck");
    need.with("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string())
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Resource;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_context_that_will_be_refused_is_no_fact() {
        let facts = |context: Value| {
            let input = json!({"EncryptionContext": context});
            let need = with_context(Need::on(Resource::any()), &input, "EncryptionContext");
            need.context().iter().count()
        };
        assert_eq!(facts(json!({"a": "1", "b": "2"})), 3);
        let many: serde_json::Map<String, Value> = (0..4000).map(|at| (at.to_string(), json!(""))).collect();
        assert_eq!(facts(Value::Object(many)), 0);
        assert_eq!(facts(json!({"a": "1", "A": "2"})), 0);
    }
}
