//! Input that waits for the far end to take it.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes};
use drawbridge_protocol::wire::PayloadType;

/// Bytes the client sent and the far end has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    queue: VecDeque<Bytes>,
    bytes: usize,
    has_end: bool,
}

/// Beyond this, input is refused until the far end has taken some: a program that never reads must not make the
/// worker hold whatever is pasted into it.
const LIMIT_BYTES: usize = 4 << 20;

impl Input {
    /// Appends what came; nothing, once the end of it has come.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() && !self.has_end {
            self.bytes += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Returns the bytes to write next; empty when there are none.
    pub(super) fn front(&self) -> &[u8] {
        self.queue.front().map_or(&[], |bytes| bytes)
    }

    /// Notes that nothing follows.
    pub(super) fn finish(&mut self) {
        self.has_end = true;
    }

    /// Says whether the client's input has ended and everything of it was taken.
    pub(super) fn is_finished(&self) -> bool {
        self.has_end && self.is_empty()
    }

    /// Writes what can be written without waiting.
    pub(super) fn pass_on(&mut self, write: impl FnOnce(&[u8]) -> io::Result<usize>) {
        if !self.is_empty() {
            let taken = write(self.front());
            self.taken(&taken);
        }
    }

    /// Removes what was written; everything, when nobody is left to read it.
    pub(super) fn taken(&mut self, taken: &io::Result<usize>) {
        match taken {
            Ok(count) => self.remove(*count),
            Err(_) => self.clear(),
        }
    }

    fn remove(&mut self, count: usize) {
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
        self.queue.clear();
        self.bytes = 0;
    }

    /// Returns how many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Says whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Says whether this frame must be left alone for now: unacknowledged, it is sent again by whoever sent it, which
    /// is the only brake the protocol has in this direction (`protocol.md` 4.5 and 4.9). Flags are not left alone: they take
    /// no room, and a signal among them may be what ends a program that does not read.
    pub(super) fn refuses(&self, frame: &[u8]) -> bool {
        self.bytes >= LIMIT_BYTES && is_input(frame)
    }
}

/// Says whether a frame carries input that takes room.
pub(super) fn is_input(frame: &[u8]) -> bool {
    const MESSAGE_TYPE: Range<usize> = 4..36;
    const PAYLOAD_TYPE: Range<usize> = 112..116;
    let flag = u32::from(PayloadType::Flag).to_be_bytes();
    frame
        .get(MESSAGE_TYPE)
        .is_some_and(|name| name.starts_with(b"input_stream_data"))
        && frame.get(PAYLOAD_TYPE).is_none_or(|kind| *kind != flag)
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
            input.taken(&Ok(count));
        }
        assert_eq!(seen, b"abcde");
        assert_eq!(input.bytes, 0);
    }

    #[test]
    fn ends_once_everything_before_the_end_was_taken() {
        let mut input = Input::default();
        input.push(Bytes::from_static(b"ab"));
        input.finish();
        input.push(Bytes::from_static(b"too late"));
        assert!(!input.is_finished());
        input.pass_on(|bytes| Ok(bytes.len()));
        assert!(input.is_finished());
    }

    #[test]
    fn forgets_what_nobody_reads() {
        let mut input = Input::default();
        input.push(Bytes::from_static(b"ab"));
        input.pass_on(|_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(input.is_empty());
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
        frame[112..116].copy_from_slice(&u32::from(PayloadType::Flag).to_be_bytes());
        assert!(!input.refuses(&frame));
        frame[112..116].fill(0);
        assert!(input.refuses(&frame));
        frame[4..21].copy_from_slice(b"acknowledge      ");
        assert!(!input.refuses(&frame));
        assert!(!input.refuses(b"short"));
        input.taken(&Ok(1));
        assert!(!input.refuses(&frame));
    }
}
