//! `GetObjectAcl` and `PutObjectAcl`: the bucket's owner owns every object, and an ACL can say nothing else.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{GetObjectAclInput, GetObjectAclOutput, PutObjectAclInput, PutObjectAclOutput};

use super::put::check_acl;
use crate::buckets::{is_owners, no_lists, owner, owners_grant};
use crate::facts::on_version;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_ACL: Operation<GetObjectAclInput, GetObjectAclOutput> = Operation {
    name: "GetObjectAcl",
    action: "s3:GetObjectAcl",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:GetObjectVersionAcl", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(get(s3, asked)),
};

pub(crate) const PUT_OBJECT_ACL: Operation<PutObjectAclInput, PutObjectAclOutput> = Operation {
    name: "PutObjectAcl",
    action: "s3:PutObjectAcl",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:PutObjectVersionAcl", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(put(s3, asked)),
};

async fn get(s3: Arc<S3>, asked: Asked<GetObjectAclInput>) -> Answered<GetObjectAclOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let (_, _) = s3.object(at, input.version_id.as_deref()).await?;
    Ok(S3Response::new(GetObjectAclOutput {
        owner: Some(owner(&bucket.account)),
        grants: Some(vec![owners_grant(&bucket.account)]),
        request_charged: None,
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutObjectAclInput>) -> Answered<PutObjectAclOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let (_, _) = s3.object(at, input.version_id.as_deref()).await?;
    check_acl(input.acl.as_ref(), &asked.headers)?;
    let list = input.access_control_policy.as_ref();
    if list.is_some_and(|list| !is_owners(list, &bucket.account)) {
        return Err(no_lists());
    }
    Ok(S3Response::new(PutObjectAclOutput::default()))
}
