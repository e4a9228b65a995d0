//! Following a capture with the events of a log group.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_client::CallError;
use drawbridge_session::Clock;
use tokio::sync::watch;

use super::capture::Captured;
use super::event::{Author, Joined, Plain};
use super::group::{GroupStream, MOST_EVENTS};
use super::lines::{Splitter, clean};
use super::transcript::Transcript;
use crate::identity::NodeError;

/// Bytes of the file that are looked at together: so few that a key is not kept waiting.
const CHUNK_BYTES: usize = 32 * 1024;

/// Why a log group does not have all of a log.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Call(CallError),
    #[error(transparent)]
    Node(NodeError),
    #[error("cannot read what was captured")]
    Read(#[from] io::Error),
}

impl From<NodeError> for StreamError {
    /// Leaves out what needs no saying, so that the service's own words come first.
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Call(error) => Self::Call(error),
            error => Self::Node(error),
        }
    }
}

/// What streaming came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streamed {
    All,
    /// There was no such log group when the session began.
    Nothing,
}

/// Sends complete lines every second while a session runs, and the rest at its end.
pub(super) struct Streaming {
    pub(super) stream: GroupStream,
    pub(super) author: Author,
    pub(super) file: Arc<File>,
    pub(super) captured: watch::Receiver<Captured>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tick: Duration,
}

impl Streaming {
    /// Runs until the capture is over and everything is sent, or cannot be.
    pub(super) async fn run(mut self) -> Result<Streamed, StreamError> {
        if let Ok(None) = self.stream.calls().find().await {
            tracing::warn!("the session's log is not streamed: there is no such log group");
            return Ok(Streamed::Nothing);
        }
        let mut splitter = Splitter::default();
        let mut joined = Joined::default();
        let mut offset = 0;
        loop {
            let over = self.captured.wait_for(|captured| captured.is_over);
            let _ = tokio::time::timeout(self.tick, over).await;
            let captured = self.captured.borrow().clone();
            let mut full = Vec::new();
            while offset < captured.bytes {
                let chunk = self.read(offset, captured.bytes).await?;
                offset += chunk.len() as u64;
                splitter.push(&chunk, |line| full.extend(joined.push(clean(line))));
                if full.len() >= MOST_EVENTS {
                    self.send(std::mem::take(&mut full)).await?;
                }
            }
            if captured.is_over {
                splitter.finish(|line| full.extend(joined.push(clean(line))));
            }
            full.extend(joined.take());
            self.send(full).await?;
            if captured.is_over {
                return Ok(Streamed::All);
            }
        }
    }

    async fn read(&self, offset: u64, end: u64) -> io::Result<Vec<u8>> {
        let file = Arc::clone(&self.file);
        let length = usize::try_from(end - offset).map_or(CHUNK_BYTES, |length| length.min(CHUNK_BYTES));
        let read = move || {
            let mut chunk = vec![0; length];
            file.read_exact_at(&mut chunk, offset).map(|()| chunk)
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)?
    }

    async fn send(&mut self, events: Vec<Vec<String>>) -> Result<(), StreamError> {
        let now = self.clock.now();
        let messages: Vec<String> = events.iter().map(|lines| self.author.event(lines, now)).collect();
        for messages in messages.chunks(MOST_EVENTS) {
            self.stream.put(messages, &mut self.captured).await?;
        }
        Ok(())
    }
}

/// Sends a transcript after its session, as plain text.
pub(super) async fn send_plain(
    mut stream: GroupStream,
    transcript: &Transcript,
    mut captured: watch::Receiver<Captured>,
) -> Result<(), StreamError> {
    let (mut splitter, mut plain) = (Splitter::default(), Plain::default());
    let mut messages: Vec<String> = Vec::new();
    let mut offset = 0;
    while offset < transcript.len() {
        let chunk = transcript.read(offset, CHUNK_BYTES).await?;
        offset += chunk.len() as u64;
        splitter.push(&chunk, |line| messages.extend(plain.push(line)));
        if offset == transcript.len() {
            splitter.finish(|line| messages.extend(plain.push(line)));
            messages.extend(plain.take());
        }
        while messages.len() >= MOST_EVENTS || (offset == transcript.len() && !messages.is_empty()) {
            let now: Vec<String> = messages.drain(..messages.len().min(MOST_EVENTS)).collect();
            stream.put(&now, &mut captured).await?;
        }
    }
    Ok(())
}
