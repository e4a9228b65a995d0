//! `CompleteMultipartUpload`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::objects::Checksum;
use drawbridge_store::{Content, ObjectAt, ObjectVersion};
use s3s::S3Response;
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart};

use super::MAX_PART;
use super::assemble::{checksum_of, etag_of, pick};
use crate::checksum::{Algorithm, with_checksum};
use crate::encryption::with_encryption;
use crate::error::{internal, invalid_request, no_such_upload, of_store};
use crate::facts::on_upload;
use crate::objects::{condition_of, named_version};
use crate::wire::{encoded, etag, etag_value};
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
    let named = input
        .multipart_upload
        .as_ref()
        .and_then(|it| it.parts.as_deref())
        .unwrap_or_default();
    let location = format!("https://{host}/{}/{}", bucket.name, encoded(&input.key, true));
    let Some(upload) = s3.store.upload(at, &input.upload_id).await.map_err(of_store)? else {
        let stored = s3.completed(at, &input.upload_id, named).await?;
        return Ok(S3Response::new(output(bucket.name, location, &stored)));
    };
    let uploaded = s3.store.parts(&upload.id, 0, MAX_PART).await.map_err(of_store)?;
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
        etag: etag_of(parts.iter().map(|part| part.etag.as_str())).map_err(internal)?,
        upload: Some(upload.id.clone()),
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
    Ok(S3Response::new(output(bucket.name, location, &stored)))
}

fn output(bucket: String, location: String, stored: &ObjectVersion) -> CompleteMultipartUploadOutput {
    let mut output = CompleteMultipartUploadOutput {
        location: Some(location),
        bucket: Some(bucket),
        key: Some(stored.key.clone()),
        version_id: named_version(stored),
        ..CompleteMultipartUploadOutput::default()
    };
    if let Some(content) = &stored.content {
        output.e_tag = Some(etag(&content.etag));
        output.checksum_type = with_checksum!(output, content.checksum.as_ref());
        with_encryption!(output, content);
    }
    output
}

impl S3 {
    /// Finds the object that an upload became. A client whose answer was lost completes it again, and must not take it for failed.
    async fn completed(
        &self,
        at: ObjectAt<'_>,
        upload: &str,
        named: &[CompletedPart],
    ) -> Result<ObjectVersion, AwsError> {
        let etags = named
            .iter()
            .filter_map(|part| part.e_tag.as_ref())
            .map(etag_value);
        let etag = etag_of(etags).map_err(|_| no_such_upload())?;
        let found = self.store.object(at, None).await.map_err(of_store)?;
        let is_it = |content: &Content| content.upload.as_deref() == Some(upload) && content.etag == etag;
        found
            .filter(|found| found.content.as_ref().is_some_and(is_it))
            .ok_or_else(no_such_upload)
    }
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
