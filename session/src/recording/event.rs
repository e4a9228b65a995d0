//! What happened in a session, and how it is written down.
//!
//! ```text
//! offset length field
//!      0      1 kind
//!      1      8 milliseconds since the session's start, big-endian
//!      9      4 length of the body
//!     13      n body
//!
//! kind  name    body
//!    1  output  bytes
//!    2  errors  bytes
//!    3  resize  columns and rows, u16 each
//!    4  key     the session's wrapped data key
//!    5  exit    i32
//!    6  end     whether there is an exit code (u8), the code (i32), why (UTF-8)
//!    7  note    UTF-8
//!    8  beside  a message about commands beside a shell
//! ```

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since the session's start; never less than that of the event before.
    pub at_ms: u64,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Bytes that the terminal or the command wrote, as one frame carried them.
    Output(Vec<u8>),
    /// Bytes that a command wrote as its errors.
    Errors(Vec<u8>),
    /// The client's terminal has this size from here on.
    Resize {
        /// Cells in a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// The data key of the session, wrapped: what follows is encrypted with it.
    Key(Vec<u8>),
    /// What ran ended with this code.
    Exit(i32),
    /// The session ended; the last event.
    End {
        /// The exit code, where one is known.
        exit_code: Option<i32>,
        /// Why, for people.
        why: String,
    },
    /// Something that is not in the recording, in words.
    Note(String),
    /// A message about a command that ran beside a shell, as the node sent it: its words, what it wrote or how it ended.
    Beside(Vec<u8>),
}

/// Says that bytes are not events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// They end in the middle of one.
    #[error("an event is cut off")]
    CutOff,
    /// The body is not what the kind has.
    #[error("an event of kind {0} has an impossible body")]
    Body(u8),
    /// No event is of this kind.
    #[error("events of kind {0} are not known")]
    Kind(u8),
}

/// Bytes before the body.
const PREFIX_BYTES: usize = 13;

impl Event {
    /// Appends the event's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.what.kind());
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        let place = out.len();
        out.extend_from_slice(&[0; 4]);
        self.what.write_body(out);
        let length = out.len() - place - 4;
        // Every body comes from one frame, and a frame has 1 MiB at most.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        out[place..place + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Reads events to the end of the bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not whole events of known kinds; nothing is allocated by an announced length.
    pub fn read_all(mut bytes: &[u8]) -> Result<Vec<Self>, EventError> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (event, rest) = Self::read(bytes)?;
            events.push(event);
            bytes = rest;
        }
        Ok(events)
    }

    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), EventError> {
        let (&kind, rest) = bytes.split_first().ok_or(EventError::CutOff)?;
        let (at_ms, rest) = rest.split_first_chunk::<8>().ok_or(EventError::CutOff)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(EventError::CutOff)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (body, rest) = rest.split_at_checked(length).ok_or(EventError::CutOff)?;
        let event = Self {
            at_ms: u64::from_be_bytes(*at_ms),
            what: Happening::read(kind, body)?,
        };
        Ok((event, rest))
    }

    /// Returns how many bytes [`Event::write`] appends, about.
    pub fn size(&self) -> usize {
        let body = match &self.what {
            Happening::Output(bytes)
            | Happening::Errors(bytes)
            | Happening::Key(bytes)
            | Happening::Beside(bytes) => bytes.len(),
            Happening::Note(text) | Happening::End { why: text, .. } => text.len(),
            Happening::Resize { .. } | Happening::Exit(_) => 4,
        };
        PREFIX_BYTES + body
    }
}

impl Happening {
    fn kind(&self) -> u8 {
        match self {
            Self::Output(_) => 1,
            Self::Errors(_) => 2,
            Self::Resize { .. } => 3,
            Self::Key(_) => 4,
            Self::Exit(_) => 5,
            Self::End { .. } => 6,
            Self::Note(_) => 7,
            Self::Beside(_) => 8,
        }
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Output(bytes) | Self::Errors(bytes) | Self::Key(bytes) | Self::Beside(bytes) => {
                out.extend_from_slice(bytes);
            }
            Self::Resize { columns, rows } => {
                out.extend_from_slice(&columns.to_be_bytes());
                out.extend_from_slice(&rows.to_be_bytes());
            }
            Self::Exit(code) => out.extend_from_slice(&code.to_be_bytes()),
            Self::End { exit_code, why } => {
                out.push(u8::from(exit_code.is_some()));
                out.extend_from_slice(&exit_code.unwrap_or(0).to_be_bytes());
                out.extend_from_slice(why.as_bytes());
            }
            Self::Note(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    fn read(kind: u8, body: &[u8]) -> Result<Self, EventError> {
        let wrong = EventError::Body(kind);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| wrong);
        Ok(match kind {
            1 => Self::Output(body.to_vec()),
            2 => Self::Errors(body.to_vec()),
            3 => {
                let [a, b, c, d] = *body else { return Err(wrong) };
                Self::Resize {
                    columns: u16::from_be_bytes([a, b]),
                    rows: u16::from_be_bytes([c, d]),
                }
            }
            4 => Self::Key(body.to_vec()),
            5 => Self::Exit(i32::from_be_bytes(body.try_into().map_err(|_| wrong)?)),
            6 => {
                let (&has_code, rest) = body.split_first().ok_or(wrong)?;
                let (code, why) = rest.split_first_chunk::<4>().ok_or(wrong)?;
                Self::End {
                    exit_code: (has_code != 0).then(|| i32::from_be_bytes(*code)),
                    why: text(why)?,
                }
            }
            7 => Self::Note(text(body)?),
            8 => Self::Beside(body.to_vec()),
            other => return Err(EventError::Kind(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any};
    use proptest::{prop_oneof, proptest};

    use super::*;

    fn happening() -> impl Strategy<Value = Happening> {
        let bytes = || vec(any::<u8>(), 0..50);
        prop_oneof![
            bytes().prop_map(Happening::Output),
            bytes().prop_map(Happening::Errors),
            (any::<u16>(), any::<u16>()).prop_map(|(columns, rows)| Happening::Resize { columns, rows }),
            bytes().prop_map(Happening::Key),
            any::<i32>().prop_map(Happening::Exit),
            (any::<Option<i32>>(), ".{0,20}").prop_map(|(exit_code, why)| Happening::End { exit_code, why }),
            ".{0,20}".prop_map(Happening::Note),
            Just(Happening::Note(String::new())),
            bytes().prop_map(Happening::Beside),
        ]
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(events in vec((any::<u64>(), happening()), 0..20)) {
            let events: Vec<_> = events.into_iter().map(|(at_ms, what)| Event { at_ms, what }).collect();
            let mut bytes = Vec::new();
            events.iter().for_each(|event| event.write(&mut bytes));
            assert_eq!(Event::read_all(&bytes), Ok(events));
        }

        #[test]
        fn nothing_brings_the_reader_down(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Event::read_all(&bytes);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let mut bytes = Vec::new();
        let event = Event {
            at_ms: 1,
            what: Happening::Exit(3),
        };
        event.write(&mut bytes);
        assert_eq!(
            Event::read_all(&bytes[..bytes.len() - 1]),
            Err(EventError::CutOff)
        );
        bytes[0] = 3;
        assert!(Event::read_all(&bytes).is_ok(), "as long as a size");
        bytes[0] = 6;
        assert_eq!(Event::read_all(&bytes), Err(EventError::Body(6)));
        bytes[0] = 99;
        assert_eq!(Event::read_all(&bytes), Err(EventError::Kind(99)));
    }
}
