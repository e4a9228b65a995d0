//! The services that act in every account of an organization.

use drawbridge_session::{Audit, Resource, SignedWith};
use serde_json::json;

use crate::Operation;

pub(crate) const LIST: Operation = Operation {
    name: "ListAWSServiceAccessForOrganization",
    action: "organizations:ListAWSServiceAccessForOrganization",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |service, call| {
        Box::pin(async move {
            service.managed(call.caller())?;
            Ok(json!({"EnabledServicePrincipals": []}))
        })
    },
};
