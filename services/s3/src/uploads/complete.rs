//! `CompleteMultipartUpload`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::objects::Checksum;
use drawbridge_store::{Content, ObjectVersion};
use s3s::S3Response;
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput};

use super::MAX_PART;
use super::assemble::{checksum_of, etag_of, pick};
use crate::checksum::{Algorithm, with_checksum};
use crate::encryption::with_encryption;
use crate::error::{internal, invalid_request, of_store};
use crate::facts::on_upload;
use crate::objects::{condition_of, named_version};
use crate::wire::{encoded, etag};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const COMPLETE_MULTIPART_UPLOAD: Operation<
    CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput,
> = Operation {
    name: "CompleteMultipartUpload",
    action: "s3:PutObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_upload,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(complete(s3, asked)),
};

async fn complete(
    s3: Arc<S3>,
    asked: Asked<CompleteMultipartUploadInput>,
) -> Answered<CompleteMultipartUploadOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let host = asked.caller().host.clone();
    let input = asked.input;
    let condition = condition_of(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let at = bucket.at(&input.key);
    let upload = s3.upload(at, &input.upload_id).await?;
    let uploaded = s3.store.parts(&upload.id, 0, MAX_PART).await.map_err(of_store)?;
    let named = input
        .multipart_upload
        .as_ref()
        .and_then(|it| it.parts.as_deref())
        .unwrap_or_default();
    let parts = pick(&uploaded, named)?;
    let size: u64 = parts.iter().map(|part| part.piece.size).sum();
    if input
        .mpu_object_size
        .is_some_and(|wanted| u64::try_from(wanted) != Ok(size))
    {
        return Err(invalid_request(
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
        ));
    }
    let checksum = checksum_of(&parts, &upload.object)?;
    check_checksum(&input, checksum.as_ref())?;
    let content = Content {
        size,
        etag: etag_of(&parts)?,
        parts: parts.iter().map(|part| part.piece.size).collect(),
        pieces: parts.into_iter().map(|part| part.piece).collect(),
        checksum,
        ..upload.object.content
    };
    let object = ObjectVersion {
        tags: upload.object.tags,
        retention: upload.object.retention,
        held: upload.object.held,
        ..s3.new_version(input.key.clone(), content)
    };
    let name = bucket.name.clone();
    let completing = {
        let (s3, id) = (Arc::clone(&s3), upload.id);
        tokio::spawn(async move {
            let stored = s3.store.complete_upload(&name, &id, object, condition).await;
            // The parts of an upload that was refused are still its own.
            s3.settled(stored, &name, Vec::new()).await
        })
    };
    let stored = completing.await.map_err(internal)??;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!(
            "https://{host}/{}/{}",
            bucket.name,
            encoded(&input.key, true)
        )),
        bucket: Some(bucket.name),
        key: Some(input.key),
        version_id: named_version(&stored),
        ..CompleteMultipartUploadOutput::default()
    };
    if let Some(content) = &stored.content {
        output.e_tag = Some(etag(&content.etag));
        output.checksum_type = with_checksum!(output, content.checksum.as_ref());
        with_encryption!(output, content);
    }
    Ok(S3Response::new(output))
}

/// Compares the checksum of the whole, where the request says one.
fn check_checksum(input: &CompleteMultipartUploadInput, checksum: Option<&Checksum>) -> Result<(), AwsError> {
    let said = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, said) in said {
        let Some(said) = said else { continue };
        let same = checksum.is_some_and(|sum| {
            // What is of the parts may be said without their number.
            let bare = sum
                .value
                .rsplit_once('-')
                .map_or(sum.value.as_str(), |(bare, _)| bare);
            sum.algorithm == algorithm.as_str() && (sum.value == *said || (sum.composite && bare == said))
        });
        if !same {
            return Err(AwsError::new(
                "BadDigest",
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.as_str()
                ),
            ));
        }
    }
    Ok(())
}
