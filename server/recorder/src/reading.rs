//! Pages of recordings, for those who may read them.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_session::SessionId;
use drawbridge_session::recording::{Event, Page, ReadError, RecordingState, Recordings};

use crate::format::{BlockError, BlockKind, Blocks, Cursor, Ended, Head, read_header};
use crate::recorder::{Inner, JournalRecorder};

/// Bytes of events at which a page ends; one block may be over it.
const PAGE_BYTES: usize = 512 * 1024;

#[async_trait]
impl Recordings for JournalRecorder {
    async fn describe(&self, session: &SessionId) -> Result<Option<RecordingState>, ReadError> {
        let session = session.clone();
        self.blocking(move |inner| inner.describe(&session)).await
    }

    async fn read(&self, session: &SessionId, from: Option<&str>) -> Result<Option<Page>, ReadError> {
        let (session, from) = (session.clone(), from.map(str::to_owned));
        self.blocking(move |inner| inner.page(&session, from.as_deref()))
            .await
    }
}

impl JournalRecorder {
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Inner) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let inner = Arc::clone(&self.inner);
        let acted = tokio::task::spawn_blocking(move || act(&inner)).await;
        acted.map_err(|_panicked_or_shut_down| {
            ReadError::Io(io::Error::other("the server is shutting down"))
        })?
    }
}

impl Inner {
    fn describe(&self, session: &SessionId) -> Result<Option<RecordingState>, ReadError> {
        let Some(file) = self.folder.open_to_read(session).map_err(ReadError::Io)? else {
            return Ok(None);
        };
        let mut blocks = Blocks::of(&file, &self.keys, session)?;
        let header = read_header(&mut blocks, session)?.ok_or_else(|| damaged(&"it has no header"))?;
        let verified = self
            .folder
            .verify(session, &self.keys, |_| {})
            .map_err(ReadError::Io)?;
        Ok(match verified {
            None => None,
            Some(Ok(verified)) => Some(RecordingState {
                header: verified.header,
                blocks: verified.blocks,
                bytes: verified.bytes,
                is_complete: verified.is_complete,
                head: verified.head,
                broken: None,
            }),
            Some(Err(flaw)) => Some(RecordingState {
                header,
                blocks: flaw.index,
                bytes: file.metadata().map_err(ReadError::Io)?.len(),
                is_complete: false,
                head: String::new(),
                broken: Some(flaw.to_string()),
            }),
        })
    }

    fn page(&self, session: &SessionId, from: Option<&str>) -> Result<Option<Page>, ReadError> {
        let Some(file) = self.folder.open_to_read(session).map_err(ReadError::Io)? else {
            return Ok(None);
        };
        let mut blocks = Blocks::of(&file, &self.keys, session)?;
        let header = read_header(&mut blocks, session)?.ok_or_else(|| damaged(&"it has no header"))?;
        if let Some(from) = from {
            let (offset, head) = position(from).ok_or(ReadError::Position)?;
            blocks.go_to(offset, head);
        }
        let mut page = Page {
            header,
            events: Vec::new(),
            next: String::new(),
            is_complete: false,
        };
        let mut size = 0;
        while size < PAGE_BYTES && !page.is_complete {
            let block = match blocks.next() {
                Ok(block) => block,
                // A place that a caller made up is no flaw of the recording.
                Err(BlockError::Flaw(_)) if from.is_some() && page.events.is_empty() => {
                    return Err(ReadError::Position);
                }
                Err(error) => return Err(error.into()),
            };
            let Some(block) = block else { break };
            let events = match block.kind {
                BlockKind::Header => return Err(damaged(&"it has a second header")),
                BlockKind::Events => Cursor::read(&block.body).map_err(|error| damaged(&error))?.1,
                BlockKind::End => {
                    page.is_complete = true;
                    let ended: Ended =
                        serde_json::from_slice(&block.body).map_err(|error| damaged(&error))?;
                    vec![ended.event()]
                }
            };
            size += events.iter().map(Event::size).sum::<usize>();
            page.events.extend(events);
        }
        page.next = token(blocks.offset(), blocks.head());
        Ok(Some(page))
    }
}

/// Where a page ended: `<offset>.<blocks>.<hash>`.
fn token(offset: u64, head: Head) -> String {
    format!("{offset}.{}.{}", head.blocks, head.to_hex())
}

fn position(token: &str) -> Option<(u64, Head)> {
    let mut parts = token.split('.');
    let (offset, blocks, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let head = Head::from_hex(blocks.parse().ok()?, hash)?;
    parts.next().is_none().then_some((offset.parse().ok()?, head))
}

fn damaged(what: &dyn Display) -> ReadError {
    ReadError::Damaged(what.to_string())
}

impl From<BlockError> for ReadError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Flaw(flaw) => Self::Damaged(flaw.to_string()),
            BlockError::Io(error) => Self::Io(error),
        }
    }
}
