//! Many connections over the one stream of a tunnel.
//!
//! ```text
//!   local sockets                                                                    sockets at the node
//!   ─ read ──▶ open, data, finish ──▶ [ Mux ] ── payloads of the data channel ──▶ [ Mux ] ──▶ events ── write ─▶
//!   ◀ write ── events ◀──────────────         ◀─────────────────────────────────          ◀── accept, data, finish
//! ```
//!
//! There are two kinds. [`Smux`] is what AWS's programs speak (`protocol.md` 6.6): one connection that is not read stalls all,
//! and the end of one direction is the end of both. [`Credited`] is spoken between our own ends, agreed through the server:
//! every connection has a credit of its own in each direction, its directions end apart, and a refusal says why.
//!
//! [`Flows`] is neither end: it looks on, and knows who was connected to what.
//!
//! The data channel below delivers in order, exactly once and across lost connections, so none of this knows about loss.
//! A [`Mux`] keeps no payload bytes: what is to be sent it only wraps, and what arrives it gives out as events.

#[cfg(test)]
mod command_tests;
mod credited;
mod flows;
mod kind;
mod message;
mod passing;
mod smux;
#[cfg(test)]
mod tests;
mod versions;

use bytes::{Bytes, BytesMut};

pub use credited::{Credited, MAX_STREAMS};
pub use flows::{Flow, FlowOutcome, Flows, Rest};
pub use kind::LONGEST_OPENING;
pub use message::{Accepted, Exit, Opening, Refusal, RefusalCode, Reset};
pub use passing::{Meaning, Passing, Saying};
pub use smux::{MAX_SMUX_BUFFER, Smux};
pub use versions::{client_multiplexes, node_multiplexes};

use crate::wire::PayloadType;

/// Bytes that [`Mux::wrap`] wants free at the front of what it is given, for its header.
pub const HEADER_BYTES: usize = 8;

/// Names one connection within its tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Says which end of the tunnel a mux is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where connections are made; it opens streams.
    Client,
    /// Where they lead to; it accepts or refuses streams.
    Node,
}

/// Tells an end what the other one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client asks for a connection: [`accept`](Mux::accept) or [`refuse`](Mux::refuse) it.
    Opened(StreamId, Opening),
    /// The node has reached the destination. AWS's agent never says so.
    Accepted(StreamId, Accepted),
    /// The node has not, and the stream is gone.
    Refused(StreamId, Refusal),
    /// Bytes, next in order. Say [`consumed`](Mux::consumed) once they are written.
    Data(StreamId, Bytes),
    /// Bytes that a command wrote as its errors, for the same credit.
    Errors(StreamId, Bytes),
    /// A command has ended, and the stream is gone.
    Exited(StreamId, Exit),
    /// A command is to be signalled.
    Signalled(StreamId, u8),
    /// More may be sent again on a stream whose [`capacity`](Mux::capacity) was 0.
    Room(StreamId),
    /// The other end sends no more; this one may.
    Finished(StreamId),
    /// The stream is gone; what came before it is still good.
    Closed(StreamId),
    /// The stream is gone because something broke, and what came before it may be incomplete.
    Reset(StreamId, Reset),
}

/// Says what is wrong with what the other end sent. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MuxError {
    /// The message is shorter than its header.
    #[error("a message of {0} bytes is too short")]
    Short(usize),
    /// The bytes are of another protocol or version.
    #[error("version {0} of the multiplexing protocol is not known")]
    Version(u8),
    /// The number names no message.
    #[error("message {0} is not known")]
    Kind(u8),
    /// The message has no business at this end or at this moment.
    #[error("{what} is unexpected for stream {stream}")]
    Unexpected {
        /// The message.
        what: &'static str,
        /// The stream that it names.
        stream: u32,
    },
    /// The message's body cannot be read.
    #[error("the body of {what} cannot be read")]
    Body {
        /// The message.
        what: &'static str,
    },
    /// More was sent than was allowed; the stream is reset.
    #[error("stream {stream} was sent {excess} bytes more than it had credit for")]
    Credit {
        /// The stream.
        stream: u32,
        /// How many.
        excess: u64,
    },
}

/// Is either kind.
#[derive(Debug)]
pub enum Mux {
    /// Towards AWS's programs.
    Smux(Smux),
    /// Between our own ends.
    Credited(Credited),
}

impl Mux {
    /// Takes the payload of a stream frame. Whatever of it was sound has been applied when this returns an error.
    ///
    /// # Errors
    ///
    /// See [`MuxError`]. After an error of a [`Smux`] nothing that follows can be understood.
    pub fn receive(&mut self, payload: Bytes) -> Result<(), MuxError> {
        match self {
            Mux::Smux(mux) => mux.receive(payload),
            Mux::Credited(mux) => mux.receive(payload),
        }
    }

    /// Returns the next thing that the other end did.
    pub fn poll_event(&mut self) -> Option<Event> {
        match self {
            Mux::Smux(mux) => mux.poll_event(),
            Mux::Credited(mux) => mux.poll_event(),
        }
    }

    /// Returns the next message of the mux's own to send, before any data.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        match self {
            Mux::Smux(mux) => mux.poll_transmit(),
            Mux::Credited(mux) => mux.poll_transmit(),
        }
    }

    /// Asks the node for a connection; `None` when there are too many.
    pub fn open(&mut self, opening: &Opening) -> Option<StreamId> {
        match self {
            Mux::Smux(mux) => mux.open(),
            Mux::Credited(mux) => mux.open(opening),
        }
    }

    /// Tells the client that its destination is reached.
    pub fn accept(&mut self, stream: StreamId, accepted: &Accepted) {
        match self {
            Mux::Smux(_) => {}
            Mux::Credited(mux) => mux.accept(stream, accepted),
        }
    }

    /// Tells the client that its destination is not reached, and forgets the stream.
    pub fn refuse(&mut self, stream: StreamId, refusal: &Refusal) {
        match self {
            Mux::Smux(mux) => mux.close(stream),
            Mux::Credited(mux) => mux.refuse(stream, refusal),
        }
    }

    /// Returns how many bytes may be wrapped for a stream now; 0 means to leave its socket alone.
    pub fn capacity(&self, stream: StreamId) -> usize {
        match self {
            Mux::Smux(mux) => mux.capacity(stream),
            Mux::Credited(mux) => mux.capacity(stream),
        }
    }

    /// Makes a message of bytes for a stream; the first [`HEADER_BYTES`] of `buffer` are overwritten.
    ///
    /// Ask [`capacity`](Mux::capacity) first: at most so many bytes may stand behind the header.
    pub fn wrap(&mut self, stream: StreamId, buffer: BytesMut) -> Bytes {
        match self {
            Mux::Smux(mux) => mux.wrap(stream, buffer),
            Mux::Credited(mux) => mux.wrap(stream, buffer),
        }
    }

    /// Tells the other end that nothing more will be sent. Between our own ends it may still answer.
    pub fn finish(&mut self, stream: StreamId) {
        match self {
            Mux::Smux(mux) => mux.close(stream),
            Mux::Credited(mux) => mux.finish(stream),
        }
    }

    /// Gives a stream up because something broke.
    pub fn reset(&mut self, stream: StreamId, reset: &Reset) {
        match self {
            Mux::Smux(mux) => mux.close(stream),
            Mux::Credited(mux) => mux.reset(stream, reset),
        }
    }

    /// Notes that bytes of a stream have left this end, so that more may come.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        match self {
            Mux::Smux(mux) => mux.consumed(bytes),
            Mux::Credited(mux) => mux.consumed(stream, bytes),
        }
    }

    /// Says whether what the other end sends should be left unacknowledged for now, because too much of it, or of what is
    /// owed for it, waits here.
    pub fn is_full(&self) -> bool {
        match self {
            Mux::Smux(mux) => mux.is_full(),
            Mux::Credited(mux) => mux.is_full(),
        }
    }

    /// Returns what the payloads are called in the data channel.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Mux::Smux(_) => PayloadType::Output,
            Mux::Credited(_) => PayloadType::Multiplexed,
        }
    }

    /// Says whether an end of one direction leaves the other one open.
    pub fn closes_by_halves(&self) -> bool {
        matches!(self, Mux::Credited(_))
    }

    /// Returns how many connections there are.
    pub fn streams(&self) -> usize {
        match self {
            Mux::Smux(mux) => mux.streams(),
            Mux::Credited(mux) => mux.streams(),
        }
    }
}
