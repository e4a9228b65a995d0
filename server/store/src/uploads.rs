//! Uploads of objects in parts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use drawbridge_session::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::objects::{
    Checksum, Condition, Content, KeyRange, ObjectAt, ObjectVersion, Piece, PutObjectError, Retention,
    Sealing,
};

/// An upload that is neither complete nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it began.
    pub initiated_at: Timestamp,
    /// The ARN of who began it.
    pub initiator: String,
    /// What the object will be.
    pub object: UploadedObject,
}

/// What an uploaded object will be, apart from its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UploadedObject {
    /// Its headers, metadata and key.
    pub content: Content,
    /// The data key of all its parts, where it is not the root key that seals them.
    #[serde(default)]
    pub sealing: Option<Sealing>,
    /// The condition keys of its beginning, by which its parts are decided on as well.
    #[serde(default)]
    pub conditions: BTreeMap<String, Vec<String>>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its lock.
    pub retention: Option<Retention>,
    /// Whether it will be under a legal hold.
    pub held: Option<bool>,
    /// The algorithm of its checksum.
    pub checksum: Option<String>,
    /// Whether its checksum will be of the parts' checksums.
    pub composite: bool,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u32,
    /// When it came.
    pub modified_at: Timestamp,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its bytes.
    pub piece: Piece,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// Remembers uploads.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Begins an upload; returns whether there is such a bucket.
    async fn create_upload(&self, bucket: &str, upload: &Upload) -> Result<bool, StoreError>;

    /// Finds an upload.
    async fn upload(&self, at: ObjectAt<'_>, id: &str) -> Result<Option<Upload>, StoreError>;

    /// Lists the uploads of a bucket by key and id; after `after` of the first key, if it is given.
    async fn uploads(
        &self,
        range: KeyRange<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError>;

    /// Stores a part; returns the blobs that are nobody's then, or `None` if the upload is gone.
    async fn put_part(
        &self,
        at: ObjectAt<'_>,
        upload: &str,
        part: &Part,
    ) -> Result<Option<Vec<String>>, StoreError>;

    /// Lists the parts of an upload after a number.
    async fn parts(&self, upload: &str, after: u32, limit: u32) -> Result<Vec<Part>, StoreError>;

    /// Makes an object of some parts and forgets the upload. Returns what [`put_object`](crate::Objects::put_object) does.
    async fn complete_upload(
        &self,
        bucket: &str,
        upload: &str,
        object: ObjectVersion,
        condition: Condition,
    ) -> Result<(ObjectVersion, Vec<String>), PutObjectError>;

    /// Forgets an upload; returns the blobs that are nobody's then, or `None` if it is gone.
    async fn abort_upload(&self, at: ObjectAt<'_>, id: &str) -> Result<Option<Vec<String>>, StoreError>;
}
