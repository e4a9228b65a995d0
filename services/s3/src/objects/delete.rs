//! `DeleteObject`, also for each object of `DeleteObjects`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Caller, Needs, SignedWith};
use drawbridge_store::{Condition, ObjectAt};
use s3s::S3Response;
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput, ETagCondition};
use serde_json::Value;

use crate::error::{not_implemented, of_lock, of_put, of_store, precondition_failed};
use crate::facts::{also, bypasses, on_version};
use crate::stored::check_key;
use crate::wire::condition;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const DELETE_OBJECT: Operation<DeleteObjectInput, DeleteObjectOutput> = Operation {
    name: "DeleteObject",
    action: "s3:DeleteObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(delete(s3, asked)),
};

fn needs(_: &Caller, summary: &Value) -> Needs {
    let needs = on_version("s3:DeleteObjectVersion", summary);
    if bypasses(summary) {
        return also(needs, "s3:BypassGovernanceRetention", summary);
    }
    needs
}

async fn delete(s3: Arc<S3>, asked: Asked<DeleteObjectInput>) -> Answered<DeleteObjectOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    // What the decision was about, and not what else may say so.
    let bypass = bypasses(asked.call.input());
    let input = asked.input;
    check_key(&input.key)?;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(not_implemented("Removal by size or time"));
    }
    let at = bucket.at(&input.key);
    let now = s3.clock.now();
    let deleted = match input.version_id.as_deref() {
        Some(version) => {
            s3.check_version(at, version, input.if_match.as_ref()).await?;
            let deleted = s3.store.delete_version(at, version, bypass, now).await;
            deleted.map_err(|error| of_lock(error, Some(version)))?
        }
        None => {
            let condition = input
                .if_match
                .as_ref()
                .map_or(Condition::None, |it| Condition::Matches(condition(it)));
            let marker = s3.draw_version();
            let deleted = s3.store.delete_object(at, &marker, condition, now).await;
            deleted.map_err(|error| of_put(error, &bucket.name))?
        }
    };
    s3.discard(&deleted.blobs).await;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        ..DeleteObjectOutput::default()
    }))
}

impl S3 {
    /// Refuses to remove a version that is not what the request says. Versions never change, so that it is enough to look before.
    async fn check_version(
        &self,
        at: ObjectAt<'_>,
        version: &str,
        matches: Option<&ETagCondition>,
    ) -> Result<(), AwsError> {
        let Some(wanted) = matches.and_then(condition) else {
            return Ok(());
        };
        let found = self.store.object(at, Some(version)).await.map_err(of_store)?;
        match found.and_then(|found| found.content) {
            Some(content) if content.etag == wanted => Ok(()),
            _ => Err(precondition_failed()),
        }
    }
}
