//! `AbortMultipartUpload`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};

use crate::error::{no_such_upload, of_store};
use crate::facts::on_object;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const ABORT_MULTIPART_UPLOAD: Operation<AbortMultipartUploadInput, AbortMultipartUploadOutput> =
    Operation {
        name: "AbortMultipartUpload",
        action: "s3:AbortMultipartUpload",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_object,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(abort(s3, asked)),
    };

async fn abort(s3: Arc<S3>, asked: Asked<AbortMultipartUploadInput>) -> Answered<AbortMultipartUploadOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let blobs = s3.store.abort_upload(at, &input.upload_id).await;
    let blobs = blobs.map_err(of_store)?.ok_or_else(no_such_upload)?;
    s3.discard(&blobs).await;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
