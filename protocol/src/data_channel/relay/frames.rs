//! The frames that the relay writes itself; all others pass through it as they are.

use bytes::Bytes;
use uuid::Uuid;

use super::Outcome;
use crate::payload::{self, Acknowledge, ChannelClosed, Size};
use crate::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType, PAYLOAD_OFFSET, PayloadType};
use crate::{Hello, MessageIds, Notice, Time};

/// Names the frame that an acknowledgement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) sequence: i64,
    /// Nil where it is not known any more: receivers match by sequence number alone (`protocol.md` 4.2).
    pub(super) message_id: Uuid,
}

/// Is what an end is told of the session's end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) output: &'a str,
    pub(super) exit_code: Option<i32>,
    pub(super) node_failed: bool,
    pub(super) confirm: bool,
}

impl<'a> Told<'a> {
    /// Tells everything, which a client of ours understands.
    pub(super) fn everything(outcome: &'a Outcome) -> Told<'a> {
        Told {
            output: &outcome.output,
            exit_code: outcome.exit_code,
            node_failed: outcome.cause.is_the_nodes(),
            confirm: false,
        }
    }
}

/// Makes frames with ids of their own.
#[derive(Debug)]
pub(super) struct FrameWriter {
    ids: MessageIds,
}

impl FrameWriter {
    pub(super) fn new(ids: MessageIds) -> FrameWriter {
        FrameWriter { ids }
    }

    pub(super) fn acknowledge(
        &mut self,
        of: MessageType,
        frame: Acknowledged,
        cumulative: bool,
        now: Time,
    ) -> Bytes {
        let payload = Acknowledge {
            cumulative,
            ..Acknowledge::new(of, frame.message_id, frame.sequence)
        };
        let control = self.control(MessageType::Acknowledge, payload.to_bytes(), now);
        Frame {
            flags: FLAG_ACKNOWLEDGE,
            ..control
        }
        .encode()
    }

    pub(super) fn pause_publication(&mut self, now: Time) -> Bytes {
        self.control(MessageType::PausePublication, ANYTHING, now)
            .encode()
    }

    pub(super) fn start_publication(&mut self, now: Time) -> Bytes {
        self.control(MessageType::StartPublication, ANYTHING, now)
            .encode()
    }

    pub(super) fn hello(&mut self, hello: &Hello, now: Time) -> Bytes {
        self.control(MessageType::DrawbridgeHello, payload::to_bytes(hello), now)
            .encode()
    }

    pub(super) fn notice(&mut self, text: &str, now: Time) -> Bytes {
        let notice = Notice {
            text: text.to_owned(),
        };
        self.control(MessageType::DrawbridgeNotice, payload::to_bytes(&notice), now)
            .encode()
    }

    pub(super) fn channel_closed(
        &mut self,
        destination: &str,
        session: &str,
        told: Told<'_>,
        now: Time,
    ) -> Bytes {
        let closed = ChannelClosed::new(self.ids.next(), destination, session, told.output, now);
        let closed = ChannelClosed {
            exit_code: told.exit_code,
            node_failed: told.node_failed,
            confirm: told.confirm,
            ..closed
        };
        self.control(MessageType::ChannelClosed, payload::to_bytes(&closed), now)
            .encode()
    }

    /// Makes an input frame that changes nothing at the node, to fill the place of one that is gone or must not arrive.
    ///
    /// A size is never encrypted, and setting a terminal to the size it has does not even signal its program.
    pub(super) fn filler(&mut self, sequence: i64, size: Size, now: Time) -> Bytes {
        let control = self.control(MessageType::InputStreamData, size.to_bytes(), now);
        Frame {
            sequence,
            payload_type: PayloadType::Size,
            ..control
        }
        .encode()
    }

    fn control(&mut self, message_type: MessageType, payload: Bytes, now: Time) -> Frame {
        Frame::control(message_type, self.ids.next(), payload, now)
    }
}

/// Reads the payload type of an encoded frame without checking anything else.
pub(super) fn payload_type_of(encoded: &[u8]) -> PayloadType {
    let field = encoded
        .get(PAYLOAD_OFFSET - 8..)
        .and_then(|rest| rest.first_chunk());
    field.map_or(PayloadType::None, |bytes| {
        PayloadType::from(u32::from_be_bytes(*bytes))
    })
}

/// The payload of a publication switch is not read, but it must not be empty (`protocol.md` 3.4, 3.5).
const ANYTHING: Bytes = Bytes::from_static(b"{}");
