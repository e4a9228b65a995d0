//! `HeadBucket`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{HeadBucketInput, HeadBucketOutput};

use crate::facts::on_bucket;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const HEAD_BUCKET: Operation<HeadBucketInput, HeadBucketOutput> = Operation {
    name: "HeadBucket",
    action: "s3:ListBucket",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_bucket,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(head(s3, asked)),
};

async fn head(s3: Arc<S3>, asked: Asked<HeadBucketInput>) -> Answered<HeadBucketOutput> {
    s3.asked_bucket(&asked).await?;
    // The region comes with every answer about a bucket.
    Ok(S3Response::new(HeadBucketOutput::default()))
}
