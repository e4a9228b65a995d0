//! Buckets: whose they are, what becomes of the versions in them, and their settings.

use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::{AccountId, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::objects::{ObjectAt, RetentionMode};

/// The most buckets of one account (S3's documented quota).
pub const MAX_BUCKETS: u32 = 10_000;

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name, which no other account can have.
    pub name: String,
    /// The account that owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// When it was made.
    pub created_at: Timestamp,
    /// What becomes of the versions of its objects.
    pub versioning: Versioning,
    /// Whether its objects can be locked; such a bucket keeps its versions for good.
    pub locks: bool,
    /// What objects are locked with that say nothing of it.
    pub retention: Option<DefaultRetention>,
}

impl Bucket {
    /// Names the object that has a key in it.
    pub fn at<'a>(&'a self, key: &'a str) -> ObjectAt<'a> {
        ObjectAt {
            bucket: &self.name,
            key,
        }
    }
}

/// What becomes of an object when another takes its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It is gone; nobody ever asked for versions.
    Never,
    /// It stays, under its version's id.
    Enabled,
    /// It is gone if it has no id of its own; those that have one stay.
    Suspended,
}

impl Versioning {
    /// Returns the word that the store keeps; the last two are those of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::Enabled => "Enabled",
            Self::Suspended => "Suspended",
        }
    }
}

/// Says that a text is none of the words for what becomes of versions.
#[derive(Debug, thiserror::Error)]
#[error("versioning is `Never`, `Enabled` or `Suspended`")]
pub struct UnknownVersioning;

impl FromStr for Versioning {
    type Err = UnknownVersioning;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Never, Self::Enabled, Self::Suspended];
        known
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or(UnknownVersioning)
    }
}

/// What a bucket locks new objects with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: RetentionMode,
    /// For how many days, at least one.
    pub days: u32,
    /// Whether the request said it in years, which are what is answered then.
    #[serde(default)]
    pub years: Option<u32>,
}

/// The setting that holds a bucket's policy, as it was given.
pub const POLICY: &str = "policy";

/// The setting that holds a [`PublicAccess`], or `null` where that was taken away. A bucket without the setting is as new
/// buckets are: [`PublicAccess::BLOCKED`].
pub const PUBLIC_ACCESS: &str = "public-access";

/// What a bucket's policy and lists can not do, whatever they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccess {
    /// Lists that open the bucket to everyone are refused.
    pub block_acls: bool,
    /// Lists that open the bucket to everyone do nothing.
    pub ignore_acls: bool,
    /// Policies that open the bucket to everyone are refused.
    pub block_policy: bool,
    /// A policy that opens the bucket to everyone opens it to nobody outside of its account.
    pub restrict: bool,
}

impl PublicAccess {
    /// Everything that can be blocked is.
    pub const BLOCKED: Self = Self {
        block_acls: true,
        ignore_acls: true,
        block_policy: true,
        restrict: true,
    };

    /// Nothing is blocked.
    pub const OPEN: Self = Self {
        block_acls: false,
        ignore_acls: false,
        block_policy: false,
        restrict: false,
    };

    /// Reads the setting of a bucket. One that cannot be read blocks everything.
    pub fn in_force(setting: Option<&str>) -> Self {
        let Some(setting) = setting else {
            return Self::BLOCKED;
        };
        let read: Result<Option<Self>, _> = serde_json::from_str(setting);
        read.map_or(Self::BLOCKED, |set| set.unwrap_or(Self::OPEN))
    }
}

/// Why a bucket was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateBucketError {
    /// There is one of that name.
    #[error("there is such a bucket")]
    Exists(Box<Bucket>),
    /// There are [`MAX_BUCKETS`].
    #[error("an account has at most 10000 buckets")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a bucket was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveBucketError {
    /// There is none.
    #[error("there is no such bucket")]
    Missing,
    /// There are versions or delete markers in it.
    #[error("the bucket is not empty")]
    NotEmpty,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers buckets.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Finds a bucket.
    async fn bucket(&self, name: &str) -> Result<Option<Bucket>, StoreError>;

    /// Lists the buckets of an account by name.
    async fn buckets(&self, account: &AccountId) -> Result<Vec<Bucket>, StoreError>;

    /// Makes a bucket with its first settings, each by its name.
    async fn create_bucket(
        &self,
        bucket: &Bucket,
        settings: &[(&'static str, String)],
    ) -> Result<(), CreateBucketError>;

    /// Changes what becomes of versions; returns whether there is such a bucket, and it may: one that locks its objects
    /// keeps their versions for good.
    async fn set_versioning(&self, name: &str, versioning: Versioning) -> Result<bool, StoreError>;

    /// Lets objects be locked from now on, with versions, and says what new ones are locked with.
    async fn set_retention(
        &self,
        name: &str,
        retention: Option<DefaultRetention>,
    ) -> Result<bool, StoreError>;

    /// Removes an empty bucket with its settings and uploads; returns the blobs that are nobody's then.
    async fn remove_bucket(&self, name: &str) -> Result<Vec<String>, RemoveBucketError>;

    /// Finds a setting of a bucket.
    async fn bucket_setting(&self, bucket: &str, name: &str) -> Result<Option<String>, StoreError>;

    /// Puts a setting in the place of what was there, or removes it.
    async fn set_bucket_setting(
        &self,
        bucket: &str,
        name: &str,
        body: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Changes a setting that is `from` to `to`; returns whether it was that.
    async fn swap_bucket_setting(
        &self,
        bucket: &str,
        name: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<bool, StoreError>;
}
