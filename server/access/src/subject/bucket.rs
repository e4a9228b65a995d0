//! A bucket or an object in it: whose it is, and the tags that the object has.

use drawbridge_session::Caller;
use drawbridge_session::policy::ResourcePolicy;
use drawbridge_store::{ObjectAt, Store, StoreError};

use super::Found;

/// Actions whose conditions may ask about the tags of the object that is there.
const ON_EXISTING: [&str; 16] = [
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectVersionTagging",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
];

/// Adds the owner, and what is known of the object. Another account's bucket is nobody's here until a policy of its own
/// says otherwise.
pub(super) async fn add(
    found: &mut Found,
    store: &dyn Store,
    caller: &Caller,
    name: &str,
) -> Result<(), StoreError> {
    let owner = store.bucket(name).await?.map(|bucket| bucket.account);
    let owner = owner.unwrap_or_else(|| caller.account.clone());
    if let Some(organization) = store.organization_of(&owner) {
        found
            .context
            .set("aws:ResourceOrgID", vec![organization.to_string()]);
    }
    for key in ["aws:ResourceAccount", "s3:ResourceAccount"] {
        found.context.set(key, vec![owner.to_string()]);
    }
    if owner != *caller.principal.account() {
        found.resource_policy = Some(ResourcePolicy::trusting_nobody());
    }
    add_tags(found, store, name).await
}

async fn add_tags(found: &mut Found, store: &dyn Store, bucket: &str) -> Result<(), StoreError> {
    if !ON_EXISTING.contains(&found.need.action()) {
        return Ok(());
    }
    let Some((_, key)) = found.need.resource().arn().split_once('/') else {
        return Ok(());
    };
    let version = found
        .need
        .context()
        .iter()
        .find(|(key, _)| *key == "s3:VersionId");
    let version = version.and_then(|(_, values)| values.first()).cloned();
    let object = store.object(ObjectAt { bucket, key }, version.as_deref()).await?;
    for tag in object.map(|object| object.tags).unwrap_or_default() {
        let key = format!("s3:ExistingObjectTag/{}", tag.key);
        found.context.set(&key, vec![tag.value]);
    }
    Ok(())
}
