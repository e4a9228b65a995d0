//! The journal: every output frame of a session, durable before the node may forget it.
//!
//! One shared sequence of append-only segment files per server, an index in memory per live session, one
//! writer thread that commits in groups: it takes what has queued up, seals it, writes once, syncs once
//! and completes all of it. A thousand sessions cost one sync.
//!
//! What the journal owns: order inside a session, durability, sealing at rest, retention and the quota.
//! What it refuses to know: what a record's body means. A record is a session, a [`RecordKind`], a sequence
//! number and bytes.
//!
//! What can go wrong, and what then:
//!
//! - A torn tail (power cut, `kill -9` in a write) ends a segment at its last whole record. Nothing behind it
//!   was acknowledged.
//! - A failed write or sync fails every append of its group, and the segment is left behind: after a failed
//!   sync nobody can say what the file holds. The next group starts a new segment.
//! - Over the quota, appends fail with a reason; what is already stored stays.

mod fault;
mod files;
mod follow;
mod index;
mod read;
mod record;
mod retention;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use drawbridge_session::{Clock, Random};
use tokio::sync::mpsc;

pub use fault::{FaultyFolder, JournalFault};
pub use files::{DiskFolder, SegmentFile, SegmentFolder};
pub use follow::{Followed, JournalPosition};
pub use record::{MAX_BODY_BYTES, SessionDigest};
pub use segment::JournalKey;

use index::Index;
use writer::Writer;

/// Appends that may wait for the writer; a sender waits for a place behind it.
const QUEUE_RECORDS: usize = 4096;

/// What a record is, as far as the journal cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// An output frame; found again by its sequence number.
    Frame,
    /// Something that happened beside the output; found again in the order it was written.
    Mark,
    /// Anything else about a session, of a sort its writer names; only a recovery reads it.
    Note(u8),
}

impl RecordKind {
    const FRAME: u8 = 1;
    const MARK: u8 = 3;
    const FIRST_NOTE: u8 = 16;
    /// Closes a segment; never a session's.
    pub(crate) const FOOTER: u8 = 2;

    pub(crate) fn code(self) -> u8 {
        match self {
            RecordKind::Frame => RecordKind::FRAME,
            RecordKind::Mark => RecordKind::MARK,
            RecordKind::Note(sort) => RecordKind::FIRST_NOTE.saturating_add(sort),
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<RecordKind> {
        match code {
            RecordKind::FRAME => Some(RecordKind::Frame),
            RecordKind::MARK => Some(RecordKind::Mark),
            code if code >= RecordKind::FIRST_NOTE => Some(RecordKind::Note(code - RecordKind::FIRST_NOTE)),
            _ => None,
        }
    }
}

/// One record to write.
#[derive(Debug)]
pub struct Append {
    /// Whose it is.
    pub session: SessionDigest,
    /// What it is.
    pub kind: RecordKind,
    /// The frame's sequence number; 0 for others.
    pub sequence: i64,
    /// At most [`MAX_BODY_BYTES`].
    pub body: Bytes,
    /// Returned in the completion.
    pub ticket: u64,
    /// Told once the record is durable, or will never be.
    pub done: mpsc::UnboundedSender<Completion>,
}

/// What became of an append.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The append's ticket.
    pub ticket: u64,
    /// The reason, in the operator's words, when the record could not be made durable.
    pub result: Result<(), Arc<JournalError>>,
}

/// A record read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it is.
    pub kind: RecordKind,
    /// Its sequence number; 0 for what is no frame.
    pub sequence: i64,
    /// When it was written, epoch milliseconds.
    pub written_ms: u64,
    /// Its bytes.
    pub body: Bytes,
}

/// Sizes and ages of the journal.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// A segment is closed once it is this long, in bytes.
    pub segment_bytes: u64,
    /// All segments together, in bytes; appends beyond it fail. `None` for as much as the disk holds.
    pub quota_bytes: Option<u64>,
}

impl Default for JournalConfig {
    fn default() -> Self {
        JournalConfig {
            segment_bytes: 64 * 1024 * 1024,
            quota_bytes: None,
        }
    }
}

/// Why the journal could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A segment could not be created, written or synced.
    #[error("cannot write the journal")]
    Write(#[source] io::Error),
    /// A segment could not be read.
    #[error("cannot read the journal")]
    Read(#[source] io::Error),
    /// The folder could not be listed.
    #[error("cannot list the journal's segments")]
    List(#[source] io::Error),
    /// An old segment could not be removed.
    #[error("cannot remove an old journal segment")]
    Remove(#[source] io::Error),
    /// The operator's limit is reached.
    #[error("the journal is full: its quota of {quota_bytes} bytes is used up")]
    QuotaUsedUp {
        /// The configured limit.
        quota_bytes: u64,
    },
    /// A record is not what was written.
    #[error("the journal is damaged at offset {offset} of a segment")]
    Damaged {
        /// Where in its segment.
        offset: u32,
    },
    /// A record is larger than the journal takes.
    #[error("a record of {bytes} bytes is over the journal's limit of {MAX_BODY_BYTES} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Sealing failed.
    #[error("cannot seal a journal record")]
    Seal,
    /// The writer is gone: the server is shutting down.
    #[error("the journal is closed")]
    Closed,
}

/// The journal of one server; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<Entry>,
    shared: Arc<Shared>,
}

/// What readers and the writer both see.
pub(crate) struct Shared {
    pub(crate) folder: Arc<dyn SegmentFolder>,
    pub(crate) key: JournalKey,
    index: Mutex<Index>,
}

impl Shared {
    /// The index; every critical section only reads or writes maps, so a poisoned lock holds whole values.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// What the writer finds in its queue.
pub(crate) enum Entry {
    Append(Append),
    Close,
}

/// The writer thread.
#[derive(Debug)]
pub struct JournalWriter {
    thread: JoinHandle<()>,
    queue: mpsc::Sender<Entry>,
}

impl JournalWriter {
    /// Waits until everything queued before is durable and the last segment is closed. Appends after it fail
    /// with [`JournalError::Closed`].
    pub async fn close(self) {
        let JournalWriter { thread, queue } = self;
        // A writer that is gone already has nothing left to close.
        let _ = queue.send(Entry::Close).await;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the journal's writer thread panicked");
        }
    }
}

impl Journal {
    /// Opens the journal in `folder` and starts its writer.
    ///
    /// # Errors
    ///
    /// When the folder or a segment in it cannot be read.
    pub fn open(
        config: JournalConfig,
        folder: Arc<dyn SegmentFolder>,
        key: JournalKey,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Journal, JournalWriter), JournalError> {
        let index = Index::of_folder(folder.as_ref(), &key)?;
        let shared = Arc::new(Shared {
            folder,
            key,
            index: Mutex::new(index),
        });
        let (queue, appends) = mpsc::channel(QUEUE_RECORDS);
        let writer = Writer::new(config, Arc::clone(&shared), clock, random);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(appends))
            .map_err(JournalError::Write)?;
        Ok((
            Journal {
                queue: queue.clone(),
                shared,
            },
            JournalWriter { thread, queue },
        ))
    }

    /// Queues a record, waiting while the queue is full. Its fate comes as a [`Completion`].
    pub async fn append(&self, append: Append) {
        if let Err(refused) = self.queue.send(Entry::Append(append)).await {
            let Entry::Append(Append { ticket, done, .. }) = refused.0 else {
                return;
            };
            // The session that asked may be gone itself; then nobody is left to tell.
            let _ = done.send(Completion {
                ticket,
                result: Err(Arc::new(JournalError::Closed)),
            });
        }
    }

    /// Starts to index a session for one more reader, so that its frames can be read back and stay.
    pub fn track(&self, session: SessionDigest) {
        self.shared.index().track(session);
    }

    /// Lets a reader go. With the last one it is forgotten where the session's frames are; they stay in the files.
    pub fn forget(&self, session: SessionDigest) {
        self.shared.index().forget(session);
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.shared.index().bytes()
    }
}
