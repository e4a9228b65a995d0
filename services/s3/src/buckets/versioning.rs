//! `GetBucketVersioning` and `PutBucketVersioning`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::Versioning;
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{
    BucketVersioningStatus, GetBucketVersioningInput, GetBucketVersioningOutput, MFADelete,
    PutBucketVersioningInput, PutBucketVersioningOutput,
};

use crate::error::{malformed_xml, not_implemented, of_store};
use crate::settings::{changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_VERSIONING: Operation<GetBucketVersioningInput, GetBucketVersioningOutput> =
    reading("GetBucketVersioning", "s3:GetBucketVersioning", |s3, asked| {
        Box::pin(get(s3, asked))
    });

pub(crate) const PUT_BUCKET_VERSIONING: Operation<PutBucketVersioningInput, PutBucketVersioningOutput> =
    changing("PutBucketVersioning", "s3:PutBucketVersioning", |s3, asked| {
        Box::pin(put(s3, asked))
    });

async fn get(s3: Arc<S3>, asked: Asked<GetBucketVersioningInput>) -> Answered<GetBucketVersioningOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let status = match bucket.versioning {
        Versioning::Never => None,
        kept @ (Versioning::Enabled | Versioning::Suspended) => {
            Some(BucketVersioningStatus::from(kept.as_str().to_owned()))
        }
    };
    Ok(S3Response::new(GetBucketVersioningOutput {
        status,
        ..GetBucketVersioningOutput::default()
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutBucketVersioningInput>) -> Answered<PutBucketVersioningOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let wanted = &input.versioning_configuration;
    if wanted.mfa_delete.as_ref().map(MFADelete::as_str) == Some(MFADelete::ENABLED) {
        return Err(not_implemented("Deletion with a second factor"));
    }
    let status = wanted.status.as_ref().map(BucketVersioningStatus::as_str);
    let versioning = match status {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        Some(_) | None => return Err(malformed_xml()),
    };
    let changed = s3.store.set_versioning(&bucket.name, versioning).await;
    if !changed.map_err(of_store)? {
        return Err(AwsError::new(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
        .with_status(StatusCode::CONFLICT));
    }
    Ok(S3Response::new(PutBucketVersioningOutput {}))
}
