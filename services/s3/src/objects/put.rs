//! `PutObject`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Caller, Needs, SignedWith};
use drawbridge_store::{Bucket, Condition, ObjectVersion, PutObjectError, Versioning};
use http::HeaderMap;
use s3s::S3Response;
use s3s::dto::{ETagCondition, ObjectCannedACL, PutObjectInput, PutObjectOutput};
use serde_json::Value;

use crate::buckets::no_lists;
use crate::checksum::with_checksum;
use crate::encryption::with_encryption;
use crate::error::{invalid_argument, of_put};
use crate::facts::{also, on_object};
use crate::receive::Expected;
use crate::stored::{check_key, content_of, held, lock_of};
use crate::wire::{condition, etag, tags_of_header};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const PUT_OBJECT: Operation<PutObjectInput, PutObjectOutput> = Operation {
    name: "PutObject",
    action: "s3:PutObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(put(s3, asked)),
};

/// Needs to store an object; its tags, lock and hold each take an action of their own, as on AWS.
pub(crate) fn needs(caller: &Caller, summary: &Value) -> Needs {
    let mut needs = on_object(caller, summary);
    let has = |key: &str| summary.get("conditions").is_some_and(|it| it.get(key).is_some());
    for (key, action) in [
        ("s3:RequestObjectTagKeys", "s3:PutObjectTagging"),
        ("s3:object-lock-mode", "s3:PutObjectRetention"),
        ("s3:object-lock-legal-hold", "s3:PutObjectLegalHold"),
    ] {
        if has(key) {
            needs = also(needs, action, summary);
        }
    }
    needs
}

async fn put(s3: Arc<S3>, mut asked: Asked<PutObjectInput>) -> Answered<PutObjectOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    check_key(&asked.input.key)?;
    check_acl(asked.input.acl.as_ref(), &asked.headers)?;
    let condition = condition_of(asked.input.if_match.as_ref(), asked.input.if_none_match.as_ref())?;
    let tags = tags_of_header(asked.input.tagging.as_deref())?;
    let mut content = content_of(&asked.headers)?;
    let now = s3.clock.now();
    let retention = lock_of(
        asked.input.object_lock_mode.as_ref(),
        asked.input.object_lock_retain_until_date.as_ref(),
        &bucket,
        now,
    )?;
    let held = held(asked.input.object_lock_legal_hold_status.as_ref(), &bucket)?;
    let caller = asked.caller().clone();
    let protection = s3
        .protect(&caller, &bucket, &asked.input.key, &asked.headers)
        .await?;
    protection.mark(&mut content);
    let body = asked.input.body.take();
    let expected = Expected::of(
        &asked.headers,
        asked.trailers.as_ref(),
        asked.input.content_length,
        asked.input.content_md5.as_deref(),
    )?;
    let received = s3.receive(body, expected, &protection).await?;
    let object = ObjectVersion {
        tags,
        retention,
        held,
        ..s3.new_version(asked.input.key, received.complete(content))
    };
    let stored = s3.commit(bucket.name, object, condition).await?;
    Ok(S3Response::new(output(&stored)))
}

fn output(stored: &ObjectVersion) -> PutObjectOutput {
    let mut output = PutObjectOutput {
        version_id: named_version(stored),
        ..PutObjectOutput::default()
    };
    if let Some(content) = &stored.content {
        output.e_tag = Some(etag(&content.etag));
        output.checksum_type = with_checksum!(output, content.checksum.as_ref());
        with_encryption!(output, content);
    }
    output
}

/// The id of a version, if its bucket ever gave it one.
pub(crate) fn named_version(stored: &ObjectVersion) -> Option<String> {
    Some(stored.version.clone()).filter(|version| version != drawbridge_store::objects::NULL_VERSION)
}

/// The same where an object is read: a bucket that keeps or kept versions names also the one without an id.
pub(crate) fn read_version(stored: &ObjectVersion, bucket: &Bucket) -> Option<String> {
    named_version(stored).or_else(|| (bucket.versioning != Versioning::Never).then(|| stored.version.clone()))
}

/// What the headers say must be so of the object that is there.
pub(crate) fn condition_of(
    matches: Option<&ETagCondition>,
    none_matches: Option<&ETagCondition>,
) -> Result<Condition, AwsError> {
    match (matches, none_matches) {
        (None, None) => Ok(Condition::None),
        (Some(matches), None) => Ok(Condition::Matches(condition(matches))),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (None, Some(ETagCondition::ETag(_))) | (Some(_), Some(_)) => Err(AwsError::new(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        )
        .with_status(http::StatusCode::NOT_IMPLEMENTED)),
    }
}

/// The bucket's owner owns every object: an ACL may say that, and nothing else.
pub(crate) fn check_acl(acl: Option<&ObjectCannedACL>, headers: &HeaderMap) -> Result<(), AwsError> {
    if headers
        .keys()
        .any(|name| name.as_str().starts_with("x-amz-grant-"))
    {
        return Err(no_lists());
    }
    match acl.map(ObjectCannedACL::as_str) {
        None | Some("bucket-owner-full-control" | "private") => Ok(()),
        Some(
            "public-read" | "public-read-write" | "authenticated-read" | "aws-exec-read"
            | "bucket-owner-read",
        ) => Err(no_lists()),
        Some(_) => Err(invalid_argument("The canned ACL is not known")),
    }
}

impl S3 {
    /// Commits an object whose blobs are durable, even if the client goes away; what it replaced is removed after.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        bucket: String,
        object: ObjectVersion,
        condition: Condition,
    ) -> Result<ObjectVersion, AwsError> {
        let s3 = Arc::clone(self);
        let committing = tokio::spawn(async move {
            let blobs = object.blobs();
            let stored = s3.store.put_object(&bucket, object, condition).await;
            s3.settled(stored, &bucket, blobs).await
        });
        committing.await.map_err(crate::error::internal)?
    }

    /// Removes what a commit left without a reference.
    pub(crate) async fn settled(
        &self,
        stored: Result<(ObjectVersion, Vec<String>), PutObjectError>,
        bucket: &str,
        blobs: Vec<String>,
    ) -> Result<ObjectVersion, AwsError> {
        match stored {
            Ok((stored, freed)) => {
                self.discard(&freed).await;
                Ok(stored)
            }
            // The rows may be there all the same: the next start knows.
            Err(error @ PutObjectError::Store(_)) => Err(of_put(error, bucket)),
            Err(error) => {
                self.discard(&blobs).await;
                Err(of_put(error, bucket))
            }
        }
    }
}
