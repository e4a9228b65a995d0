//! `GetObjectLegalHold` and `PutObjectLegalHold`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{
    GetObjectLegalHoldInput, GetObjectLegalHoldOutput, ObjectLockLegalHold, PutObjectLegalHoldInput,
    PutObjectLegalHoldOutput,
};
use serde_json::{Map, Value, json};

use crate::error::{malformed_xml, never_locked, no_locks, of_lock};
use crate::facts::{Telling, on_object};
use crate::stored::{held, hold_status};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_LEGAL_HOLD: Operation<GetObjectLegalHoldInput, GetObjectLegalHoldOutput> =
    Operation {
        name: "GetObjectLegalHold",
        action: "s3:GetObjectLegalHold",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_object,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(get(s3, asked)),
    };

pub(crate) const PUT_OBJECT_LEGAL_HOLD: Operation<PutObjectLegalHoldInput, PutObjectLegalHoldOutput> =
    Operation {
        name: "PutObjectLegalHold",
        action: "s3:PutObjectLegalHold",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_object,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(put(s3, asked)),
    };

impl Telling for PutObjectLegalHoldInput {
    fn conditions(&self, conditions: &mut Map<String, Value>) {
        let status = self.legal_hold.as_ref().and_then(|hold| hold.status.as_ref());
        if let Some(status) = status {
            conditions.insert("s3:object-lock-legal-hold".to_owned(), json!(status.as_str()));
        }
    }
}

async fn get(s3: Arc<S3>, asked: Asked<GetObjectLegalHoldInput>) -> Answered<GetObjectLegalHoldOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    if !bucket.locks {
        return Err(no_locks());
    }
    let at = bucket.at(&input.key);
    let (version, _) = s3.object(at, input.version_id.as_deref()).await?;
    let held = version.held.ok_or_else(never_locked)?;
    Ok(S3Response::new(GetObjectLegalHoldOutput {
        legal_hold: Some(ObjectLockLegalHold {
            status: Some(hold_status(held)),
        }),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutObjectLegalHoldInput>) -> Answered<PutObjectLegalHoldOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let status = input.legal_hold.and_then(|hold| hold.status);
    let held = held(status.as_ref(), &bucket)?.ok_or_else(malformed_xml)?;
    let at = bucket.at(&input.key);
    let version = input.version_id.as_deref();
    let changed = s3.store.set_legal_hold(at, version, held).await;
    changed.map_err(|error| of_lock(error, version))?;
    Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
}
