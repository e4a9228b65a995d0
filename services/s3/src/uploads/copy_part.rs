//! `UploadPartCopy`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{CopyPartResult, UploadPartCopyInput, UploadPartCopyOutput};

use super::part::{part_number, sums_of};
use crate::checksum::with_checksum;
use crate::encryption::with_encryption;
use crate::facts::{also_reads, on_upload};
use crate::objects::{Conditions, Copied, check_size, named_version};
use crate::receive::Expected;
use crate::wire::{etag, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const UPLOAD_PART_COPY: Operation<UploadPartCopyInput, UploadPartCopyOutput> = Operation {
    name: "UploadPartCopy",
    action: "s3:PutObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |caller, summary| also_reads(on_upload(caller, summary), summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(copy(s3, asked)),
};

async fn copy(s3: Arc<S3>, asked: Asked<UploadPartCopyInput>) -> Answered<UploadPartCopyOutput> {
    let caller = asked.caller().clone();
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let number = part_number(input.part_number)?;
    let at = bucket.at(&input.key);
    let upload = s3.upload(at, &input.upload_id).await?;
    let owner = input.expected_source_bucket_owner.as_deref();
    let source = Copied::find(&s3, &caller, &input.copy_source, owner).await?;
    let conditions = Conditions {
        matches: input.copy_source_if_match.as_ref(),
        none_matches: input.copy_source_if_none_match.as_ref(),
        modified_since: input.copy_source_if_modified_since.as_ref(),
        unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    conditions.check_copy(&source.version, &source.content, s3.clock.now())?;
    let (from, length) = source.range(input.copy_source_range.as_deref())?;
    check_size(length)?;
    let expected = Expected {
        length: i64::try_from(length).ok(),
        keeps: Some(sums_of(&upload, None)?.1),
        ..Expected::default()
    };
    let object = &upload.object;
    let protection = s3
        .protection_of(&caller, object.sealing.as_ref(), &object.content)
        .await?;
    let bytes = source.bytes(&s3, &caller, from, length).await?;
    let received = s3.receive(Some(bytes), expected, &protection).await?;
    let part = s3.keep_part(bucket.name, &upload, number, received).await?;
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(time(part.modified_at)),
        ..CopyPartResult::default()
    };
    let _of_parts = with_checksum!(result, part.checksum.as_ref());
    let mut output = UploadPartCopyOutput::default();
    with_encryption!(output, &upload.object.content);
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: named_version(&source.version),
        ..output
    }))
}
