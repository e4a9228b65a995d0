//! `GetBucketLocation`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput};

use crate::facts::on_bucket;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_LOCATION: Operation<GetBucketLocationInput, GetBucketLocationOutput> =
    Operation {
        name: "GetBucketLocation",
        action: "s3:GetBucketLocation",
        signed_with: SignedWith::AccessKey,
        needs: on_bucket,
        audit: Audit::READ,
        handler: |s3, asked| Box::pin(locate(s3, asked)),
    };

async fn locate(s3: Arc<S3>, asked: Asked<GetBucketLocationInput>) -> Answered<GetBucketLocationOutput> {
    // The one question that may be asked from any region: clients ask it to learn the right one.
    let bucket = s3
        .store
        .bucket(&asked.input.bucket)
        .await
        .map_err(crate::error::of_store)?;
    let bucket = bucket.ok_or_else(|| crate::error::no_such_bucket(&asked.input.bucket))?;
    S3::check_owner(&bucket, asked.input.expected_bucket_owner.as_deref())?;
    let region = Some(bucket.region.to_string()).filter(|region| region != "us-east-1");
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: region.map(BucketLocationConstraint::from),
    }))
}
