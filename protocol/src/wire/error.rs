//! What can be wrong with the bytes of a frame.

/// Says which rule of the layout a message broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends before its header does.
    #[error("message of {length} bytes is shorter than a frame's 120")]
    TooShort {
        /// Bytes received.
        length: usize,
    },
    /// The message is longer than anything a peer has reason to send.
    #[error("message of {length} bytes is longer than the 1048576 allowed")]
    TooLong {
        /// Bytes received.
        length: usize,
    },
    /// The header is not the one this protocol has.
    #[error("header length is {announced}, not 116")]
    HeaderLength {
        /// Value of the field.
        announced: u32,
    },
    /// The announced length of the payload is not its length.
    #[error("payload is announced as {announced} bytes but has {actual}")]
    PayloadLength {
        /// Value of the field.
        announced: u32,
        /// Bytes that follow the header.
        actual: usize,
    },
    /// The message type is blank.
    #[error("message type is blank")]
    NoMessageType,
    /// The created date is zero.
    #[error("created date is zero")]
    NoCreatedDate,
    /// The payload is not the one that was hashed.
    #[error("payload digest does not match")]
    Digest,
}
