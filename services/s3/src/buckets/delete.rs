//! `DeleteBucket`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::RemoveBucketError;
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};

use crate::error::{no_such_bucket, of_store};
use crate::facts::on_bucket;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const DELETE_BUCKET: Operation<DeleteBucketInput, DeleteBucketOutput> = Operation {
    name: "DeleteBucket",
    action: "s3:DeleteBucket",
    signed_with: SignedWith::AccessKey,
    needs: on_bucket,
    audit: Audit::WRITE,
    handler: |s3, asked| Box::pin(delete(s3, asked)),
};

async fn delete(s3: Arc<S3>, asked: Asked<DeleteBucketInput>) -> Answered<DeleteBucketOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let blobs = s3
        .store
        .remove_bucket(&bucket.name)
        .await
        .map_err(|error| match error {
            RemoveBucketError::Missing => no_such_bucket(&bucket.name),
            RemoveBucketError::NotEmpty => {
                AwsError::new("BucketNotEmpty", "The bucket you tried to delete is not empty")
                    .with_status(StatusCode::CONFLICT)
            }
            RemoveBucketError::Store(error) => of_store(error),
        })?;
    s3.discard(&blobs).await;
    Ok(S3Response::new(DeleteBucketOutput {}))
}
