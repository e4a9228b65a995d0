//! `HeadObject`: what `GetObject` says, without the bytes.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use http::HeaderName;
use s3s::S3Response;
use s3s::dto::{GetObjectInput, HeadObjectInput, HeadObjectOutput};

use crate::facts::on_version;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const HEAD_OBJECT: Operation<HeadObjectInput, HeadObjectOutput> = Operation {
    name: "HeadObject",
    action: "s3:GetObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:GetObjectVersion", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(head(s3, asked)),
};

/// The dialect has it for `GetObject` only.
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");

async fn head(s3: Arc<S3>, asked: Asked<HeadObjectInput>) -> Answered<HeadObjectOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let as_get = GetObjectInput {
        bucket: input.bucket,
        key: input.key,
        version_id: input.version_id,
        checksum_mode: input.checksum_mode,
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
        part_number: input.part_number,
        range: input.range,
        response_cache_control: input.response_cache_control,
        response_content_disposition: input.response_content_disposition,
        response_content_encoding: input.response_content_encoding,
        response_content_language: input.response_content_language,
        response_content_type: input.response_content_type,
        ..GetObjectInput::default()
    };
    let (output, _) = s3.describe(&bucket, &as_get).await?;
    let mut answer = S3Response::new(HeadObjectOutput {
        accept_ranges: output.accept_ranges,
        cache_control: output.cache_control,
        checksum_crc32: output.checksum_crc32,
        checksum_crc32c: output.checksum_crc32c,
        checksum_crc64nvme: output.checksum_crc64nvme,
        checksum_sha1: output.checksum_sha1,
        checksum_sha256: output.checksum_sha256,
        checksum_type: output.checksum_type,
        content_disposition: output.content_disposition,
        content_encoding: output.content_encoding,
        content_language: output.content_language,
        content_length: output.content_length,
        content_range: output.content_range,
        content_type: output.content_type,
        e_tag: output.e_tag,
        expires: output.expires,
        last_modified: output.last_modified,
        metadata: output.metadata,
        object_lock_legal_hold_status: output.object_lock_legal_hold_status,
        object_lock_mode: output.object_lock_mode,
        object_lock_retain_until_date: output.object_lock_retain_until_date,
        parts_count: output.parts_count,
        server_side_encryption: output.server_side_encryption,
        ssekms_key_id: output.ssekms_key_id,
        bucket_key_enabled: output.bucket_key_enabled,
        storage_class: output.storage_class,
        version_id: output.version_id,
        website_redirect_location: output.website_redirect_location,
        ..HeadObjectOutput::default()
    });
    if let Some(count) = output.tag_count {
        answer.headers.insert(TAGGING_COUNT, count.into());
    }
    Ok(answer)
}
