//! `GetObjectRetention` and `PutObjectRetention`.

use std::sync::Arc;

use drawbridge_session::{Audit, Caller, Needs, SignedWith};
use s3s::S3Response;
use s3s::dto::{
    GetObjectRetentionInput, GetObjectRetentionOutput, ObjectLockRetention, ObjectLockRetentionMode,
    PutObjectRetentionInput, PutObjectRetentionOutput,
};
use serde_json::{Map, Value, json};

use crate::error::{malformed_xml, never_locked, no_locks, of_lock};
use crate::facts::{Telling, also, bypasses, on_object};
use crate::stored::retention;
use crate::wire::{moment, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_RETENTION: Operation<GetObjectRetentionInput, GetObjectRetentionOutput> =
    Operation {
        name: "GetObjectRetention",
        action: "s3:GetObjectRetention",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_object,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(get(s3, asked)),
    };

pub(crate) const PUT_OBJECT_RETENTION: Operation<PutObjectRetentionInput, PutObjectRetentionOutput> =
    Operation {
        name: "PutObjectRetention",
        action: "s3:PutObjectRetention",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(put(s3, asked)),
    };

impl Telling for PutObjectRetentionInput {
    fn conditions(&self, conditions: &mut Map<String, Value>) {
        let Some(wanted) = &self.retention else { return };
        if let Some(mode) = &wanted.mode {
            conditions.insert("s3:object-lock-mode".to_owned(), json!(mode.as_str()));
        }
        if let Some(until) = wanted.retain_until_date.as_ref().and_then(moment) {
            let until = until.to_string();
            conditions.insert("s3:object-lock-retain-until-date".to_owned(), json!(until));
        }
    }
}

fn needs(caller: &Caller, summary: &Value) -> Needs {
    let needs = on_object(caller, summary);
    if bypasses(summary) {
        return also(needs, "s3:BypassGovernanceRetention", summary);
    }
    needs
}

async fn get(s3: Arc<S3>, asked: Asked<GetObjectRetentionInput>) -> Answered<GetObjectRetentionOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    if !bucket.locks {
        return Err(no_locks());
    }
    let at = bucket.at(&input.key);
    let (version, _) = s3.object(at, input.version_id.as_deref()).await?;
    let retention = version.retention.ok_or_else(never_locked)?;
    Ok(S3Response::new(GetObjectRetentionOutput {
        retention: Some(ObjectLockRetention {
            mode: Some(ObjectLockRetentionMode::from(retention.mode.as_str().to_owned())),
            retain_until_date: Some(time(retention.until)),
        }),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutObjectRetentionInput>) -> Answered<PutObjectRetentionOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    // What the decision was about, and not what else may say so.
    let bypass = bypasses(asked.call.input());
    let input = asked.input;
    if !bucket.locks {
        return Err(no_locks());
    }
    let now = s3.clock.now();
    let wanted = input.retention.unwrap_or_default();
    let wanted = match (&wanted.mode, &wanted.retain_until_date) {
        (None, None) => None,
        (Some(mode), Some(until)) => Some(retention(mode.as_str(), until, now)?),
        (None, Some(_)) | (Some(_), None) => return Err(malformed_xml()),
    };
    let at = bucket.at(&input.key);
    let version = input.version_id.as_deref();
    let locked = s3
        .store
        .set_object_retention(at, version, wanted, bypass, now)
        .await;
    locked.map_err(|error| of_lock(error, version))?;
    Ok(S3Response::new(PutObjectRetentionOutput::default()))
}
