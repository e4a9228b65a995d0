//! The roles that nodes get: whoever gives one must be allowed to pass it on, and it must let the service take it on.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::Role;
use drawbridge_session::{AccountId, Caller, Need, Resource};

use crate::Ssm;

/// The service that takes a role on for a registered node.
pub(crate) const SSM: &str = "ssm.amazonaws.com";

/// Needs `iam:PassRole` on a role, or on the role of an instance profile, for a service.
pub(crate) fn need(role: Resource, service: &str) -> Need {
    Need::also("iam:PassRole", role).with("iam:PassedToService", service)
}

/// Finds the role of this name, if it lets the service of registered nodes take it on.
pub(crate) fn find(ssm: &Ssm, caller: &Caller, name: &str) -> Result<Arc<Role>, AwsError> {
    check_name(name)?;
    let account = &caller.account;
    // The nodes that will have it are not known yet.
    let nodes = format!("arn:aws:ssm:{}:{account}:*", caller.region);
    let directory = ssm.store.directory(account);
    let role = directory.and_then(|directory| directory.role(name).ok().map(Arc::clone));
    match role {
        Some(role) if role.trusts_service(SSM, account, &nodes) => Ok(role),
        Some(role) => Err(unusable(&role.arn(account))),
        None => Err(unusable(&arn_of(account, name))),
    }
}

fn arn_of(account: &AccountId, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

fn unusable(arn: &str) -> AwsError {
    AwsError::validation(format!(
        "Nonexistent role or missing ssm service principal in trust policy: {arn}"
    ))
}

/// Refuses what is no role's name: nothing, a path, or a character that names do not have.
fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_alphanumeric() || "+=,.@-_".contains(c);
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(());
    }
    Err(AwsError::validation(format!(
        "1 validation error detected: Value '{name}' at 'iamRole' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\p{{L}}\\p{{N}}+=,.@\\-_]+"
    )))
}
