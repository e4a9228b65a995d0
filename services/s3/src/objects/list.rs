//! `ListObjectsV2`, and `ListObjects` as it was before.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::ObjectVersion;
use s3s::S3Response;
use s3s::dto::{
    self, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass,
};

use super::listing::{Last, Mark, Wanted, Which, limit, list, rolled_up, url_encoding};
use crate::checksum::kind;
use crate::error::invalid_argument;
use crate::facts::on_bucket;
use crate::wire::{encoded, etag, place, time, token};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_OBJECTS_V2: Operation<ListObjectsV2Input, ListObjectsV2Output> = Operation {
    name: "ListObjectsV2",
    action: "s3:ListBucket",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_bucket,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(list_objects(s3, asked)),
};

async fn list_objects(s3: Arc<S3>, asked: Asked<ListObjectsV2Input>) -> Answered<ListObjectsV2Output> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let url = url_encoding(input.encoding_type.as_ref())?;
    let (limit, max_keys) = limit(input.max_keys)?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => read_token(token)?,
        (None, Some(key)) => Mark::After(key.clone().into_bytes()),
        (None, None) => Mark::Start,
    };
    let from_the_start = input.continuation_token.is_none();
    let wanted = Wanted {
        which: Which::Current,
        bucket: &bucket.name,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        from,
        limit,
    };
    let page = list(s3.store.as_ref(), wanted).await?;
    let owner = input.fetch_owner.unwrap_or(false).then(|| dto::Owner {
        id: Some(bucket.account.to_string()),
        display_name: None,
    });
    let count = page.versions.len() + page.prefixes.len();
    let contents = page.versions.into_iter().map(|it| object(it, url, owner.clone()));
    let encode = |text: Option<String>| text.map(|text| encoded(&text, url));
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(bucket.name),
        prefix: Some(encode(input.prefix).unwrap_or_default()),
        delimiter: encode(said(input.delimiter)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(count).ok(),
        is_truncated: Some(page.last.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: page.last.as_ref().map(write_token),
        contents: Some(contents.collect()),
        common_prefixes: Some(common_prefixes(&page.prefixes, url)),
        encoding_type: input.encoding_type,
        start_after: encode(input.start_after).filter(|_| from_the_start),
        ..ListObjectsV2Output::default()
    }))
}

pub(crate) const LIST_OBJECTS: Operation<ListObjectsInput, ListObjectsOutput> = Operation {
    name: "ListObjects",
    action: "s3:ListBucket",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: on_bucket,
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(list_by_marker(s3, asked)),
};

async fn list_by_marker(s3: Arc<S3>, asked: Asked<ListObjectsInput>) -> Answered<ListObjectsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let url = url_encoding(input.encoding_type.as_ref())?;
    let (limit, max_keys) = limit(input.max_keys)?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|it| !it.is_empty());
    let wanted = Wanted {
        which: Which::Current,
        bucket: &bucket.name,
        prefix,
        delimiter,
        from: after_marker(input.marker.as_deref(), prefix, delimiter),
        limit,
    };
    let page = list(s3.store.as_ref(), wanted).await?;
    let owner = dto::Owner {
        id: Some(bucket.account.to_string()),
        display_name: None,
    };
    let last = page.last.as_ref().map(|last| encoded(last.text(), url));
    let contents = page
        .versions
        .into_iter()
        .map(|it| object(it, url, Some(owner.clone())));
    let encode = |text: Option<String>| text.map(|text| encoded(&text, url));
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(bucket.name),
        is_truncated: Some(last.is_some()),
        // Without a delimiter the last key says as much.
        next_marker: last.filter(|_| delimiter.is_some()),
        prefix: Some(encode(input.prefix).unwrap_or_default()),
        marker: Some(encode(input.marker).unwrap_or_default()),
        delimiter: encode(said(input.delimiter)),
        max_keys: Some(max_keys),
        contents: Some(contents.collect()),
        common_prefixes: Some(common_prefixes(&page.prefixes, url)),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    }))
}

/// Where a marker leads: behind a key, or behind all keys of the common prefix that it is or is in.
pub(super) fn after_marker(marker: Option<&str>, prefix: &str, delimiter: Option<&str>) -> Mark {
    let Some(marker) = marker.filter(|marker| !marker.is_empty()) else {
        return Mark::Start;
    };
    match rolled_up(marker, prefix, delimiter) {
        Some(rolled) => Mark::AfterPrefix(rolled.as_bytes().to_vec()),
        None => Mark::After(marker.as_bytes().to_vec()),
    }
}

/// A parameter without a value says nothing.
pub(super) fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

pub(crate) fn common_prefixes(prefixes: &[String], url: bool) -> Vec<dto::CommonPrefix> {
    let prefixes = prefixes.iter().map(|prefix| dto::CommonPrefix {
        prefix: Some(encoded(prefix, url)),
    });
    prefixes.collect()
}

pub(crate) fn object(version: ObjectVersion, url: bool, owner: Option<dto::Owner>) -> dto::Object {
    let content = version.content.unwrap_or_default();
    let (algorithm, kind) = content
        .checksum
        .map(|checksum| {
            (
                vec![dto::ChecksumAlgorithm::from(checksum.algorithm)],
                kind(checksum.composite),
            )
        })
        .unzip();
    dto::Object {
        checksum_algorithm: algorithm,
        checksum_type: kind,
        e_tag: Some(etag(&content.etag)),
        key: Some(encoded(&version.key, url)),
        last_modified: Some(time(version.modified_at)),
        owner,
        size: i64::try_from(content.size).ok(),
        storage_class: Some(ObjectStorageClass::from(
            content.storage_class.unwrap_or_else(|| "STANDARD".to_owned()),
        )),
        ..dto::Object::default()
    }
}

fn write_token(last: &Last) -> String {
    let kind = match last {
        Last::Version { .. } => b'k',
        Last::Prefix(_) => b'p',
    };
    token(&[&[kind], last.text().as_bytes()].concat())
}

fn read_token(token: &str) -> Result<Mark, AwsError> {
    let place = place(token)?;
    match place.split_first() {
        Some((b'k', key)) => Ok(Mark::After(key.to_vec())),
        Some((b'p', prefix)) => Ok(Mark::AfterPrefix(prefix.to_vec())),
        _ => Err(invalid_argument("The continuation token provided is incorrect")),
    }
}
