//! What a peer can do wrong.

use crate::encryption::Undecryptable;
use crate::payload::PayloadError;
use crate::stream::SequenceError;
use crate::wire::{DecodeError, MessageType, PayloadType};

/// Accuses the peer of breaking one rule.
///
/// The core that returns it is intact: what broke the rule was not applied, and whether to count it and go on or to close
/// the connection is the caller's choice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The bytes are not a frame.
    #[error("cannot read frame")]
    Frame(#[from] DecodeError),
    /// The frame's sequence number is outside what the stream can take.
    #[error("cannot place frame in the stream")]
    Sequence(#[from] SequenceError),
    /// The frame is sound, its payload is not.
    #[error("cannot read payload of `{message_type}`")]
    Payload {
        /// The message that carried it.
        message_type: MessageType,
        /// What is wrong with it.
        source: PayloadError,
    },
    /// The stream frame is sound and was acknowledged, its payload is not and was skipped.
    #[error("cannot read payload of type {payload_type}")]
    StreamPayload {
        /// The kind of payload announced.
        payload_type: PayloadType,
        /// What is wrong with it.
        source: PayloadError,
    },
    /// The stream frame was left unacknowledged: its payload does not decrypt under the session's key, or proves another one.
    #[error("cannot decrypt payload of type {payload_type}")]
    Undecryptable {
        /// The kind of payload announced.
        payload_type: PayloadType,
        /// What is wrong with it.
        source: Undecryptable,
    },
    /// The message has no business at this end or at this moment.
    #[error("unexpected `{0}`")]
    UnexpectedMessage(MessageType),
    /// The stream frame was acknowledged and skipped: its payload has no business at this end or at this moment.
    #[error("unexpected payload of type {0}")]
    UnexpectedPayload(PayloadType),
    /// A text message came where only binary ones are allowed, or the other way round.
    #[error("unexpected text message")]
    UnexpectedText,
    /// The first text frame of a channel cannot be used.
    #[error("cannot open channel")]
    Open(#[source] PayloadError),
}
