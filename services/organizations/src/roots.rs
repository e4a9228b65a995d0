//! The root of an organization, under which every account stands.

use drawbridge_session::{Audit, Organization, Resource, SignedWith};
use serde_json::json;

use crate::Operation;

pub(crate) const LIST: Operation = Operation {
    name: "ListRoots",
    action: "organizations:ListRoots",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |service, call| {
        Box::pin(async move {
            let organization = service.managed(call.caller())?;
            let (id, root) = (&organization.id, id(&organization));
            let management = &organization.management().id;
            Ok(json!({"Roots": [{
                "Id": root,
                "Arn": format!("arn:aws:organizations::{management}:root/{id}/{root}"),
                "Name": "Root",
                "PolicyTypes": [],
            }]}))
        })
    },
};

/// There is one root, so its id is made from the organization's: `r-` and its first four characters.
pub(crate) fn id(organization: &Organization) -> String {
    let id = organization.id.as_str();
    let start: String = id.trim_start_matches("o-").chars().take(4).collect();
    format!("r-{start}")
}
