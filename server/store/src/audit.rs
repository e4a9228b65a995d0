//! The audit log: events that are appended, found again, and can be shown to be whole.

mod chain;
mod checkpoint;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::{AccountId, AuditEvent, Intent, Region};
use jiff::Timestamp;

use crate::StoreError;

pub(crate) use chain::{Hash, Head};
pub use checkpoint::{Checkpoint, CheckpointError};
pub(crate) use checkpoint::{Mark, Signer};

/// Remembers events, in a chain that a change to any of them breaks.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Notes a request that may change something, before it does.
    ///
    /// The note is not synced itself. A change that is synced after it is on the disk together with it, so that after
    /// a crash every change that lasted has its event, and every note without an outcome becomes one that says so.
    async fn intend(&self, intent: &Intent) -> Result<(), StoreError>;

    /// Appends an event, in the place of its intent; it is on the disk when this returns.
    ///
    /// Events that come while others are being written are written together with one sync.
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError>;

    /// Lists events, newest first.
    async fn events(&self, page: EventPage<'_>) -> Result<Vec<StoredEvent>, StoreError>;

    /// Returns the newest checkpoint, which covers every event that was recorded; to be kept elsewhere.
    async fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;

    /// Forgets events from before a time, oldest first, up to the first that is younger; returns how many.
    async fn sweep_events(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Checks that every event is the one that was recorded, and where a checkpoint is given that was kept elsewhere,
    /// that the log still leads there.
    async fn verify_events(&self, kept: Option<&Checkpoint>) -> Result<Verified, VerifyError>;
}

/// Which events to list.
#[derive(Debug, Clone)]
pub struct EventPage<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// What they have in common.
    pub attribute: Option<EventAttribute>,
    /// The earliest time, inclusive.
    pub since: Timestamp,
    /// The latest time, inclusive.
    pub until: Timestamp,
    /// The last event of the page before.
    pub before: Option<EventPosition>,
    /// How many at most.
    pub limit: u32,
}

/// One thing that events can be found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventAttribute {
    /// The event's id.
    Id(String),
    /// The name of the operation.
    Name(String),
    /// Whether the operation only answers.
    ReadOnly(bool),
    /// The user, the role's session, or `root`.
    UserName(String),
    /// The type of a resource, such as `AWS::IAM::Role`.
    ResourceType(String),
    /// The name of a resource.
    ResourceName(String),
    /// The service, such as `ssm.amazonaws.com`.
    Source(String),
    /// The access key that signed.
    AccessKeyId(String),
}

/// Where an event stands in the order of pages; shows itself as `<seconds>.<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition {
    pub(crate) at: Timestamp,
    pub(crate) index: u64,
}

/// An event of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Where it stands.
    pub position: EventPosition,
    /// The event.
    pub event: AuditEvent,
    /// The line that the chain covers.
    pub text: String,
}

/// What a whole log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many events.
    pub events: u64,
    /// The index of the first event that is kept; those before it were swept. The first of all is 1.
    pub first: u64,
    /// When the last of the swept events was; `None` where none was swept.
    pub swept_until: Option<Timestamp>,
    /// How many signed checkpoints they passed.
    pub checkpoints: u64,
    /// The newest checkpoint; `None` for a log without any.
    pub newest: Option<Checkpoint>,
}

/// Why a log could not be shown to be whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The given checkpoint was not signed by this log.
    #[error("the checkpoint was not signed by this log")]
    Foreign,
    /// The given checkpoint is of an event that was swept.
    #[error("the checkpoint is of event {index}, and the log begins at event {first}")]
    TooOld {
        /// The checkpoint's event.
        index: u64,
        /// The first event that is kept.
        first: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Names the first event that is not as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audit event {index} {what}")]
pub struct Broken {
    /// The event's index.
    pub index: u64,
    /// What is wrong, to complete `audit event 7 …`.
    pub what: &'static str,
}

/// Says that a text is not an [`EventPosition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the position of an event")]
pub struct PositionError;

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_second(), self.index)
    }
}

impl FromStr for EventPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (seconds, index) = text.split_once('.').ok_or(PositionError)?;
        let seconds = seconds.parse().map_err(|_| PositionError)?;
        Ok(Self {
            at: Timestamp::from_second(seconds).map_err(|_| PositionError)?,
            index: index.parse().map_err(|_| PositionError)?,
        })
    }
}
