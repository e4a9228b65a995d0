//! Input that waits for the terminal to take it.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Bytes the client typed and the terminal has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

/// Beyond this, input is refused until the terminal has taken some: a program that never reads must not make the
/// worker hold whatever is pasted into it.
const LIMIT_BYTES: usize = 4 << 20;

impl Input {
    /// Appends what came.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Returns the bytes to write next; empty when there are none.
    pub(super) fn front(&self) -> &[u8] {
        self.queue.front().map_or(&[], |bytes| bytes)
    }

    /// Removes what was written.
    pub(super) fn taken(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        if let Some(front) = self.queue.front_mut() {
            front.advance(count.min(front.len()));
            if front.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    /// Drops everything, because nobody is there to read it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Says whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Says whether this frame must be left alone for now: unacknowledged, it is sent again by whoever sent it, which
    /// is the only brake the protocol has in this direction (`protocol.md` 4.5 and 4.9).
    pub(super) fn refuses(&self, frame: &[u8]) -> bool {
        const MESSAGE_TYPE: std::ops::Range<usize> = 4..36;
        self.bytes >= LIMIT_BYTES
            && frame
                .get(MESSAGE_TYPE)
                .is_some_and(|name| name.starts_with(b"input_stream_data"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_came_in_any_pieces() {
        let mut input = Input::default();
        for piece in ["abc", "", "de"] {
            input.push(Bytes::from_static(piece.as_bytes()));
        }
        let mut seen = Vec::new();
        while !input.is_empty() {
            let count = input.front().len().min(2);
            seen.extend_from_slice(&input.front()[..count]);
            input.taken(count);
        }
        assert_eq!(seen, b"abcde");
        assert_eq!(input.bytes, 0);
    }

    #[test]
    fn refuses_input_but_nothing_else_when_it_is_full() {
        let mut frame = [b' '; 120];
        frame[4..21].copy_from_slice(b"input_stream_data");
        let mut input = Input::default();
        assert!(!input.refuses(&frame));
        input.push(Bytes::from(vec![0; LIMIT_BYTES]));
        assert!(input.refuses(&frame));
        frame[4..21].copy_from_slice(b"acknowledge      ");
        assert!(!input.refuses(&frame));
        assert!(!input.refuses(b"short"));
        input.taken(1);
        assert!(!input.refuses(&frame));
    }
}
