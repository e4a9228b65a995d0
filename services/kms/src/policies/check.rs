//! Whether a key may have a policy.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{NamedPolicy, Policy, PolicyKind, ResourcePolicy};
use drawbridge_session::{Caller, Need, Resource};
use drawbridge_store::{Key, principal_exists};

use crate::Kms;
use crate::error::internal;

/// The longest policy, in bytes (KMS's documented quota).
const MOST_BYTES: usize = 32 * 1024;

/// Refuses a text that is no key policy, whose principals are not there, or after which the caller could not put
/// another in its place, unless that is what the caller wants.
pub(crate) async fn check(
    kms: &Kms,
    caller: &Caller,
    key: &Key,
    text: &str,
    bypass_lockout_check: bool,
) -> Result<(), AwsError> {
    if text.len() > MOST_BYTES {
        return Err(AwsError::new(
            "LimitExceededException",
            format!(
                "The policy has {} bytes; a key policy has at most {MOST_BYTES}.",
                text.len()
            ),
        ));
    }
    let policy = Policy::parse(text, PolicyKind::Resource).map_err(|error| malformed(error.to_string()))?;
    let stranger = policy
        .named_principals()
        .find(|name| !principal_exists(kms.store.as_ref(), name));
    if let Some(name) = stranger {
        return Err(malformed(format!(
            "Policy contains a statement with one or more invalid principals: {name}"
        )));
    }
    if bypass_lockout_check {
        return Ok(());
    }
    let need = Need::also("kms:PutKeyPolicy", Resource::at(&key.arn()))
        .with("kms:BypassPolicyLockoutSafetyCheck", "false");
    let proposed = ResourcePolicy::required(NamedPolicy::new("the new key policy", policy));
    let admitted = kms.authority.would_admit(caller, &need, proposed).await;
    if !admitted.map_err(internal)? {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(())
}

fn malformed(text: impl Into<String>) -> AwsError {
    AwsError::new("MalformedPolicyDocumentException", text)
}
