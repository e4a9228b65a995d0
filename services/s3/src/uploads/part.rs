//! `UploadPart`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::{ObjectAt, Part, Upload};
use s3s::S3Response;
use s3s::dto::{UploadPartInput, UploadPartOutput};

use super::MAX_PART;
use crate::checksum::{Algorithm, Announced, with_checksum};
use crate::encryption::with_encryption;
use crate::error::{internal, invalid_argument, invalid_request, no_such_upload, of_store};
use crate::facts::on_upload;
use crate::receive::{Expected, Received};
use crate::wire::etag;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const UPLOAD_PART: Operation<UploadPartInput, UploadPartOutput> = Operation {
    name: "UploadPart",
    action: "s3:PutObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_upload,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(upload(s3, asked)),
};

async fn upload(s3: Arc<S3>, mut asked: Asked<UploadPartInput>) -> Answered<UploadPartOutput> {
    let caller = asked.caller().clone();
    let bucket = s3.asked_bucket(&asked).await?;
    let body = asked.input.body.take();
    let input = asked.input;
    let number = part_number(input.part_number)?;
    let at = bucket.at(&input.key);
    let upload = s3.upload(at, &input.upload_id).await?;
    let mut expected = Expected::of(
        &asked.headers,
        asked.trailers.as_ref(),
        input.content_length,
        input.content_md5.as_deref(),
    )?;
    let (checksum, keeps) = sums_of(&upload, expected.checksum)?;
    (expected.checksum, expected.keeps) = (checksum, Some(keeps));
    let object = &upload.object;
    let protection = s3
        .protection_of(&caller, object.sealing.as_ref(), &object.content)
        .await?;
    let received = s3.receive(body, expected, &protection).await?;
    let part = s3.keep_part(bucket.name, &upload, number, received).await?;
    let mut output = UploadPartOutput {
        e_tag: Some(etag(&part.etag)),
        ..UploadPartOutput::default()
    };
    with_encryption!(output, &upload.object.content);
    let _of_parts = with_checksum!(output, part.checksum.as_ref());
    Ok(S3Response::new(output))
}

pub(super) fn part_number(number: i32) -> Result<u32, AwsError> {
    let number = u32::try_from(number).ok();
    number
        .filter(|number| (1..=MAX_PART).contains(number))
        .ok_or_else(|| invalid_argument("Part number must be an integer between 1 and 10000, inclusive"))
}

/// The sum that is checked of a part, and the one that is kept: that of its upload, which may not have asked for one.
pub(super) fn sums_of(
    upload: &Upload,
    announced: Option<Announced>,
) -> Result<(Option<Announced>, Algorithm), AwsError> {
    let Some(wanted) = upload.object.checksum.as_deref() else {
        return Ok((announced, Algorithm::Crc64Nvme));
    };
    let wanted = Algorithm::named(wanted)?;
    match &announced {
        Some(other) if other.algorithm != wanted => Err(invalid_request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            wanted.as_str().to_lowercase(),
            other.algorithm.as_str().to_lowercase()
        ))),
        Some(_) | None => Ok((announced, wanted)),
    }
}

impl S3 {
    pub(super) async fn upload(&self, at: ObjectAt<'_>, id: &str) -> Result<Upload, AwsError> {
        let upload = self.store.upload(at, id).await.map_err(of_store)?;
        upload.ok_or_else(no_such_upload)
    }

    /// Keeps a part whose blob is durable, even if the client goes away.
    pub(super) async fn keep_part(
        self: &Arc<Self>,
        bucket: String,
        upload: &Upload,
        number: u32,
        received: Received,
    ) -> Result<Part, AwsError> {
        let part = Part {
            number,
            modified_at: self.clock.now(),
            etag: received.md5,
            piece: received.piece,
            checksum: Some(received.checksum),
        };
        let s3 = Arc::clone(self);
        let (key, id) = (upload.key.clone(), upload.id.clone());
        let keeping = tokio::spawn(async move {
            let at = ObjectAt {
                bucket: &bucket,
                key: &key,
            };
            let kept = s3.store.put_part(at, &id, &part).await.map_err(of_store)?;
            match kept {
                Some(replaced) => {
                    s3.discard(&replaced).await;
                    Ok(part)
                }
                None => {
                    s3.discard(std::slice::from_ref(&part.piece.blob)).await;
                    Err(no_such_upload())
                }
            }
        });
        keeping.await.map_err(internal)?
    }
}
