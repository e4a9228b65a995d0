//! The organization itself.

use drawbridge_session::{Audit, Organization, Resource, SignedWith};
use serde_json::{Map, Value, json};

use crate::{Operation, accounts};

pub(crate) const DESCRIBE: Operation = Operation {
    name: "DescribeOrganization",
    action: "organizations:DescribeOrganization",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |service, call| {
        Box::pin(async move {
            let organization = service.organization(call.caller())?;
            Ok(json!({"Organization": shown(&organization)}))
        })
    },
};

fn shown(organization: &Organization) -> Map<String, Value> {
    let (id, management) = (&organization.id, organization.management());
    let mut shown = Map::new();
    shown.insert("Id".to_owned(), json!(id));
    let arn = format!("arn:aws:organizations::{}:organization/{id}", management.id);
    shown.insert("Arn".to_owned(), arn.into());
    shown.insert("FeatureSet".to_owned(), "ALL".into());
    let arn = accounts::arn(organization, management);
    shown.insert("MasterAccountArn".to_owned(), arn.into());
    shown.insert("MasterAccountId".to_owned(), json!(management.id));
    if !management.email.is_empty() {
        shown.insert("MasterAccountEmail".to_owned(), management.email.as_str().into());
    }
    // No kind of policy can be attached to an organization yet.
    shown.insert("AvailablePolicyTypes".to_owned(), json!([]));
    shown
}
