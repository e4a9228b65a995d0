//! Who has recordings, as the operations know them.

use async_trait::async_trait;

use super::{Event, Header};
use crate::ids::SessionId;

/// What there is of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingState {
    /// What the session was.
    pub header: Header,
    /// How many sealed blocks it has.
    pub blocks: u64,
    /// How long it is, in bytes, as it is kept.
    pub bytes: u64,
    /// Whether its end is there.
    pub is_complete: bool,
    /// The hash of its last block, which stands for all before it; hexadecimal.
    pub head: String,
    /// What is wrong with it, if something is.
    pub broken: Option<String>,
}

/// Some events of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What the session was.
    pub header: Header,
    /// The events, in order.
    pub events: Vec<Event>,
    /// Where to go on: behind these events; the same again where there are no more yet.
    pub next: String,
    /// Whether these are the last events there will be.
    pub is_complete: bool,
}

/// Why a recording was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The position is not one that this recording gave.
    #[error("the position is not one of this recording")]
    Position,
    /// The recording is not as it was made.
    #[error("the recording is damaged: {0}")]
    Damaged(String),
    /// It cannot be read.
    #[error("cannot read the recording")]
    Io(#[source] std::io::Error),
}

/// Reads recordings, also of sessions that run.
#[async_trait]
pub trait Recordings: Send + Sync {
    /// Says what there is of a session's recording, having checked all of it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read at all.
    async fn describe(&self, session: &SessionId) -> Result<Option<RecordingState>, ReadError>;

    /// Reads from a position that a page before gave, or from the start; `None` where there is no recording.
    ///
    /// # Errors
    ///
    /// When it cannot be read from there.
    async fn read(&self, session: &SessionId, from: Option<&str>) -> Result<Option<Page>, ReadError>;
}
