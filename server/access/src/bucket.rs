//! Buckets: whose they are, their policies, and what is known of the objects in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use drawbridge_session::policy::{Identity, NamedPolicy, Policy, PolicyKind, ResourcePolicy};
use drawbridge_session::{Caller, Need, Principal};
use drawbridge_store::buckets::{POLICY, PUBLIC_ACCESS};
use drawbridge_store::{Bucket, ObjectAt, PublicAccess, StoreError};

use crate::Access;
use crate::subject::{Found, add_tags};

/// The most policies that are kept parsed.
const MAX_KEPT: usize = 1024;

/// Looks up the bucket that a need is about.
pub(crate) async fn add(
    found: &mut Found,
    access: &Access,
    caller: &Caller,
    name: &str,
) -> Result<(), StoreError> {
    let store = access.store.as_ref();
    // Whoever makes a bucket asks for one of its own, whoever has that name already.
    if is(found, "s3:CreateBucket") {
        found
            .context
            .add("s3:ResourceAccount", caller.account.to_string());
        return Ok(());
    }
    let Some(bucket) = store.bucket(name).await? else {
        return Ok(());
    };
    found.need = found.need.clone().owned_by(bucket.account.clone());
    let owner = vec![bucket.account.to_string()];
    found.context.set("aws:ResourceAccount", owner.clone());
    found.context.set("s3:ResourceAccount", owner);
    let organization = store.organization_of(&bucket.account);
    let organization = organization.iter().map(ToString::to_string);
    found.context.set("aws:ResourceOrgID", organization.collect());
    add_object_tags(found, access, &bucket).await?;
    if !recovers(found, caller, &bucket) {
        found.resource_policy = policy_of(access, caller, &bucket).await?;
    }
    Ok(())
}

fn is(found: &Found, action: &str) -> bool {
    found.need.action().eq_ignore_ascii_case(action)
}

/// The root of a bucket's account gets rid of a policy that locks everyone out, whatever the policy says of that.
fn recovers(found: &Found, caller: &Caller, bucket: &Bucket) -> bool {
    let actions = [
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
    ];
    let is_root = matches!(&caller.principal, Principal::Root { account } if *account == bucket.account);
    is_root && actions.into_iter().any(|action| is(found, action))
}

async fn policy_of(
    access: &Access,
    caller: &Caller,
    bucket: &Bucket,
) -> Result<Option<ResourcePolicy>, StoreError> {
    let store = access.store.as_ref();
    let Some(text) = store.bucket_setting(&bucket.name, POLICY).await? else {
        return Ok(None);
    };
    let policy = access.bucket_policies.parsed(&bucket.name, text)?;
    let is_own = Identity::from(&caller.principal).account() == Some(&bucket.account);
    if !is_own && policy.is_public() {
        let setting = store.bucket_setting(&bucket.name, PUBLIC_ACCESS).await?;
        if PublicAccess::in_force(setting.as_deref()).restrict {
            return Ok(Some(ResourcePolicy::naming_nobody()));
        }
    }
    let named = NamedPolicy::shared(format!("policy of bucket {}", bucket.name), policy);
    Ok(Some(ResourcePolicy::sufficient(named)))
}

/// The actions that may ask for the tags that an object has, as AWS lists them, without what they say of versions.
const TAGGED_ACTIONS: [&str; 9] = [
    "s3:DeleteObjectTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
];

async fn add_object_tags(found: &mut Found, access: &Access, bucket: &Bucket) -> Result<(), StoreError> {
    let action = found.need.action().replace("Version", "");
    if !TAGGED_ACTIONS.contains(&action.as_str()) {
        return Ok(());
    }
    let Some(at) = object_of(&found.need, &bucket.name) else {
        return Ok(());
    };
    let version = found.need.context().values("s3:VersionId");
    let version = version.and_then(<[String]>::first).map(String::as_str);
    if let Some(object) = access.store.object(at, version).await? {
        add_tags(&mut found.context, &["s3:ExistingObjectTag"], &object.tags);
    }
    Ok(())
}

/// Adds what the beginning of an upload said of its object: parts do not say it again, and policies are about the object.
pub(crate) async fn add_upload(
    found: &mut Found,
    access: &Access,
    bucket: &str,
    id: &str,
) -> Result<(), StoreError> {
    let Some(at) = object_of(&found.need, bucket) else {
        return Ok(());
    };
    if let Some(upload) = access.store.upload(at, id).await? {
        for (key, values) in upload.object.conditions {
            found.context.set(&key, values);
        }
    }
    Ok(())
}

fn object_of<'a>(need: &'a Need, bucket: &'a str) -> Option<ObjectAt<'a>> {
    let path = need.resource().arn().strip_prefix("arn:aws:s3:::")?;
    let key = path.strip_prefix(bucket)?.strip_prefix('/')?;
    Some(ObjectAt { bucket, key })
}

/// The policies of buckets, parsed: each stands until its bucket has another text.
#[derive(Default)]
pub(crate) struct BucketPolicies {
    kept: Mutex<HashMap<String, (String, Arc<Policy>)>>,
}

impl BucketPolicies {
    fn parsed(&self, bucket: &str, text: String) -> Result<Arc<Policy>, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, policy)) = kept.get(bucket)
            && *known == text
        {
            return Ok(Arc::clone(policy));
        }
        // It was read when it was put: one that cannot be read now decides nothing.
        let policy = Policy::parse(&text, PolicyKind::Resource)
            .map_err(|error| StoreError::new("read the policy of a bucket", error))?;
        let policy = Arc::new(policy);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(bucket.to_owned(), (text, Arc::clone(&policy)));
        Ok(policy)
    }
}
