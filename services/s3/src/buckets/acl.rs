//! `GetBucketAcl` and `PutBucketAcl`.
//!
//! Lists open nothing here: the owner has everything, by the list that every bucket has. A request for just that list
//! changes nothing and succeeds, also where the owner's ownership is enforced, because tools ask for it; any other is
//! refused.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::AccountId;
use s3s::S3Response;
use s3s::dto::{
    AccessControlPolicy, BucketCannedACL, GetBucketAclInput, GetBucketAclOutput, Grant, Grantee, Owner,
    Permission, PutBucketAclInput, PutBucketAclOutput, Type,
};

use crate::settings::{changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_ACL: Operation<GetBucketAclInput, GetBucketAclOutput> =
    reading("GetBucketAcl", "s3:GetBucketAcl", |s3, asked| {
        Box::pin(get(s3, asked))
    });

pub(crate) const PUT_BUCKET_ACL: Operation<PutBucketAclInput, PutBucketAclOutput> =
    changing("PutBucketAcl", "s3:PutBucketAcl", |s3, asked| {
        Box::pin(put(s3, asked))
    });

async fn get(s3: Arc<S3>, asked: Asked<GetBucketAclInput>) -> Answered<GetBucketAclOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    Ok(S3Response::new(GetBucketAclOutput {
        grants: Some(vec![owners_grant(&bucket.account)]),
        owner: Some(owner(&bucket.account)),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutBucketAclInput>) -> Answered<PutBucketAclOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let canned = input.acl.as_ref().map(BucketCannedACL::as_str);
    let named_grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    let list = input.access_control_policy.as_ref();
    let is_present = canned.is_none_or(|canned| canned == "private")
        && named_grants.into_iter().all(Option::is_none)
        && list.is_none_or(|list| is_owners(list, &bucket.account))
        && (canned.is_some() || list.is_some());
    if is_present {
        return Ok(S3Response::new(PutBucketAclOutput {}));
    }
    Err(no_lists())
}

/// Whoever wants another list than the one that is there.
pub(crate) fn no_lists() -> AwsError {
    AwsError::new("AccessControlListNotSupported", "The bucket does not allow ACLs")
}

/// An account, as lists name it.
pub(crate) fn owner(account: &AccountId) -> Owner {
    Owner {
        id: Some(account.to_string()),
        display_name: None,
    }
}

/// The one grant of the list that every bucket and object has.
pub(crate) fn owners_grant(account: &AccountId) -> Grant {
    Grant {
        grantee: Some(Grantee {
            display_name: None,
            email_address: None,
            id: Some(account.to_string()),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}

/// Whether a list says that the owner has everything, and nothing else.
pub(crate) fn is_owners(list: &AccessControlPolicy, account: &AccountId) -> bool {
    let is_owner = |owner: &Owner| owner.id.as_deref() == Some(account.as_str());
    let is_grant = |grant: &Grant| {
        let id = grant.grantee.as_ref().and_then(|grantee| grantee.id.as_deref());
        let full = grant.permission.as_ref().map(Permission::as_str) == Some(Permission::FULL_CONTROL);
        id == Some(account.as_str()) && full
    };
    let grants = list.grants.as_deref().unwrap_or_default();
    list.owner.as_ref().is_none_or(is_owner) && !grants.is_empty() && grants.iter().all(is_grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_that_is_there_is_taken() {
        let own = AccountId::parse("123456789012").expect("valid");
        let other = AccountId::parse("210987654321").expect("valid");
        let list = |owner_of: &AccountId, grants: Vec<Grant>| AccessControlPolicy {
            owner: Some(owner(owner_of)),
            grants: Some(grants),
        };
        assert!(is_owners(&list(&own, vec![owners_grant(&own)]), &own));
        assert!(!is_owners(&list(&own, vec![]), &own));
        assert!(!is_owners(&list(&other, vec![owners_grant(&own)]), &own));
        assert!(!is_owners(
            &list(&own, vec![owners_grant(&own), owners_grant(&other)]),
            &own
        ));
        let reading = Grant {
            permission: Some(Permission::from_static(Permission::READ)),
            ..owners_grant(&own)
        };
        assert!(!is_owners(&list(&own, vec![reading]), &own));
        let everyone = Grant {
            grantee: Some(Grantee {
                display_name: None,
                email_address: None,
                id: None,
                type_: Type::from_static(Type::GROUP),
                uri: Some("http://acs.amazonaws.com/groups/global/AllUsers".to_owned()),
            }),
            ..owners_grant(&own)
        };
        assert!(!is_owners(&list(&own, vec![everyone]), &own));
    }
}
