//! The client's terminal and the one-number signals.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::payload::PayloadError;

/// Is the size of the client's terminal, in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns, 1 to 65535.
    #[serde(deserialize_with = "clamped")]
    pub cols: u32,
    /// Rows, 1 to 65535.
    #[serde(deserialize_with = "clamped")]
    pub rows: u32,
}

impl Size {
    /// The size AWS's plugin reports when its output is not a terminal.
    pub const WITHOUT_TERMINAL: Size = Size { cols: 300, rows: 100 };

    /// Reads the payload; numbers that no terminal can have are brought to the nearest it can.
    ///
    /// # Errors
    ///
    /// The payload is longer than 1 KiB, or is not JSON with two numbers.
    pub fn parse(payload: &[u8]) -> Result<Size, PayloadError> {
        if payload.len() > MAX_SIZE_BYTES {
            return Err(PayloadError::Length {
                expected: MAX_SIZE_BYTES,
                actual: payload.len(),
            });
        }
        Ok(serde_json::from_slice(payload)?)
    }

    /// Writes the payload.
    pub fn to_bytes(self) -> Bytes {
        format!(r#"{{"cols":{},"rows":{}}}"#, self.cols, self.rows).into()
    }
}

/// The numbers of a Flag payload (`protocol.md` 3.6).
pub mod flag {
    use bytes::Bytes;

    use crate::payload::PayloadError;

    /// The local connection of a tunnel without multiplexing ended; client to node.
    pub const DISCONNECT_TO_PORT: u32 = 1;

    /// The client is leaving a tunnel for good; client to node.
    pub const TERMINATE_SESSION: u32 = 2;

    /// A connection of a multiplexed tunnel was refused; node to client.
    pub const CONNECT_TO_PORT_ERROR: u32 = 3;

    /// The client's standard input has ended; client to a node that named the capability.
    pub const END_OF_INPUT: u32 = 0x0100;

    /// The command is to be sent `SIGINT`; client to a node that named the capability, as are the next two.
    pub const INTERRUPT: u32 = 0x0101;

    /// The command is to be sent `SIGQUIT`.
    pub const QUIT: u32 = 0x0102;

    /// The command is to be sent `SIGTERM`.
    pub const TERMINATE: u32 = 0x0103;

    /// Says whether a number stands for a signal, which does not wait for the input before it.
    pub fn is_signal(number: u32) -> bool {
        matches!(number, INTERRUPT | QUIT | TERMINATE)
    }

    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// The payload is not exactly four bytes.
    pub fn parse(payload: &[u8]) -> Result<u32, PayloadError> {
        let bytes = payload.try_into().map_err(|_| PayloadError::Length {
            expected: 4,
            actual: payload.len(),
        })?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Writes the payload.
    pub fn to_bytes(flag: u32) -> Bytes {
        Bytes::copy_from_slice(&flag.to_be_bytes())
    }
}

/// Length of the longest size document that is read; a real one has some 30 bytes.
const MAX_SIZE_BYTES: usize = 1024;

fn clamped<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    // Every JSON number fits a float, so that negative, fractional and huge ones are clamped and not refused.
    let cells = f64::deserialize(deserializer)?.clamp(1.0, f64::from(u16::MAX));
    Ok(cells as u32)
}

#[cfg(test)]
mod tests {
    use super::{Size, flag};

    #[test]
    fn writes_columns_first() {
        assert_eq!(
            Size { cols: 120, rows: 40 }.to_bytes(),
            r#"{"cols":120,"rows":40}"#
        );
    }

    #[test]
    fn impossible_sizes_are_clamped() {
        for (json, cols, rows) in [
            (r#"{"cols":0,"rows":0}"#, 1, 1),
            (r#"{"cols":65535,"rows":65535}"#, 65535, 65535),
            (r#"{"cols":-5,"rows":4294967295}"#, 1, 65535),
            (r#"{"cols":80.9,"rows":1e300}"#, 80, 65535),
        ] {
            assert_eq!(Size::parse(json.as_bytes()), Ok(Size { cols, rows }), "{json}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let megabyte = format!(r#"{{"cols":1,"rows":1,"x":"{}"}}"#, "y".repeat(1 << 20));
        for json in [
            r#"{"cols":NaN,"rows":1}"#,
            r#"{"cols":"1","rows":1}"#,
            "{}",
            "",
            &megabyte,
        ] {
            assert!(Size::parse(json.as_bytes()).is_err());
        }
    }

    #[test]
    fn flags_have_four_bytes() {
        assert_eq!(flag::parse(&flag::to_bytes(flag::TERMINATE_SESSION)), Ok(2));
        assert!(flag::parse(&[0, 0, 2]).is_err());
        assert!(flag::parse(&[0, 0, 0, 0, 2]).is_err());
    }
}
