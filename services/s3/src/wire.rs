//! Between the dialect's types and ours.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::Tag;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, ETag, ETagCondition, TimestampFormat};

use crate::error::invalid_argument;
use crate::facts::pairs;
use drawbridge_aws_dialects::error::AwsError;

/// What `encoding-type=url` leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The most tags of an object (S3's documented limit).
const MAX_TAGS: usize = 10;

/// The most tags of a bucket (S3's documented limit).
const MAX_BUCKET_TAGS: usize = 50;

/// A time as documents tell it. Not in whole seconds as S3 does: `aws s3 sync` compares it with a file's own, and would copy again
/// what it has just copied.
pub(crate) fn time(at: Timestamp) -> dto::Timestamp {
    SystemTime::from(at).into()
}

/// When something was stored, as headers have it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads a time to the millisecond; `None` outside of what can be kept.
pub(crate) fn moment(at: &dto::Timestamp) -> Option<Timestamp> {
    let mut text = Vec::new();
    at.format(TimestampFormat::DateTime, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

pub(crate) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// An ETag without its quotes.
pub(crate) fn etag_value(etag: &ETag) -> &str {
    etag.value()
}

/// The ETag that a condition names; `None` for any.
pub(crate) fn condition(condition: &ETagCondition) -> Option<String> {
    match condition {
        ETagCondition::ETag(etag) => Some(etag.value().to_owned()),
        ETagCondition::Any => None,
    }
}

/// Encodes a key for a listing, where that is asked for.
pub(crate) fn encoded(text: &str, url: bool) -> String {
    if url {
        utf8_percent_encode(text, UNRESERVED).to_string()
    } else {
        text.to_owned()
    }
}

/// Writes where a listing goes on.
pub(crate) fn token(place: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

/// Reads what [`token`] wrote.
pub(crate) fn place(token: &str) -> Result<Vec<u8>, AwsError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| invalid_argument("The continuation token provided is incorrect"))
}

/// Reads the header `x-amz-tagging`.
pub(crate) fn tags_of_header(header: Option<&str>) -> Result<Vec<Tag>, AwsError> {
    let tags = pairs(header.unwrap_or_default()).map(|(key, value)| Tag { key, value });
    checked_tags(tags.collect(), MAX_TAGS)
}

/// Reads the tag set of an object.
pub(crate) fn tags_of_set(set: dto::TagSet) -> Result<Vec<Tag>, AwsError> {
    checked_tags(tags(set), MAX_TAGS)
}

/// Reads the tag set of a bucket.
pub(crate) fn bucket_tags(set: dto::TagSet) -> Result<Vec<Tag>, AwsError> {
    checked_bucket_tags(tags(set))
}

/// Checks what the tags of a bucket would be.
pub(crate) fn checked_bucket_tags(tags: Vec<Tag>) -> Result<Vec<Tag>, AwsError> {
    checked_tags(tags, MAX_BUCKET_TAGS)
}

fn tags(set: dto::TagSet) -> Vec<Tag> {
    let tags = set.into_iter().map(|tag| Tag {
        key: tag.key.unwrap_or_default(),
        value: tag.value.unwrap_or_default(),
    });
    tags.collect()
}

pub(crate) fn tag_set(tags: &[Tag]) -> dto::TagSet {
    let tags = tags.iter().map(|tag| dto::Tag {
        key: Some(tag.key.clone()),
        value: Some(tag.value.clone()),
    });
    tags.collect()
}

fn checked_tags(tags: Vec<Tag>, most: usize) -> Result<Vec<Tag>, AwsError> {
    let invalid = |why: &str| AwsError::new("InvalidTag", why);
    if tags.len() > most {
        let text = if most == MAX_TAGS {
            "Object tags cannot be greater than 10"
        } else {
            "Bucket tag count cannot be greater than 50"
        };
        return Err(AwsError::new("BadRequest", text));
    }
    for (at, tag) in tags.iter().enumerate() {
        let (key, value) = (tag.key.chars().count(), tag.value.chars().count());
        if key == 0 || key > 128 || tag.key.starts_with("aws:") {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value > 256 {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if tags.iter().take(at).any(|other| other.key == tag.key) {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}
