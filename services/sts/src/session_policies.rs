//! The policies that limit a session.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::SessionPolicies;
use drawbridge_session::iam::Directory;
use drawbridge_session::policy::{Policy, PolicyKind};
use serde::Deserialize;

use crate::error::{invalid, too_long};

/// The longest inline document, in characters.
const MAX_INLINE: usize = 2048;

/// The most managed policies.
const MAX_MANAGED: usize = 10;

/// One of `PolicyArns`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PolicyDescriptor {
    #[serde(default)]
    arn: String,
}

/// Checks what the request gives: a document that can be read, and policies of the role's account or of AWS.
///
/// `None` stands for a session without limits.
pub(crate) fn check(
    inline: Option<String>,
    managed: Vec<PolicyDescriptor>,
    directory: &Directory,
) -> Result<Option<SessionPolicies>, AwsError> {
    if inline.is_none() && managed.is_empty() {
        return Ok(None);
    }
    if let Some(text) = &inline {
        if text.chars().count() > MAX_INLINE {
            return Err(too_long("policy", MAX_INLINE));
        }
        Policy::parse(text, PolicyKind::Identity)
            .map_err(|error| AwsError::new("MalformedPolicyDocument", error.to_string()))?;
    }
    if managed.len() > MAX_MANAGED {
        return Err(too_long("policyArns", MAX_MANAGED));
    }
    for PolicyDescriptor { arn } in &managed {
        directory
            .policy(arn)
            .map_err(|error| invalid(error.to_string()))?;
    }
    Ok(Some(SessionPolicies {
        inline,
        managed: managed.into_iter().map(|policy| policy.arn).collect(),
    }))
}
