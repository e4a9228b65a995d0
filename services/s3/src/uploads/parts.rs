//! `ListParts`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{self, ChecksumAlgorithm, Initiator, ListPartsInput, ListPartsOutput, StorageClass};

use crate::checksum::{kind, with_checksum};
use crate::error::{invalid_argument, of_store};
use crate::facts::on_object;
use crate::wire::{etag, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_PARTS: Operation<ListPartsInput, ListPartsOutput> = Operation {
    name: "ListParts",
    action: "s3:ListMultipartUploadParts",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_object,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(list(s3, asked)),
};

/// The most parts of a page (S3's documented limit).
const MAX_PARTS: i32 = 1000;

async fn list(s3: Arc<S3>, asked: Asked<ListPartsInput>) -> Answered<ListPartsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let upload = s3.upload(at, &input.upload_id).await?;
    let max_parts = input.max_parts.unwrap_or(MAX_PARTS).min(MAX_PARTS);
    let invalid = |_| invalid_argument("The part number marker and max-parts are not negative");
    let limit = u32::try_from(max_parts).map_err(invalid)?;
    let after = u32::try_from(input.part_number_marker.unwrap_or(0)).map_err(invalid)?;
    let mut parts = s3
        .store
        .parts(&upload.id, after, limit + 1)
        .await
        .map_err(of_store)?;
    let more = parts.len() > max_parts as usize;
    parts.truncate(max_parts as usize);
    let last = parts.last().map(|part| part.number);
    let parts = parts.into_iter().map(|part| {
        let mut told = dto::Part {
            e_tag: Some(etag(&part.etag)),
            last_modified: Some(time(part.modified_at)),
            part_number: i32::try_from(part.number).ok(),
            size: i64::try_from(part.piece.size).ok(),
            ..dto::Part::default()
        };
        let _of_parts = with_checksum!(told, part.checksum.as_ref());
        told
    });
    Ok(S3Response::new(ListPartsOutput {
        parts: Some(parts.collect()),
        bucket: Some(bucket.name.clone()),
        key: Some(input.key),
        upload_id: Some(upload.id),
        max_parts: Some(max_parts),
        is_truncated: Some(more),
        part_number_marker: Some(input.part_number_marker.unwrap_or(0)),
        next_part_number_marker: last.and_then(|last| i32::try_from(last).ok()),
        checksum_type: upload
            .object
            .checksum
            .as_ref()
            .map(|_| kind(upload.object.composite)),
        checksum_algorithm: upload.object.checksum.map(ChecksumAlgorithm::from),
        initiator: Some(Initiator {
            id: Some(upload.initiator),
            display_name: None,
        }),
        owner: Some(dto::Owner {
            id: Some(bucket.account.to_string()),
            display_name: None,
        }),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    }))
}
