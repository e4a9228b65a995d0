//! The `organizations` service: which accounts belong together.
//!
//! A server has one organization from its first start on, with one root and no units below it; the oldest account
//! manages it. What concerns other accounts is for the management account's principals, as on AWS.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Organization};
use drawbridge_store::Store;

mod accounts;
mod organization;
mod roots;
mod service_access;
#[cfg(test)]
mod tests;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Organizations, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[
    accounts::DESCRIBE,
    organization::DESCRIBE,
    service_access::LIST,
    accounts::LIST,
    roots::LIST,
];

/// The `organizations` service of one server.
pub struct Organizations {
    store: Arc<dyn Store>,
}

impl Organizations {
    /// Brings the parts together.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// Finds the organization of the caller's account.
    fn organization(&self, caller: &Caller) -> Result<Organization, AwsError> {
        Organization::of(caller.principal.account(), self.store.accounts()).ok_or_else(|| {
            AwsError::new(
                "AWSOrganizationsNotInUseException",
                "Your account is not a member of an organization.",
            )
        })
    }

    /// Finds the organization that the caller's account manages.
    fn managed(&self, caller: &Caller) -> Result<Organization, AwsError> {
        let organization = self.organization(caller)?;
        if organization.management().id != *caller.principal.account() {
            return Err(AwsError::new(
                "AccessDeniedException",
                "You don't have permissions to access this resource.",
            ));
        }
        Ok(organization)
    }
}
