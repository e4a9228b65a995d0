//! Objects: their versions, what locks them, and where their bytes are.

use std::collections::BTreeMap;
use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The id of a version that was made without versions being kept.
pub const NULL_VERSION: &str = "null";

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectAt<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key: any text of 1 to 1,024 bytes.
    pub key: &'a str,
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The key.
    pub key: String,
    /// Of the versions of a key, the newest has the highest; given by the store.
    pub number: i64,
    /// The version's id.
    pub version: String,
    /// Whether it is the newest.
    pub latest: bool,
    /// When it was made.
    pub modified_at: Timestamp,
    /// What it holds; `None` for a delete marker.
    pub content: Option<Content>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Until when, and how strictly, it is locked.
    pub retention: Option<Retention>,
    /// Whether it is under a legal hold; `None` where nobody ever said so.
    pub held: Option<bool>,
}

/// What an object holds, apart from the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its bytes, in order.
    pub pieces: Vec<Piece>,
    /// The lengths of the parts that it was uploaded in; empty for one that came whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<u64>,
    /// The upload that it was put together by: whoever did not hear of that completes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// `content-type` and the like, by their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What the user says of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The checksum that came with it, or was made for it.
    #[serde(default)]
    pub checksum: Option<Checksum>,
    /// The ARN of the key that its data keys are wrapped under; `None` for the root key.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// Whether data keys are shared by the objects of a bucket, as its header said.
    #[serde(default)]
    pub bucket_key: bool,
    /// The storage class, where it is not `STANDARD`.
    #[serde(default)]
    pub storage_class: Option<String>,
}

/// A checksum of an object or a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Such as `CRC32`.
    pub algorithm: String,
    /// Base64, with the number of parts behind a dash where it is of their checksums.
    pub value: String,
    /// Whether it is of the parts' checksums instead of the bytes.
    pub composite: bool,
}

/// Some of the bytes of an object: one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The blob's id.
    pub blob: String,
    /// How many bytes it holds in the clear.
    pub size: u64,
    /// How its data key is kept.
    pub sealing: Sealing,
}

/// How the data key of a blob is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sealing {
    /// Sealed under the root key: base64.
    Root(String),
    /// Wrapped under a key of the service of keys: base64.
    Kms {
        /// The key's ARN.
        key: String,
        /// The wrapped data key.
        wrapped: String,
        /// What it is bound to.
        context: BTreeMap<String, String>,
    },
}

/// Until when, and how strictly, a version is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// The first moment at which it is not.
    pub until: Timestamp,
}

/// How strictly a version is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionMode {
    /// Those who may bypass it can shorten it.
    Governance,
    /// Nobody can.
    Compliance,
}

impl RetentionMode {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// Says that a text is none of the words for how strictly a version is locked.
#[derive(Debug, thiserror::Error)]
#[error("a lock is `GOVERNANCE` or `COMPLIANCE`")]
pub struct UnknownRetentionMode;

impl FromStr for RetentionMode {
    type Err = UnknownRetentionMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Governance, Self::Compliance];
        known
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or(UnknownRetentionMode)
    }
}

/// Why a version must stay as it is.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is locked, or under a legal hold.
    #[error("the version is locked")]
    Locked,
    /// There is no such version, or it is a delete marker.
    #[error("there is no such version")]
    Missing,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ObjectVersion {
    /// Says whether nobody may remove it at `now`; `bypass` stands for those who may bypass governance.
    pub fn is_locked(&self, bypass: bool, now: Timestamp) -> bool {
        let retained = self.retention.is_some_and(|it| it.binds(bypass, now));
        self.held == Some(true) || retained
    }

    /// Says whether its retention may become another: a longer one always, a weaker one only if nothing binds.
    pub fn allows_retention(&self, wanted: Option<Retention>, bypass: bool, now: Timestamp) -> bool {
        let Some(present) = self.retention.filter(|it| it.binds(bypass, now)) else {
            return true;
        };
        wanted.is_some_and(|wanted| {
            let as_strict = wanted.mode == present.mode || wanted.mode == RetentionMode::Compliance;
            as_strict && wanted.until >= present.until
        })
    }

    /// Returns the ids of its blobs.
    pub fn blobs(&self) -> Vec<String> {
        let pieces = self.content.iter().flat_map(|content| &content.pieces);
        pieces.map(|piece| piece.blob.clone()).collect()
    }
}

impl Retention {
    fn binds(self, bypass: bool, now: Timestamp) -> bool {
        let strict = self.mode == RetentionMode::Compliance || !bypass;
        strict && now < self.until
    }
}

/// What must be so of the present version before another takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    None,
    /// There is none.
    Absent,
    /// There is one, with one of these ETags; any, if it names none.
    Matches(Option<String>),
}

/// Why an object was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutObjectError {
    /// The bucket is gone.
    #[error("there is no such bucket")]
    NoBucket,
    /// The upload is gone.
    #[error("there is no such upload")]
    NoUpload,
    /// A part that the object is to be made of is not the upload's any more: another took its number, and its bytes are gone.
    #[error("a part was replaced meanwhile")]
    Part,
    /// The present version is not what the condition says.
    #[error("the present version is not what the request expects")]
    Condition,
    /// There is no present version for the condition to be about.
    #[error("there is no present version")]
    Missing,
    /// What it would replace is locked.
    #[error("the version that would be replaced is locked")]
    Locked,
    /// It is to be locked, and the bucket does not lock.
    #[error("the bucket does not lock its objects")]
    NoLocks,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// The version that was removed, or the delete marker that was made.
    pub version: Option<String>,
    /// Whether that is a delete marker.
    pub marker: bool,
    /// The blobs that are nobody's now.
    pub blobs: Vec<String>,
}

/// Which keys of a bucket to list: those that begin with a prefix, from some place on.
#[derive(Debug, Clone, Copy)]
pub struct KeyRange<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What the keys begin with; may be empty.
    pub prefix: &'a str,
    /// Where to begin.
    pub from: Place<'a>,
}

/// Where a listing begins.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// At the first key.
    Start,
    /// After all versions of a key.
    After(&'a [u8]),
    /// At the first key that is not less.
    At(&'a [u8]),
    /// After one version of a key, which may be gone.
    AfterVersion(&'a [u8], i64),
}

/// Remembers objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Finds the newest version of an object, which may be a delete marker, or the one with an id.
    async fn object(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
    ) -> Result<Option<ObjectVersion>, StoreError>;

    /// Lists the newest versions by key, without delete markers.
    async fn current_objects(
        &self,
        range: KeyRange<'_>,
        limit: u32,
    ) -> Result<Vec<ObjectVersion>, StoreError>;

    /// Lists all versions and delete markers by key, newest first.
    async fn object_versions(
        &self,
        range: KeyRange<'_>,
        limit: u32,
    ) -> Result<Vec<ObjectVersion>, StoreError>;

    /// Stores an object as its bucket keeps versions, under the id that it brings or [`NULL_VERSION`]. Returns it as it
    /// is stored, and the blobs that are nobody's then.
    async fn put_object(
        &self,
        bucket: &str,
        object: ObjectVersion,
        condition: Condition,
    ) -> Result<(ObjectVersion, Vec<String>), PutObjectError>;

    /// Removes an object as its bucket keeps versions: by a delete marker under the given id, or for good.
    async fn delete_object(
        &self,
        at: ObjectAt<'_>,
        marker: &str,
        condition: Condition,
        now: Timestamp,
    ) -> Result<Deleted, PutObjectError>;

    /// Removes one version for good. One that is not there is no error.
    async fn delete_version(
        &self,
        at: ObjectAt<'_>,
        version: &str,
        bypass: bool,
        now: Timestamp,
    ) -> Result<Deleted, LockError>;

    /// Replaces the tags of a version, of the newest where none is named; returns the version's id.
    async fn set_object_tags(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        tags: &[Tag],
    ) -> Result<String, LockError>;

    /// Locks a version, or changes how, if its lock allows that.
    async fn set_object_retention(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        retention: Option<Retention>,
        bypass: bool,
        now: Timestamp,
    ) -> Result<(), LockError>;

    /// Puts a version under a legal hold, or lifts it.
    async fn set_legal_hold(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        held: bool,
    ) -> Result<(), LockError>;

    /// Returns those of some blobs that an object or a part refers to.
    async fn known_blobs(&self, ids: &[String]) -> Result<Vec<String>, StoreError>;

    /// Counts the blobs that objects and parts refer to.
    async fn count_blobs(&self) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(retention: Option<(RetentionMode, i64)>, held: bool) -> ObjectVersion {
        ObjectVersion {
            key: "k".to_owned(),
            number: 1,
            version: "v".to_owned(),
            latest: true,
            modified_at: Timestamp::UNIX_EPOCH,
            content: None,
            tags: Vec::new(),
            retention: retention.map(|(mode, until)| retain(mode, until)),
            held: Some(held),
        }
    }

    fn retain(mode: RetentionMode, until: i64) -> Retention {
        let until = Timestamp::from_second(until).expect("in range");
        Retention { mode, until }
    }

    #[test]
    fn a_lock_holds_until_its_time_and_a_hold_holds_without_one() {
        let now = Timestamp::from_second(100).expect("in range");
        for (retention, held, bypass, locked) in [
            (None, false, false, false),
            (None, true, true, true),
            (Some((RetentionMode::Governance, 101)), false, false, true),
            (Some((RetentionMode::Governance, 101)), false, true, false),
            (Some((RetentionMode::Governance, 101)), true, true, true),
            (Some((RetentionMode::Governance, 100)), false, false, false),
            (Some((RetentionMode::Compliance, 101)), false, true, true),
            (Some((RetentionMode::Compliance, 100)), false, false, false),
        ] {
            let version = version(retention, held);
            assert_eq!(
                version.is_locked(bypass, now),
                locked,
                "{retention:?} {held} {bypass}"
            );
        }
    }

    #[test]
    fn a_lock_becomes_longer_and_stricter_and_nothing_else() {
        use RetentionMode::{Compliance, Governance};
        let now = Timestamp::from_second(100).expect("in range");
        for (present, wanted, bypass, allowed) in [
            ((Governance, 200), Some((Governance, 201)), false, true),
            ((Governance, 200), Some((Compliance, 200)), false, true),
            ((Governance, 200), Some((Governance, 199)), false, false),
            ((Governance, 200), Some((Governance, 199)), true, true),
            ((Governance, 200), None, false, false),
            ((Governance, 200), None, true, true),
            ((Compliance, 200), Some((Compliance, 300)), false, true),
            ((Compliance, 200), Some((Governance, 300)), true, false),
            ((Compliance, 200), Some((Compliance, 199)), true, false),
            ((Compliance, 200), None, true, false),
            ((Compliance, 99), None, false, true),
        ] {
            let version = version(Some(present), false);
            let wanted = wanted.map(|(mode, until)| retain(mode, until));
            let answer = version.allows_retention(wanted, bypass, now);
            assert_eq!(answer, allowed, "{present:?} to {wanted:?}, bypass {bypass}");
        }
    }
}
