//! `GetBucketTagging`, `PutBucketTagging` and `DeleteBucketTagging`.

use std::sync::Arc;

use drawbridge_session::Tag;
use s3s::S3Response;
use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput,
};
use serde::{Deserialize, Serialize};

use crate::error::not_found;
use crate::settings::{Setting, changing, reading};
use crate::wire::{bucket_tags, tag_set};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_TAGGING: Operation<GetBucketTaggingInput, GetBucketTaggingOutput> =
    reading("GetBucketTagging", "s3:GetBucketTagging", |s3, asked| {
        Box::pin(get(s3, asked))
    });

pub(crate) const PUT_BUCKET_TAGGING: Operation<PutBucketTaggingInput, PutBucketTaggingOutput> =
    changing("PutBucketTagging", "s3:PutBucketTagging", |s3, asked| {
        Box::pin(put(s3, asked))
    });

pub(crate) const DELETE_BUCKET_TAGGING: Operation<DeleteBucketTaggingInput, DeleteBucketTaggingOutput> =
    changing("DeleteBucketTagging", "s3:PutBucketTagging", |s3, asked| {
        Box::pin(delete(s3, asked))
    });

/// The tags of a bucket; never none of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BucketTags(pub(crate) Vec<Tag>);

impl BucketTags {
    /// Returns what is set where a bucket has these tags.
    pub(crate) fn of(tags: Vec<Tag>) -> Option<Self> {
        (!tags.is_empty()).then_some(Self(tags))
    }
}

impl Setting for BucketTags {
    const NAME: &'static str = "tags";
}

async fn get(s3: Arc<S3>, asked: Asked<GetBucketTaggingInput>) -> Answered<GetBucketTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let tags = s3.setting::<BucketTags>(&bucket).await?;
    let BucketTags(tags) = tags.ok_or_else(|| not_found("NoSuchTagSet", "The TagSet does not exist"))?;
    Ok(S3Response::new(GetBucketTaggingOutput {
        tag_set: tag_set(&tags),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutBucketTaggingInput>) -> Answered<PutBucketTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    match BucketTags::of(bucket_tags(asked.input.tagging.tag_set)?) {
        Some(tags) => s3.set(&bucket, &tags).await?,
        None => s3.unset::<BucketTags>(&bucket).await?,
    }
    Ok(S3Response::new(PutBucketTaggingOutput {}))
}

async fn delete(s3: Arc<S3>, asked: Asked<DeleteBucketTaggingInput>) -> Answered<DeleteBucketTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    s3.unset::<BucketTags>(&bucket).await?;
    Ok(S3Response::new(DeleteBucketTaggingOutput {}))
}
