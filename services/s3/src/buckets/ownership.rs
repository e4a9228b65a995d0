//! `GetBucketOwnershipControls`, `PutBucketOwnershipControls` and `DeleteBucketOwnershipControls`.
//!
//! The bucket's owner owns every object, whatever is set: `BucketOwnerPreferred` is kept for those who ask for it, and
//! `ObjectWriter` is refused.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use s3s::S3Response;
use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput,
};
use serde::{Deserialize, Serialize};

use crate::error::{malformed_xml, not_found, not_implemented};
use crate::settings::{Setting, changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_OWNERSHIP_CONTROLS: Operation<
    GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput,
> = reading(
    "GetBucketOwnershipControls",
    "s3:GetBucketOwnershipControls",
    |s3, asked| Box::pin(get(s3, asked)),
);

pub(crate) const PUT_BUCKET_OWNERSHIP_CONTROLS: Operation<
    PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput,
> = changing(
    "PutBucketOwnershipControls",
    "s3:PutBucketOwnershipControls",
    |s3, asked| Box::pin(put(s3, asked)),
);

pub(crate) const DELETE_BUCKET_OWNERSHIP_CONTROLS: Operation<
    DeleteBucketOwnershipControlsInput,
    DeleteBucketOwnershipControlsOutput,
> = changing(
    "DeleteBucketOwnershipControls",
    "s3:PutBucketOwnershipControls",
    |s3, asked| Box::pin(delete(s3, asked)),
);

/// Who owns the objects that others put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ownership {
    /// As every new bucket has it.
    BucketOwnerEnforced,
    BucketOwnerPreferred,
}

/// Taken away, it is there as nothing.
impl Setting for Option<Ownership> {
    const NAME: &'static str = "ownership";
}

impl Ownership {
    /// Reads the word of the wire.
    pub(crate) fn of(wanted: &ObjectOwnership) -> Result<Self, AwsError> {
        match wanted.as_str() {
            ObjectOwnership::BUCKET_OWNER_ENFORCED => Ok(Self::BucketOwnerEnforced),
            ObjectOwnership::BUCKET_OWNER_PREFERRED => Ok(Self::BucketOwnerPreferred),
            ObjectOwnership::OBJECT_WRITER => Err(not_implemented("Ownership of objects by who writes them")),
            _ => Err(malformed_xml()),
        }
    }

    fn on_wire(self) -> ObjectOwnership {
        ObjectOwnership::from_static(match self {
            Self::BucketOwnerEnforced => ObjectOwnership::BUCKET_OWNER_ENFORCED,
            Self::BucketOwnerPreferred => ObjectOwnership::BUCKET_OWNER_PREFERRED,
        })
    }
}

async fn get(
    s3: Arc<S3>,
    asked: Asked<GetBucketOwnershipControlsInput>,
) -> Answered<GetBucketOwnershipControlsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let set = s3.setting::<Option<Ownership>>(&bucket).await?;
    let ownership = set
        .unwrap_or(Some(Ownership::BucketOwnerEnforced))
        .ok_or_else(|| {
            not_found(
                "OwnershipControlsNotFoundError",
                "The bucket ownership controls were not found",
            )
        })?;
    let rule = OwnershipControlsRule {
        object_ownership: ownership.on_wire(),
    };
    Ok(S3Response::new(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls { rules: vec![rule] }),
    }))
}

async fn put(
    s3: Arc<S3>,
    asked: Asked<PutBucketOwnershipControlsInput>,
) -> Answered<PutBucketOwnershipControlsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(malformed_xml());
    };
    let ownership = Ownership::of(&rule.object_ownership)?;
    s3.set(&bucket, &Some(ownership)).await?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
}

async fn delete(
    s3: Arc<S3>,
    asked: Asked<DeleteBucketOwnershipControlsInput>,
) -> Answered<DeleteBucketOwnershipControlsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    s3.set(&bucket, &None::<Ownership>).await?;
    Ok(S3Response::new(DeleteBucketOwnershipControlsOutput {}))
}
