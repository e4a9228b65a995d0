//! Counting what peers do wrong.

/// Counts messages that were refused or ignored, by the rule they broke. None of them was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Not a frame: too short, wrong lengths, no message type, no created date.
    pub undecodable: u64,
    /// Longer than a frame may be.
    pub oversized: u64,
    /// The payload does not match its digest.
    pub bad_digest: u64,
    /// A message type that this version does not know.
    pub unknown_type: u64,
    /// A message that only the other end may send.
    pub wrong_direction: u64,
    /// A sequence number that is negative or too far ahead.
    pub out_of_range: u64,
    /// A payload that cannot be read.
    pub bad_payload: u64,
    /// An acknowledgement of a frame that was never sent.
    pub unknown_acknowledgement: u64,
    /// A watcher that tried to do anything but acknowledge.
    pub watcher_input: u64,
    /// A handshake answer that nobody had asked for, replaced by a harmless frame.
    pub unasked_answer: u64,
    /// A handshake answer in which not everybody would read the same data key, replaced by a harmless frame.
    pub unclear_answer: u64,
    /// Something that a node said before an encrypted session had its key; it was not kept.
    pub in_the_clear: u64,
    /// A frame for which there was no room; its sender will send it again.
    pub no_room: u64,
    /// Anything on a connection that was replaced or closed.
    pub stale_connection: u64,
}
