//! `GetObjectAttributes`.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::Content;
use s3s::S3Response;
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};

use super::put::read_version;
use crate::checksum::with_checksum;
use crate::error::invalid_argument;
use crate::facts::{also, on_version};
use crate::wire::{etag, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_ATTRIBUTES: Operation<GetObjectAttributesInput, GetObjectAttributesOutput> =
    Operation {
        name: "GetObjectAttributes",
        action: "s3:GetObjectAttributes",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: |_, summary| {
            let reads = if summary.get("versionId").is_some() {
                "s3:GetObjectVersion"
            } else {
                "s3:GetObject"
            };
            also(
                on_version("s3:GetObjectVersionAttributes", summary),
                reads,
                summary,
            )
        },
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(get(s3, asked)),
    };

async fn get(s3: Arc<S3>, asked: Asked<GetObjectAttributesInput>) -> Answered<GetObjectAttributesOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let at = bucket.at(&input.key);
    let (version, content) = s3.object(at, input.version_id.as_deref()).await?;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(time(version.modified_at)),
        version_id: read_version(&version, &bucket),
        ..GetObjectAttributesOutput::default()
    };
    // The dialect leaves a header that names several as it is.
    let attributes = input.object_attributes.iter();
    for attribute in attributes.flat_map(|it| it.as_str().split(',')) {
        match attribute.trim() {
            "ETag" => output.e_tag = Some(etag(&content.etag)),
            "Checksum" => output.checksum = Some(checksum(&content)),
            "ObjectParts" => output.object_parts = parts(&content, &input),
            "StorageClass" => {
                let class = content.storage_class.clone();
                output.storage_class =
                    Some(StorageClass::from(class.unwrap_or_else(|| "STANDARD".to_owned())));
            }
            "ObjectSize" => output.object_size = i64::try_from(content.size).ok(),
            _ => return Err(invalid_argument("Invalid attribute name specified.")),
        }
    }
    Ok(S3Response::new(output))
}

fn checksum(content: &Content) -> Checksum {
    let mut members = Checksum::default();
    members.checksum_type = with_checksum!(members, content.checksum.as_ref());
    members
}

fn parts(content: &Content, input: &GetObjectAttributesInput) -> Option<GetObjectAttributesParts> {
    if content.parts.is_empty() {
        return None;
    }
    let total = i32::try_from(content.parts.len()).ok();
    if !content.checksum.as_ref().is_some_and(|sum| sum.composite) {
        // As on AWS, which lists parts for the sake of their checksums.
        return Some(GetObjectAttributesParts {
            total_parts_count: total,
            ..GetObjectAttributesParts::default()
        });
    }
    let after = input.part_number_marker.unwrap_or(0).max(0);
    let limit = input.max_parts.unwrap_or(1000).clamp(0, 1000);
    let numbered = (1..).zip(&content.parts);
    let some: Vec<_> = numbered
        .skip(usize::try_from(after).unwrap_or(usize::MAX))
        .take(usize::try_from(limit).unwrap_or(0))
        .map(|(number, size)| ObjectPart {
            part_number: Some(number),
            size: i64::try_from(*size).ok(),
            ..ObjectPart::default()
        })
        .collect();
    let last = some.last().and_then(|part| part.part_number).unwrap_or(0);
    Some(GetObjectAttributesParts {
        is_truncated: Some(!some.is_empty() && total.is_some_and(|total| last < total)),
        max_parts: Some(limit),
        next_part_number_marker: Some(last),
        part_number_marker: Some(after),
        parts: Some(some),
        total_parts_count: total,
    })
}
