//! One direction of a data channel.

/// Says why a stream frame cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// The number is negative.
    #[error("sequence number {sequence} is negative")]
    Negative {
        /// Number received.
        sequence: i64,
    },
    /// The number is further ahead than frames are kept for.
    #[error("sequence number {sequence} is too far ahead of {expected}")]
    TooFarAhead {
        /// Number received.
        sequence: i64,
        /// Number that would be in order.
        expected: i64,
    },
}
