//! `ListObjectVersions`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::{ObjectAt, ObjectVersion};
use s3s::S3Response;
use s3s::dto::{
    self, DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersionStorageClass,
};

use super::list::{after_marker, common_prefixes, said};
use super::listing::{Last, Mark, Wanted, Which, limit, list, url_encoding};
use crate::checksum::kind;
use crate::error::{invalid_argument, of_store};
use crate::facts::on_bucket;
use crate::wire::{encoded, etag, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_OBJECT_VERSIONS: Operation<ListObjectVersionsInput, ListObjectVersionsOutput> =
    Operation {
        name: "ListObjectVersions",
        action: "s3:ListBucketVersions",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_bucket,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(list_versions(s3, asked)),
    };

async fn list_versions(
    s3: Arc<S3>,
    asked: Asked<ListObjectVersionsInput>,
) -> Answered<ListObjectVersionsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let url = url_encoding(input.encoding_type.as_ref())?;
    let (limit, max_keys) = limit(input.max_keys)?;
    let wanted = Wanted {
        which: Which::Versions,
        bucket: &bucket.name,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        from: s3.from(&bucket.name, &input).await?,
        limit,
    };
    let page = list(s3.store.as_ref(), wanted).await?;
    let owner = dto::Owner {
        id: Some(bucket.account.to_string()),
        display_name: None,
    };
    let (next_key_marker, next_version_id_marker) = match page.last {
        None => (None, None),
        Some(Last::Prefix(prefix)) => (Some(encoded(&prefix, url)), None),
        Some(Last::Version { key, version }) => {
            let number = page.versions.last().map_or(0, |last| last.number);
            (Some(encoded(&key, url)), Some(version_marker(&version, number)))
        }
    };
    let (markers, versions): (Vec<_>, Vec<_>) = page
        .versions
        .into_iter()
        .partition(|version| version.content.is_none());
    let markers = markers.into_iter().map(|it| marker(it, url, &owner));
    let versions = versions.into_iter().map(|it| entry(it, url, &owner));
    let encode = |text: Option<String>| text.map(|text| encoded(&text, url));
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(bucket.name),
        prefix: Some(encode(input.prefix).unwrap_or_default()),
        delimiter: encode(said(input.delimiter)),
        max_keys: Some(max_keys),
        is_truncated: Some(next_key_marker.is_some()),
        key_marker: Some(encode(input.key_marker).unwrap_or_default()),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        next_key_marker,
        next_version_id_marker,
        versions: Some(versions.collect()),
        delete_markers: Some(markers.collect()),
        common_prefixes: Some(common_prefixes(&page.prefixes, url)),
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    }))
}

/// Names a version and where it stands: whoever empties a bucket goes on behind versions that are gone by then.
fn version_marker(version: &str, number: i64) -> String {
    format!("{version}.{number}")
}

impl S3 {
    async fn from(&self, bucket: &str, input: &ListObjectVersionsInput) -> Result<Mark, AwsError> {
        let marker = input.version_id_marker.as_deref();
        let Some(marker) = marker.filter(|marker| !marker.is_empty()) else {
            let prefix = input.prefix.as_deref().unwrap_or_default();
            let key = input.key_marker.as_deref();
            return Ok(after_marker(key, prefix, input.delimiter.as_deref()));
        };
        let key = input.key_marker.as_deref().ok_or_else(|| {
            invalid_argument("A version-id marker cannot be specified without a key marker.")
        })?;
        let number = marker
            .rsplit_once('.')
            .and_then(|(_, number)| number.parse().ok());
        let number = match number {
            Some(number) => number,
            None => {
                let found = self.store.object(ObjectAt { bucket, key }, Some(marker)).await;
                let found = found.map_err(of_store)?;
                found
                    .ok_or_else(|| invalid_argument("Invalid version id specified"))?
                    .number
            }
        };
        Ok(Mark::AfterVersion(key.as_bytes().to_vec(), number))
    }
}

fn marker(version: ObjectVersion, url: bool, owner: &dto::Owner) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        is_latest: Some(version.latest),
        key: Some(encoded(&version.key, url)),
        last_modified: Some(time(version.modified_at)),
        owner: Some(owner.clone()),
        version_id: Some(version.version),
    }
}

fn entry(version: ObjectVersion, url: bool, owner: &dto::Owner) -> dto::ObjectVersion {
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
    let class = content.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
    dto::ObjectVersion {
        checksum_algorithm: algorithm,
        checksum_type: kind,
        e_tag: Some(etag(&content.etag)),
        is_latest: Some(version.latest),
        key: Some(encoded(&version.key, url)),
        last_modified: Some(time(version.modified_at)),
        owner: Some(owner.clone()),
        size: i64::try_from(content.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from(class)),
        version_id: Some(version.version),
        ..dto::ObjectVersion::default()
    }
}
