//! `GetPublicAccessBlock`, `PutPublicAccessBlock` and `DeletePublicAccessBlock`.
//!
//! A new bucket has everything blocked. Decisions read the setting where the policy is public
//! (`server/access/src/bucket.rs`); lists that are public there are none.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::buckets::PUBLIC_ACCESS;
use drawbridge_store::{Bucket, PublicAccess};
use s3s::S3Response;
use s3s::dto::{
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, PublicAccessBlockConfiguration, PutPublicAccessBlockInput,
    PutPublicAccessBlockOutput,
};

use crate::error::not_found;
use crate::settings::{Setting, changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_PUBLIC_ACCESS_BLOCK: Operation<GetPublicAccessBlockInput, GetPublicAccessBlockOutput> =
    reading(
        "GetBucketPublicAccessBlock",
        "s3:GetBucketPublicAccessBlock",
        |s3, asked| Box::pin(get(s3, asked)),
    );

pub(crate) const PUT_PUBLIC_ACCESS_BLOCK: Operation<PutPublicAccessBlockInput, PutPublicAccessBlockOutput> =
    changing(
        "PutBucketPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        |s3, asked| Box::pin(put(s3, asked)),
    );

pub(crate) const DELETE_PUBLIC_ACCESS_BLOCK: Operation<
    DeletePublicAccessBlockInput,
    DeletePublicAccessBlockOutput,
> = changing(
    "DeleteBucketPublicAccessBlock",
    "s3:PutBucketPublicAccessBlock",
    |s3, asked| Box::pin(delete(s3, asked)),
);

/// Taken away, it is there as nothing.
impl Setting for Option<PublicAccess> {
    const NAME: &'static str = PUBLIC_ACCESS;
}

impl S3 {
    /// What is blocked of a bucket; `None` where the setting was taken away.
    pub(crate) async fn public_access(&self, bucket: &Bucket) -> Result<Option<PublicAccess>, AwsError> {
        let set = self.setting::<Option<PublicAccess>>(bucket).await?;
        Ok(set.unwrap_or(Some(PublicAccess::BLOCKED)))
    }
}

async fn get(s3: Arc<S3>, asked: Asked<GetPublicAccessBlockInput>) -> Answered<GetPublicAccessBlockOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let set = s3.public_access(&bucket).await?.ok_or_else(|| {
        not_found(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
    })?;
    Ok(S3Response::new(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(set.block_acls),
            block_public_policy: Some(set.block_policy),
            ignore_public_acls: Some(set.ignore_acls),
            restrict_public_buckets: Some(set.restrict),
        }),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutPublicAccessBlockInput>) -> Answered<PutPublicAccessBlockOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let wanted = &input.public_access_block_configuration;
    let set = PublicAccess {
        block_acls: wanted.block_public_acls.unwrap_or(false),
        ignore_acls: wanted.ignore_public_acls.unwrap_or(false),
        block_policy: wanted.block_public_policy.unwrap_or(false),
        restrict: wanted.restrict_public_buckets.unwrap_or(false),
    };
    s3.set(&bucket, &Some(set)).await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput {}))
}

async fn delete(
    s3: Arc<S3>,
    asked: Asked<DeletePublicAccessBlockInput>,
) -> Answered<DeletePublicAccessBlockOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    s3.set(&bucket, &None::<PublicAccess>).await?;
    Ok(S3Response::new(DeletePublicAccessBlockOutput {}))
}
