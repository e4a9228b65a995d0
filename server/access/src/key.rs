//! Keys: their policies, grants and tags, and what conditions may ask about them.

use drawbridge_session::Caller;
use drawbridge_session::policy::{NamedPolicy, Policy, PolicyKind, ResourcePolicy};
use drawbridge_store::keyring::MAX_ALIASES;
use drawbridge_store::{Key, KeyPlace, KeyRef, Store, StoreError, TagsOf, provided};

use crate::grant;
use crate::subject::{Found, add_tags};

/// Looks up the key that a need is about. One that is not there has no policy: the account's own principals are then
/// told so by the operation, and nobody else is allowed anything.
pub(crate) async fn add(
    found: &mut Found,
    store: &dyn Store,
    caller: &Caller,
    arn: &str,
) -> Result<(), StoreError> {
    let Some(place) = KeyPlace::parse(arn) else {
        return Ok(());
    };
    if let KeyRef::Alias(name) = &place.key {
        found.context.add("kms:RequestAlias", name.as_str());
    }
    match store.key_at(&place).await? {
        Some(key) => add_key(found, store, &key).await,
        None => {
            add_provided(found, caller, &place);
            Ok(())
        }
    }
}

async fn add_key(found: &mut Found, store: &dyn Store, key: &Key) -> Result<(), StoreError> {
    let policy = read_policy(&key.arn(), &key.policy);
    let grants = store.grants(&key.id).await?;
    let granted = grants
        .iter()
        .filter_map(|held| grant::as_policy(held, &found.need));
    let policy = granted.fold(policy, ResourcePolicy::with_grant);
    found.resource_policy = Some(policy);
    add_kind(found);
    let aliases = store
        .aliases(&key.account, &key.region, Some(&key.id), None, MAX_ALIASES)
        .await?;
    for alias in aliases {
        found.context.add("kms:ResourceAliases", alias.name);
    }
    let tags = store.tags(TagsOf::key(key)).await?;
    add_tags(&mut found.context, &["aws:ResourceTag"], &tags);
    found.need = found.need.clone().found_at(key.arn());
    Ok(())
}

/// A key that the server makes at its first use is decided on as it will be.
fn add_provided(found: &mut Found, caller: &Caller, place: &KeyPlace) {
    let KeyRef::Alias(name) = &place.key else { return };
    let Some(service) = provided::service(name).filter(|_| place.account == caller.account) else {
        return;
    };
    let policy = provided::policy(service, &place.account, &place.region);
    found.resource_policy = Some(read_policy(name, &policy));
    add_kind(found);
    found.context.add("kms:ResourceAliases", name.as_str());
}

/// There is one kind of keys here.
fn add_kind(found: &mut Found) {
    let facts = [
        ("kms:KeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:KeyUsage", "ENCRYPT_DECRYPT"),
        ("kms:KeyOrigin", "AWS_KMS"),
        ("kms:MultiRegion", "false"),
    ];
    for (key, value) in facts {
        found.context.add(key, value);
    }
}

fn read_policy(name: &str, text: &str) -> ResourcePolicy {
    match Policy::parse(text, PolicyKind::Resource) {
        Ok(policy) => ResourcePolicy::required(NamedPolicy::new(format!("policy of {name}"), policy)),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, key = name, "a stored key policy cannot be read");
            ResourcePolicy::unreadable()
        }
    }
}
