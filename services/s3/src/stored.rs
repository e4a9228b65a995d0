//! Finding buckets and objects, and what is kept of an object besides its bytes.

use std::collections::BTreeMap;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use drawbridge_store::blobs::draw_id;
use drawbridge_store::{Bucket, Content, ObjectAt, ObjectVersion, Retention, RetentionMode};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use s3s::dto;

use crate::error::{
    invalid_argument, invalid_request, method_not_allowed, no_such_bucket, no_such_key, no_such_version,
    not_implemented, of_store, with_headers,
};
use crate::facts::Named;
use crate::wire::{http_date, moment};
use crate::{Asked, S3};

/// Headers that are kept as they are and answered with the object.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

/// The most bytes of all names and values of an object's metadata (S3's documented limit).
const MAX_METADATA: usize = 2 * 1024;

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

impl S3 {
    /// Finds the bucket that a request is about, if it is whose the request expects it to be.
    pub(crate) async fn asked_bucket(&self, asked: &Asked<impl Named>) -> Result<Bucket, AwsError> {
        let name = asked.input.bucket().unwrap_or_default();
        let bucket = self.bucket(asked.caller(), name).await?;
        Self::check_owner(&bucket, asked.input.expected_owner())?;
        Ok(bucket)
    }

    /// Finds a bucket in the region that the request was signed for.
    pub(crate) async fn bucket(&self, caller: &Caller, name: &str) -> Result<Bucket, AwsError> {
        let bucket = self.store.bucket(name).await.map_err(of_store)?;
        let bucket = bucket.ok_or_else(|| no_such_bucket(name))?;
        if bucket.region != caller.region {
            return Err(AwsError::new(
                "AuthorizationHeaderMalformed",
                format!(
                    "The authorization header is malformed; the region '{}' is wrong; expecting '{}'",
                    caller.region, bucket.region
                ),
            ));
        }
        Ok(bucket)
    }

    /// Refuses a bucket that is another's than the request expects.
    pub(crate) fn check_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), AwsError> {
        match expected {
            Some(expected) if expected != bucket.account.as_str() => {
                Err(AwsError::new("AccessDenied", "Access Denied").with_status(StatusCode::FORBIDDEN))
            }
            _ => Ok(()),
        }
    }

    /// Finds an object that has content: the newest version, or the one with an id.
    pub(crate) async fn object(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
    ) -> Result<(ObjectVersion, Content), AwsError> {
        let found = self.store.object(at, version).await.map_err(of_store)?;
        let missing = || version.map_or_else(no_such_key, |_| no_such_version());
        let mut found = found.ok_or_else(missing)?;
        match found.content.take() {
            Some(content) => Ok((found, content)),
            None if version.is_some() => Err(of_marker(method_not_allowed(), &found)
                .with_header(header::ALLOW, HeaderValue::from_static("DELETE"))),
            None => Err(of_marker(no_such_key(), &found)),
        }
    }

    /// Makes the version that an object is to have, without tags and lock.
    pub(crate) fn new_version(&self, key: String, content: Content) -> ObjectVersion {
        ObjectVersion {
            key,
            number: 0,
            version: self.draw_version(),
            latest: true,
            modified_at: self.clock.now(),
            content: Some(content),
            tags: Vec::new(),
            retention: None,
            held: None,
        }
    }

    /// Draws the id of a version: as hard to guess as a secret, and never the word `null`.
    pub(crate) fn draw_version(&self) -> String {
        draw_id(self.random.as_ref())
    }
}

/// Says that it is a delete marker that is in the way, and which.
fn of_marker(error: AwsError, marker: &ObjectVersion) -> AwsError {
    let headers = [
        (DELETE_MARKER, "true".to_owned()),
        (VERSION_ID, marker.version.clone()),
        (header::LAST_MODIFIED, http_date(marker.modified_at)),
    ];
    with_headers(error, headers)
}

/// What an object will be, as the headers say.
pub(crate) fn content_of(headers: &HeaderMap) -> Result<Content, AwsError> {
    let mut content = Content::default();
    for name in KEPT {
        if let Some(value) = headers.get(name) {
            let value = value
                .to_str()
                .map_err(|_| invalid_argument(format!("the header {name} is not plain text")))?;
            content.headers.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(encoding) = content_encoding(headers) {
        content.headers.insert("content-encoding".to_owned(), encoding);
    }
    content.metadata = metadata(headers)?;
    if headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
        return Err(not_implemented("Server side encryption with customer keys"));
    }
    let class = headers
        .get("x-amz-storage-class")
        .and_then(|value| value.to_str().ok());
    if class.is_some_and(|class| !STORAGE_CLASSES.contains(&class)) {
        return Err(AwsError::new(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
        ));
    }
    content.storage_class = class.filter(|class| *class != "STANDARD").map(str::to_owned);
    Ok(content)
}

/// Those of S3 that an object of an ordinary bucket can have. They are kept and change nothing.
const STORAGE_CLASSES: &[&str] = &[
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
];

/// The encoding of the object: `aws-chunked` is that of the request.
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let names: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!names.is_empty()).then(|| names.join(","))
}

fn metadata(headers: &HeaderMap) -> Result<BTreeMap<String, String>, AwsError> {
    let mut metadata = BTreeMap::new();
    let mut size = 0;
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix("x-amz-meta-") else {
            continue;
        };
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect();
        let value = values.join(",");
        size += key.len() + value.len();
        metadata.insert(key.to_owned(), value);
    }
    if size > MAX_METADATA {
        return Err(AwsError::new(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    Ok(metadata)
}

/// What the headers, or else the bucket, lock a new object with.
pub(crate) fn lock_of(
    mode: Option<&dto::ObjectLockMode>,
    until: Option<&dto::Timestamp>,
    bucket: &Bucket,
    now: Timestamp,
) -> Result<Option<Retention>, AwsError> {
    match (mode, until) {
        (None, None) => Ok(default_lock(bucket, now)),
        (Some(mode), Some(until)) => {
            if !bucket.locks {
                return Err(crate::error::no_locks());
            }
            retention(mode.as_str(), until, now).map(Some)
        }
        (None, Some(_)) | (Some(_), None) => Err(invalid_argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )),
    }
}

/// Reads a lock, which must end in the future.
pub(crate) fn retention(mode: &str, until: &dto::Timestamp, now: Timestamp) -> Result<Retention, AwsError> {
    let mode: RetentionMode = mode
        .parse()
        .map_err(|_| invalid_argument("Unknown wormMode directive."))?;
    let until = moment(until).ok_or_else(|| invalid_argument("The retain until date is not valid"))?;
    if until <= now {
        return Err(invalid_argument("The retain until date must be in the future!"));
    }
    Ok(Retention { mode, until })
}

pub(crate) fn default_lock(bucket: &Bucket, now: Timestamp) -> Option<Retention> {
    let default = bucket.retention.filter(|_| bucket.locks)?;
    let length = SignedDuration::from_hours(24 * i64::from(default.days));
    Some(Retention {
        mode: default.mode,
        until: now.saturating_add(length).unwrap_or(Timestamp::MAX),
    })
}

/// Reads `ON` or `OFF`, where one of them is said.
pub(crate) fn held(
    status: Option<&dto::ObjectLockLegalHoldStatus>,
    bucket: &Bucket,
) -> Result<Option<bool>, AwsError> {
    let held = match status.map(dto::ObjectLockLegalHoldStatus::as_str) {
        None => None,
        Some("OFF") => Some(false),
        Some("ON") => Some(true),
        Some(_) => return Err(invalid_argument("Legal Hold must be either of 'ON' or 'OFF'")),
    };
    if status.is_some() && !bucket.locks {
        return Err(crate::error::no_locks());
    }
    Ok(held)
}

/// Writes `ON` or `OFF`.
pub(crate) fn hold_status(held: bool) -> dto::ObjectLockLegalHoldStatus {
    dto::ObjectLockLegalHoldStatus::from_static(if held {
        dto::ObjectLockLegalHoldStatus::ON
    } else {
        dto::ObjectLockLegalHoldStatus::OFF
    })
}

/// Keys have 1 to 1,024 bytes; the dialect has checked the rest.
pub(crate) fn check_key(key: &str) -> Result<(), AwsError> {
    match key.len() {
        0 => Err(invalid_request("Missing key")),
        1..=1024 => Ok(()),
        _ => Err(AwsError::new("KeyTooLongError", "Your key is too long")),
    }
}
