//! Log groups, the data keys that seal their events, and their streams.

use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::{AccountId, Region, Tag};
use jiff::Timestamp;

use crate::StoreError;

/// The most log groups of one account in one region (the documented quota of CloudWatch Logs).
pub const MAX_LOG_GROUPS: u32 = 1_000_000;

/// Where a log group is.
#[derive(Debug, Clone, Copy)]
pub struct LogGroupAt<'a> {
    /// The account that owns it.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// Its name.
    pub name: &'a str,
}

/// Tells a log group from every other, also from one that had its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogGroupId(pub(crate) i64);

impl LogGroupId {
    /// Returns the number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Tells a stream from every other, also from one that had its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogStreamId(pub(crate) i64);

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Its id.
    pub id: LogGroupId,
    /// The account that owns it.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// Its class, of which nothing depends here.
    pub class: LogGroupClass,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many days events are kept; `None` for ever.
    pub retention_days: Option<u32>,
    /// Whether it cannot be deleted.
    pub is_protected: bool,
    /// The bytes of its events, as they count against limits.
    pub stored_bytes: u64,
    /// The data key for new events.
    pub key: LogGroupKey,
}

impl LogGroup {
    /// Returns where it is.
    pub fn at(&self) -> LogGroupAt<'_> {
        LogGroupAt {
            account: &self.account,
            region: &self.region,
            name: &self.name,
        }
    }
}

/// The class of a log group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogGroupClass {
    /// `STANDARD`.
    Standard,
    /// `INFREQUENT_ACCESS`.
    InfrequentAccess,
    /// `DELIVERY`.
    Delivery,
}

impl LogGroupClass {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "INFREQUENT_ACCESS",
            Self::Delivery => "DELIVERY",
        }
    }
}

/// Says that a text is none of the words for classes of log groups.
#[derive(Debug, thiserror::Error)]
#[error("log groups are of the class `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`")]
pub struct UnknownLogGroupClass;

impl FromStr for LogGroupClass {
    type Err = UnknownLogGroupClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Standard, Self::InfrequentAccess, Self::Delivery];
        let found = known.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownLogGroupClass)
    }
}

/// A data key of a log group, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroupKey {
    /// Counts from 1.
    pub number: u32,
    /// The ARN of the key that wraps it; `None` where that is the root key.
    pub kms_key: Option<String>,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

/// What a log group begins with.
#[derive(Debug, Clone, Copy)]
pub struct NewLogGroup<'a> {
    /// Where it will be.
    pub at: LogGroupAt<'a>,
    /// Its class.
    pub class: LogGroupClass,
    /// When it is made.
    pub created_at: Timestamp,
    /// Whether it cannot be deleted.
    pub is_protected: bool,
    /// Its first data key; the number does not matter.
    pub key: &'a LogGroupKey,
    /// Its tags.
    pub tags: &'a [Tag],
}

/// Why a log group was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateLogGroupError {
    /// There is one of that name.
    #[error("the log group exists")]
    Exists,
    /// There are [`MAX_LOG_GROUPS`].
    #[error("an account has at most 1000000 log groups in a region")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change of a log group.
#[derive(Debug, Clone, Copy)]
pub enum LogGroupChange<'a> {
    /// How many days events are kept; `None` for ever.
    Retention(Option<u32>),
    /// Whether it cannot be deleted.
    Protection(bool),
    /// A data key for new events, to follow the one with this number; older events keep theirs.
    Key {
        /// The newest key that was seen.
        after: u32,
        /// The ARN of the key that wraps the new one; `None` where that is the root key.
        kms_key: Option<&'a str>,
        /// The wrapped key.
        wrapped: &'a [u8],
    },
}

/// A stream of a log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    /// Its id.
    pub id: LogStreamId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The time of its first event, in milliseconds.
    pub first_event_ms: Option<i64>,
    /// The time of its last event, in milliseconds; 0 before there is one.
    pub last_event_ms: i64,
    /// When events came last.
    pub last_ingestion_at: Option<Timestamp>,
    /// The number of its newest batch; 0 before there is one.
    pub last_batch: i64,
}

/// Why a stream was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateLogStreamError {
    /// There is one of that name.
    #[error("the log stream exists")]
    Exists,
    /// The group is gone.
    #[error("the log group does not exist")]
    NoGroup,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The order in which streams are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStreamOrder {
    /// By their names.
    Name,
    /// By the times of their last events, and then by their names.
    LastEvent,
}

/// Which streams of a log group are listed.
#[derive(Debug, Clone, Copy)]
pub struct ListedLogStreams<'a> {
    /// What their names start with.
    pub prefix: &'a str,
    /// Their order.
    pub order: LogStreamOrder,
    /// Whether the last of the order comes first.
    pub descending: bool,
    /// The stream that the page before ended with: the time of its last event, and its name.
    pub after: Option<(i64, &'a str)>,
    /// How many there may be.
    pub limit: u32,
}

/// Remembers log groups and their streams.
#[async_trait]
pub trait LogGroups: Send + Sync {
    /// Creates a log group.
    async fn create_log_group(&self, new: NewLogGroup<'_>) -> Result<(), CreateLogGroupError>;

    /// Finds a log group.
    async fn log_group(&self, at: LogGroupAt<'_>) -> Result<Option<LogGroup>, StoreError>;

    /// Lists log groups by their names, those behind `after` whose names start with `prefix`.
    async fn log_groups_after(
        &self,
        account: &AccountId,
        region: &Region,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<LogGroup>, StoreError>;

    /// Changes a log group; returns whether it was there, and a key came after the one that was seen.
    async fn change_log_group(&self, id: LogGroupId, change: LogGroupChange<'_>) -> Result<bool, StoreError>;

    /// Removes a log group with its keys, streams, tags and events; returns whether there was one.
    async fn remove_log_group(&self, at: LogGroupAt<'_>) -> Result<bool, StoreError>;

    /// Finds a data key of a log group.
    async fn log_group_key(&self, group: LogGroupId, number: u32) -> Result<Option<LogGroupKey>, StoreError>;

    /// Creates a stream.
    async fn create_log_stream(
        &self,
        group: LogGroupId,
        name: &str,
        created_at: Timestamp,
    ) -> Result<(), CreateLogStreamError>;

    /// Finds a stream.
    async fn log_stream(&self, group: LogGroupId, name: &str) -> Result<Option<LogStream>, StoreError>;

    /// Lists streams.
    async fn log_streams(
        &self,
        group: LogGroupId,
        which: ListedLogStreams<'_>,
    ) -> Result<Vec<LogStream>, StoreError>;

    /// Removes a stream with its events; returns whether there was one.
    async fn remove_log_stream(&self, group: LogGroupId, name: &str) -> Result<bool, StoreError>;
}
