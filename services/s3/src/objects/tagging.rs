//! `GetObjectTagging`, `PutObjectTagging` and `DeleteObjectTagging`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};
use serde_json::{Map, Value};

use super::put::read_version;
use crate::error::of_lock;
use crate::facts::{Telling, add_tags, on_version};
use crate::wire::{tag_set, tags_of_set};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_TAGGING: Operation<GetObjectTaggingInput, GetObjectTaggingOutput> = Operation {
    name: "GetObjectTagging",
    action: "s3:GetObjectTagging",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:GetObjectVersionTagging", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(get(s3, asked)),
};

pub(crate) const PUT_OBJECT_TAGGING: Operation<PutObjectTaggingInput, PutObjectTaggingOutput> = Operation {
    name: "PutObjectTagging",
    action: "s3:PutObjectTagging",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:PutObjectVersionTagging", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(put(s3, asked)),
};

pub(crate) const DELETE_OBJECT_TAGGING: Operation<DeleteObjectTaggingInput, DeleteObjectTaggingOutput> =
    Operation {
        name: "DeleteObjectTagging",
        action: "s3:DeleteObjectTagging",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: |_, summary| on_version("s3:DeleteObjectVersionTagging", summary),
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(delete(s3, asked)),
    };

impl Telling for PutObjectTaggingInput {
    fn conditions(&self, conditions: &mut Map<String, Value>) {
        let tags = self.tagging.tag_set.iter();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        add_tags(conditions, tags.map(|tag| (text(&tag.key), text(&tag.value))));
    }
}

async fn get(s3: Arc<S3>, asked: Asked<GetObjectTaggingInput>) -> Answered<GetObjectTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let (version, _) = s3.object(at, input.version_id.as_deref()).await?;
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: tag_set(&version.tags),
        version_id: read_version(&version, &bucket),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutObjectTaggingInput>) -> Answered<PutObjectTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let tags = tags_of_set(input.tagging.tag_set)?;
    let at = bucket.at(&input.key);
    let version = input.version_id.as_deref();
    let tagged = s3.store.set_object_tags(at, version, &tags).await;
    let tagged = tagged.map_err(|error| of_lock(error, version))?;
    Ok(S3Response::new(PutObjectTaggingOutput {
        version_id: named(tagged),
    }))
}

async fn delete(s3: Arc<S3>, asked: Asked<DeleteObjectTaggingInput>) -> Answered<DeleteObjectTaggingOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let version = input.version_id.as_deref();
    let tagged = s3.store.set_object_tags(at, version, &[]).await;
    let tagged = tagged.map_err(|error| of_lock(error, version))?;
    Ok(S3Response::new(DeleteObjectTaggingOutput {
        version_id: named(tagged),
    }))
}

fn named(version: String) -> Option<String> {
    Some(version).filter(|version| version != drawbridge_store::objects::NULL_VERSION)
}
