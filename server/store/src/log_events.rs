//! Events of log streams, in the batches in which they came: sealed by the caller, told apart by their times.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{LogGroupId, LogStreamId, StoreError};

/// The longest time between the first and the last event of a batch, in milliseconds; readers count on it.
pub const MAX_LOG_BATCH_SPAN_MS: i64 = 24 * 3600 * 1000;

/// A batch of events to store.
#[derive(Debug, Clone, Copy)]
pub struct NewLogBatch<'a> {
    /// The group of the stream.
    pub group: LogGroupId,
    /// The stream.
    pub stream: LogStreamId,
    /// The time of the first event, in milliseconds.
    pub first_ms: i64,
    /// The time of the last event, at most [`MAX_LOG_BATCH_SPAN_MS`] later.
    pub last_ms: i64,
    /// When they came.
    pub ingested_at: Timestamp,
    /// Their size, as it counts against limits.
    pub bytes: u64,
    /// The number of the group's data key that seals them.
    pub key_number: u32,
    /// The events.
    pub sealed: &'a [u8],
}

/// A batch of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// Grows with every batch of the server.
    pub id: i64,
    /// The name of the stream.
    pub stream_name: String,
    /// The stream.
    pub stream: LogStreamId,
    /// The time of the first event, in milliseconds.
    pub first_ms: i64,
    /// The time of the last event.
    pub last_ms: i64,
    /// When they came.
    pub ingested_at: Timestamp,
    /// Their size, as it counts against limits.
    pub bytes: u64,
    /// The number of the group's data key that seals them.
    pub key_number: u32,
    /// The events.
    pub sealed: Vec<u8>,
}

/// The streams of a group whose batches are read.
#[derive(Debug, Clone, Copy)]
pub enum LogBatchesOf<'a> {
    /// One stream.
    Stream(LogStreamId),
    /// Those of these names.
    Named(LogGroupId, &'a [String]),
    /// Those whose names start like this; all of them for an empty one.
    Prefixed(LogGroupId, &'a str),
}

/// The way in which batches are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDirection {
    /// By the times of their first events.
    Forward,
    /// By the times of their last events, the latest first.
    Backward,
}

/// Which batches are read.
#[derive(Debug, Clone, Copy)]
pub struct WantedLogBatches<'a> {
    /// Of which streams.
    pub of: LogBatchesOf<'a>,
    /// The earliest time of events, in milliseconds.
    pub from_ms: i64,
    /// The latest time, inclusive.
    pub to_ms: i64,
    /// In which order.
    pub direction: LogDirection,
    /// The batch that was read last: its time in this order, and its id.
    pub after: Option<(i64, i64)>,
    /// How many there may be.
    pub limit: u32,
}

/// Remembers the events of log streams.
#[async_trait]
pub trait LogEvents: Send + Sync {
    /// Stores a batch; returns its id, or nothing where the stream is gone.
    async fn add_log_batch(&self, batch: NewLogBatch<'_>) -> Result<Option<i64>, StoreError>;

    /// Reads batches that may have events of the wanted times.
    async fn log_batches(&self, wanted: WantedLogBatches<'_>) -> Result<Vec<LogBatch>, StoreError>;

    /// Removes the batches whose events are all past their group's retention, and what deleted groups and streams left, and
    /// gives their room back to the disk; returns how many batches went.
    async fn sweep_log_events(&self, now: Timestamp) -> Result<u64, StoreError>;
}
