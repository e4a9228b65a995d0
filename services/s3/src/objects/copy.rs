//! `CopyObject`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::{Content, ObjectVersion};
use http::{HeaderMap, HeaderValue};
use s3s::S3Response;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, ETagCondition, MetadataDirective, TaggingDirective,
};

use super::conditions::Conditions;
use super::put::{check_acl, condition_of, named_version, needs, read_version};
use super::source::{Copied, check_size, named};
use crate::checksum::{Algorithm, Announced, with_checksum};
use crate::encryption::with_encryption;
use crate::error::{invalid_argument, invalid_request};
use crate::facts::also_reads;
use crate::receive::Expected;
use crate::stored::{check_key, content_of, held, lock_of};
use crate::wire::{etag, tags_of_header, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const COPY_OBJECT: Operation<CopyObjectInput, CopyObjectOutput> = Operation {
    name: "CopyObject",
    action: "s3:PutObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |caller, summary| also_reads(needs(caller, summary), summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(copy(s3, asked)),
};

async fn copy(s3: Arc<S3>, asked: Asked<CopyObjectInput>) -> Answered<CopyObjectOutput> {
    let caller = asked.caller().clone();
    let bucket = s3.asked_bucket(&asked).await?;
    let (input, headers) = (asked.input, asked.headers);
    check_key(&input.key)?;
    let (matches, none_matches) = (
        if_header(&headers, "if-match")?,
        if_header(&headers, "if-none-match")?,
    );
    let condition = condition_of(matches.as_ref(), none_matches.as_ref())?;
    check_acl(input.acl.as_ref(), &headers)?;
    let owner = input.expected_source_bucket_owner.as_deref();
    let source = Copied::find(&s3, &caller, &input.copy_source, owner).await?;
    let conditions = Conditions {
        matches: input.copy_source_if_match.as_ref(),
        none_matches: input.copy_source_if_none_match.as_ref(),
        modified_since: input.copy_source_if_modified_since.as_ref(),
        unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    conditions.check_copy(&source.version, &source.content, s3.clock.now())?;
    check_size(source.content.size)?;
    let replaces = is_replaced(
        "metadata",
        input.metadata_directive.as_ref().map(MetadataDirective::as_str),
    )?;
    refuse_no_change(&input, &source, replaces)?;
    let told = content_of(&headers)?;
    let mut content = if replaces {
        told
    } else {
        Content {
            headers: source.content.headers.clone(),
            metadata: source.content.metadata.clone(),
            ..told
        }
    };
    let protection = s3.protect(&caller, &bucket, &input.key, &headers).await?;
    protection.mark(&mut content);
    let tags = if is_replaced(
        "tagging",
        input.tagging_directive.as_ref().map(TaggingDirective::as_str),
    )? {
        tags_of_header(input.tagging.as_deref())?
    } else {
        source.version.tags.clone()
    };
    let retention = lock_of(
        input.object_lock_mode.as_ref(),
        input.object_lock_retain_until_date.as_ref(),
        &bucket,
        s3.clock.now(),
    )?;
    let held = held(input.object_lock_legal_hold_status.as_ref(), &bucket)?;
    let checksum = Announced {
        algorithm: algorithm(&headers, &source.content)?,
        value: None,
        trails: false,
    };
    let bytes = source.bytes(&s3, &caller, 0, source.content.size).await?;
    let expected = Expected {
        length: i64::try_from(source.content.size).ok(),
        checksum: Some(checksum),
        ..Expected::default()
    };
    let received = s3.receive(Some(bytes), expected, &protection).await?;
    let object = ObjectVersion {
        tags,
        retention,
        held,
        ..s3.new_version(input.key, received.complete(content))
    };
    let stored = s3.commit(bucket.name.clone(), object, condition).await?;
    let mut output = output(&stored, &source.version);
    output.version_id = read_version(&stored, &bucket);
    Ok(S3Response::new(output))
}

fn output(stored: &ObjectVersion, source: &ObjectVersion) -> CopyObjectOutput {
    let mut result = CopyObjectResult {
        last_modified: Some(time(stored.modified_at)),
        ..CopyObjectResult::default()
    };
    let mut output = CopyObjectOutput::default();
    if let Some(content) = &stored.content {
        result.e_tag = Some(etag(&content.etag));
        result.checksum_type = with_checksum!(result, content.checksum.as_ref());
        with_encryption!(output, content);
    }
    CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: named_version(source),
        ..output
    }
}

/// A copy has the checksum that the request asks for, or that of its source.
fn algorithm(headers: &HeaderMap, source: &Content) -> Result<Algorithm, AwsError> {
    let asked = headers
        .get("x-amz-checksum-algorithm")
        .and_then(|value| value.to_str().ok());
    let kept = source
        .checksum
        .as_ref()
        .map(|checksum| checksum.algorithm.as_str());
    asked.or(kept).map_or(Ok(Algorithm::Crc64Nvme), Algorithm::named)
}

/// Reads what must be so of the object that is there, which the dialect leaves in the headers.
fn if_header(headers: &HeaderMap, name: &str) -> Result<Option<ETagCondition>, AwsError> {
    let read = |value: &HeaderValue| {
        ETagCondition::parse_http_header(value.as_bytes())
            .map_err(|_| invalid_argument(format!("the header {name} is no ETag")))
    };
    headers.get(name).map(read).transpose()
}

fn is_replaced(what: &str, directive: Option<&str>) -> Result<bool, AwsError> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(invalid_argument(format!("Unknown {what} directive."))),
    }
}

/// As on AWS, an object is copied to itself only if something about it changes by that.
fn refuse_no_change(input: &CopyObjectInput, source: &Copied, replaces: bool) -> Result<(), AwsError> {
    let itself = named(&input.copy_source)
        .is_some_and(|named| named.bucket == input.bucket && named.key == input.key && source.version.latest);
    let changes = replaces
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some()
        || source.content.kms_key.is_some();
    if itself && !changes {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}
