//! `CreateMultipartUpload`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::Identity;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::{Upload, UploadedObject};
use http::HeaderMap;
use s3s::S3Response;
use s3s::dto::{ChecksumAlgorithm, CreateMultipartUploadInput, CreateMultipartUploadOutput};

use crate::checksum::{Algorithm, kind};
use crate::encryption::with_encryption;
use crate::error::{invalid_request, no_such_bucket, of_store};
use crate::facts::of_upload;
use crate::objects::{check_acl, put_needs};
use crate::stored::{check_key, content_of, held, lock_of};
use crate::wire::tags_of_header;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const CREATE_MULTIPART_UPLOAD: Operation<CreateMultipartUploadInput, CreateMultipartUploadOutput> =
    Operation {
        name: "CreateMultipartUpload",
        action: "s3:PutObject",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: put_needs,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(create(s3, asked)),
    };

async fn create(
    s3: Arc<S3>,
    asked: Asked<CreateMultipartUploadInput>,
) -> Answered<CreateMultipartUploadOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let initiator = Identity::from(&asked.caller().principal).arn().to_owned();
    let caller = asked.caller().clone();
    let (input, headers) = (asked.input, asked.headers);
    check_key(&input.key)?;
    check_acl(input.acl.as_ref(), &headers)?;
    let now = s3.clock.now();
    let checksum = Summing::of(&headers)?;
    let mut content = content_of(&headers)?;
    let protection = s3.protect(&caller, &bucket, &input.key, &headers).await?;
    protection.mark(&mut content);
    let upload = Upload {
        key: input.key,
        id: s3.draw_version(),
        initiated_at: now,
        initiator,
        object: UploadedObject {
            content,
            sealing: protection.sealing(),
            conditions: of_upload(&headers),
            tags: tags_of_header(input.tagging.as_deref())?,
            retention: lock_of(
                input.object_lock_mode.as_ref(),
                input.object_lock_retain_until_date.as_ref(),
                &bucket,
                now,
            )?,
            held: held(input.object_lock_legal_hold_status.as_ref(), &bucket)?,
            checksum: checksum.asked.then(|| checksum.algorithm.as_str().to_owned()),
            composite: checksum.composite,
        },
    };
    let created = s3
        .store
        .create_upload(&bucket.name, &upload)
        .await
        .map_err(of_store)?;
    if !created {
        return Err(no_such_bucket(&bucket.name));
    }
    let mut output = CreateMultipartUploadOutput::default();
    with_encryption!(output, &upload.object.content);
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(bucket.name),
        // Only what was asked for is said: a client that is told of another sum would send it with every part.
        checksum_algorithm: checksum
            .asked
            .then(|| ChecksumAlgorithm::from(checksum.algorithm.as_str().to_owned())),
        checksum_type: checksum.asked.then(|| kind(checksum.composite)),
        key: Some(upload.key),
        upload_id: Some(upload.id),
        ..output
    }))
}

/// What sum the object will have.
struct Summing {
    algorithm: Algorithm,
    composite: bool,
    asked: bool,
}

impl Summing {
    fn of(headers: &HeaderMap) -> Result<Self, AwsError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let named = text("x-amz-checksum-algorithm")
            .map(Algorithm::named)
            .transpose()?;
        let algorithm = named.unwrap_or(Algorithm::Crc64Nvme);
        let whole_only = algorithm == Algorithm::Crc64Nvme;
        let parts_only = matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256);
        let composite = match text("x-amz-checksum-type") {
            None => !whole_only,
            Some("COMPOSITE") if !whole_only => true,
            Some("FULL_OBJECT") if !parts_only => false,
            Some(kind) => {
                return Err(invalid_request(format!(
                    "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                    algorithm.as_str()
                )));
            }
        };
        Ok(Self {
            algorithm,
            composite,
            asked: named.is_some(),
        })
    }
}
