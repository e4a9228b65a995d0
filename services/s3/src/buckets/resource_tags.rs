//! `ListTagsForResource`, `TagResource` and `UntagResource` of S3 Control: the tags of a bucket one by one.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Tag;
use drawbridge_store::Bucket;
use s3s::S3Response;
use serde_json::{Map, Value, json};

use crate::buckets::tagging::BucketTags;
use crate::error::not_found;
use crate::facts::{Named, add_request_tags};
use crate::settings::{changing, reading};
use crate::wire::checked_bucket_tags;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_TAGS_FOR_RESOURCE: Operation<ListTagsForResource, Vec<Tag>> =
    reading("ListTagsForResource", "s3:ListTagsForResource", |s3, asked| {
        Box::pin(list(s3, asked))
    });

pub(crate) const TAG_RESOURCE: Operation<TagResource, ()> =
    changing("TagResource", "s3:TagResource", |s3, asked| {
        Box::pin(tag(s3, asked))
    });

pub(crate) const UNTAG_RESOURCE: Operation<UntagResource, ()> =
    changing("UntagResource", "s3:UntagResource", |s3, asked| {
        Box::pin(untag(s3, asked))
    });

/// The bucket whose tags are asked for, and the account that it is said to be of.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) bucket: String,
    pub(crate) account: String,
}

#[derive(Debug)]
pub(crate) struct ListTagsForResource {
    pub(crate) on: Tagged,
}

#[derive(Debug)]
pub(crate) struct TagResource {
    pub(crate) on: Tagged,
    /// The tags to add; one that is there gets the new value.
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug)]
pub(crate) struct UntagResource {
    pub(crate) on: Tagged,
    pub(crate) keys: Vec<String>,
}

/// Each names its bucket alike, and tells conditions of its own.
macro_rules! named {
    ($input:ty, $tell:expr) => {
        impl Named for $input {
            fn bucket(&self) -> Option<&str> {
                Some(&self.on.bucket)
            }

            fn expected_owner(&self) -> Option<&str> {
                Some(&self.on.account)
            }

            fn conditions(&self, conditions: &mut Map<String, Value>) {
                let tell: fn(&Self, &mut Map<String, Value>) = $tell;
                tell(self, conditions);
            }
        }
    };
}

named!(ListTagsForResource, |_, _| {});
named!(TagResource, |asked, conditions| add_request_tags(
    conditions,
    &asked.tags
));
named!(UntagResource, |asked, conditions| {
    conditions.insert("aws:TagKeys".to_owned(), json!(asked.keys));
});

async fn list(s3: Arc<S3>, asked: Asked<ListTagsForResource>) -> Answered<Vec<Tag>> {
    let bucket = s3.tagged_bucket(&asked).await?;
    let tags = s3.setting::<BucketTags>(&bucket).await?;
    let tags = tags.map(|BucketTags(tags)| tags);
    Ok(S3Response::new(tags.unwrap_or_default()))
}

async fn tag(s3: Arc<S3>, asked: Asked<TagResource>) -> Answered<()> {
    let bucket = s3.tagged_bucket(&asked).await?;
    let new = asked.input.tags;
    s3.change(&bucket, |present: Option<BucketTags>| {
        let mut tags = present.map(|BucketTags(tags)| tags).unwrap_or_default();
        tags.retain(|tag| new.iter().all(|new| new.key != tag.key));
        tags.extend(new.iter().cloned());
        Ok(BucketTags::of(checked_bucket_tags(tags)?))
    })
    .await?;
    Ok(S3Response::new(()))
}

async fn untag(s3: Arc<S3>, asked: Asked<UntagResource>) -> Answered<()> {
    let bucket = s3.tagged_bucket(&asked).await?;
    let keys = asked.input.keys;
    s3.change(&bucket, |present: Option<BucketTags>| {
        let mut tags = present.map(|BucketTags(tags)| tags).unwrap_or_default();
        tags.retain(|tag| !keys.contains(&tag.key));
        Ok(BucketTags::of(tags))
    })
    .await?;
    Ok(S3Response::new(()))
}

impl S3 {
    /// Finds the bucket that a request is about, in the words of S3 Control where there is none.
    async fn tagged_bucket(&self, asked: &Asked<impl Named>) -> Result<Bucket, AwsError> {
        self.asked_bucket(asked)
            .await
            .map_err(|error| match error.code() {
                "NoSuchBucket" => no_such_resource(),
                _ => error,
            })
    }
}

pub(crate) fn no_such_resource() -> AwsError {
    not_found("NoSuchResource", "The specified resource doesn't exist.")
}
