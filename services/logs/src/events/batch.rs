//! The events of one `PutLogEvents` as they are stored: `time (8, little endian) ‖ length (4) ‖ message` for each,
//! compressed, and then sealed.

use std::io;

/// The most bytes of a batch, counting [`OVERHEAD`] for each event. One event may be as large.
pub(crate) const MAX_BATCH: u64 = 1_048_576;

/// What an event counts besides its message.
pub(crate) const OVERHEAD: u64 = 26;

/// The header of an event is shorter than what it counts, so that this holds every batch.
const MAX_ENCODED: usize = 1_048_576;

const HEADER: usize = 12;

const LEVEL: i32 = 3;

/// An event: when it happened, in milliseconds, and what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time_ms: i64,
    pub(crate) message: String,
}

impl Event {
    /// Returns how much it counts against limits.
    pub(crate) fn size(&self) -> u64 {
        self.message.len() as u64 + OVERHEAD
    }
}

/// Says that a stored batch is not one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("the batch cannot be compressed or expanded")]
    Compression(#[from] io::Error),
    #[error("the batch is cut off")]
    Short,
    #[error("a message is not text")]
    NoText(#[from] std::string::FromUtf8Error),
}

/// Writes events of at most [`MAX_BATCH`].
pub(crate) fn encode(events: &[Event]) -> Result<Vec<u8>, BatchError> {
    let size = events.iter().map(|it| HEADER + it.message.len()).sum();
    let mut plain = Vec::with_capacity(size);
    for event in events {
        plain.extend_from_slice(&event.time_ms.to_le_bytes());
        let length = u32::try_from(event.message.len()).map_err(|_| BatchError::Short)?;
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(event.message.as_bytes());
    }
    Ok(zstd::bulk::compress(&plain, LEVEL)?)
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(compressed: &[u8]) -> Result<Vec<Event>, BatchError> {
    let plain = zstd::bulk::decompress(compressed, MAX_ENCODED)?;
    let mut rest = plain.as_slice();
    let mut events = Vec::new();
    while !rest.is_empty() {
        events.push(next(&mut rest)?);
    }
    Ok(events)
}

fn next(rest: &mut &[u8]) -> Result<Event, BatchError> {
    let (time, after) = rest.split_first_chunk().ok_or(BatchError::Short)?;
    let (length, after) = after.split_first_chunk().ok_or(BatchError::Short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| BatchError::Short)?;
    let (message, after) = after.split_at_checked(length).ok_or(BatchError::Short)?;
    *rest = after;
    Ok(Event {
        time_ms: i64::from_le_bytes(*time),
        message: String::from_utf8(message.to_vec())?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            events in prop::collection::vec((any::<i64>(), "\\PC{0,40}"), 0..40)
        ) {
            let events: Vec<_> = events
                .into_iter()
                .map(|(time_ms, message)| Event { time_ms, message })
                .collect();
            let encoded = encode(&events).expect("written");
            prop_assert_eq!(decode(&encoded).expect("read"), events);
        }

        #[test]
        fn anything_else_is_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&zstd::bulk::compress(&bytes, LEVEL).expect("compressed"));
        }
    }

    #[test]
    fn the_largest_batches_fit() {
        for count in [1, 4] {
            let length = usize::try_from(MAX_BATCH / count - OVERHEAD).expect("small");
            let message = "x".repeat(length);
            let events: Vec<_> = (0..count)
                .map(|_| Event {
                    time_ms: 1,
                    message: message.clone(),
                })
                .collect();
            let size: u64 = events.iter().map(Event::size).sum();
            assert_eq!(size, MAX_BATCH);
            assert_eq!(decode(&encode(&events).expect("written")).expect("read"), events);
        }
        let bomb = zstd::bulk::compress(&vec![0; MAX_ENCODED + 1], LEVEL).expect("compressed");
        assert!(decode(&bomb).is_err());
    }
}
