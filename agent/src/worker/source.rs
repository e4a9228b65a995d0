//! One of the things a command writes, as frames.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use drawbridge_protocol::wire::PayloadType;

use crate::pty::{ReadOutcome, Stream};

/// A pipe that a command writes to.
pub(super) struct Source {
    stream: Stream,
    payload_type: PayloadType,
    prefix: String,
    prefix_is_due: bool,
    buffer: Vec<u8>,
    max_payload: usize,
    is_open: bool,
}

impl Source {
    /// Reads `stream` in frames of at most `max_payload` bytes, each with `prefix` where a line begins with it.
    pub(super) fn new(stream: Stream, payload_type: PayloadType, prefix: String, max_payload: usize) -> Self {
        Self {
            stream,
            payload_type,
            prefix,
            prefix_is_due: true,
            buffer: Vec::new(),
            max_payload,
            is_open: true,
        }
    }

    /// Says whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Says whether something was read and not yet said.
    pub(super) fn is_waiting(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// How many bytes may be read: one frame with its prefix, and no more than there is room for.
    fn limit(&self, room: usize) -> usize {
        let limit = room.min(self.max_payload);
        if self.prefix_is_due {
            limit.saturating_sub(self.prefix.len())
        } else {
            limit
        }
    }

    /// Waits for output and reads it; for ever, when there is none to come or no room for it.
    pub(super) async fn fill(&mut self, room: usize) {
        let limit = self.limit(room);
        if !self.is_open || limit == 0 {
            return std::future::pending().await;
        }
        let outcome = self.stream.read(&mut self.buffer, limit).await;
        if !matches!(outcome, Ok(ReadOutcome::Limited | ReadOutcome::Drained)) {
            self.close(outcome);
        }
    }

    /// Takes what the command had written before it ended. The kernel has all of it by now, so the first time that
    /// nothing is waiting is the end.
    pub(super) fn drain(&mut self, room: usize) {
        let limit = self.limit(room);
        if self.is_open && self.buffer.is_empty() && limit > 0 {
            let outcome = self.stream.read_waiting(&mut self.buffer, limit);
            if !matches!(outcome, Ok(ReadOutcome::Limited)) {
                self.close(outcome);
            }
        }
    }

    fn close(&mut self, outcome: io::Result<ReadOutcome>) {
        self.is_open = false;
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot read what a command writes");
        }
    }

    /// Returns what was read: one frame, with a prefix where a line begins with it (`protocol.md` 6.2).
    pub(super) fn said(&mut self) -> Option<(PayloadType, Bytes)> {
        let ends_line = *self.buffer.last()? == b'\n';
        let mut bytes = BytesMut::with_capacity(self.prefix.len() + self.buffer.len());
        if self.prefix_is_due {
            bytes.put_slice(self.prefix.as_bytes());
        }
        bytes.put_slice(&self.buffer);
        self.buffer.clear();
        self.prefix_is_due = ends_line;
        Some((self.payload_type, bytes.freeze()))
    }
}
