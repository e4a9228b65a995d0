//! The kinds of message between our own ends, as [`Credited`](super::Credited) lists them.

use serde::de::DeserializeOwned;

use super::{HEADER_BYTES, MuxError, StreamId};

/// Bytes of the longest document that is read; a real one has some hundred.
const LONGEST_DOCUMENT: usize = 4096;

/// The same of one that carries the words of a command. With its header it is half of what our ends take in one frame, so
/// that a command line of 128 KiB, which Linux would execute, does not fit and is asked for in a session of its own.
pub const LONGEST_OPENING: usize = 64 * 1024 - HEADER_BYTES;

/// Writes the header of a message.
pub(super) fn header(kind: Kind, stream: StreamId) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = stream.0.to_be_bytes();
    [kind as u8, 0, 0, 0, a, b, c, d]
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Open = 0,
    Accept = 1,
    Refuse = 2,
    Data = 3,
    Finish = 4,
    Reset = 5,
    Credit = 6,
    Errors = 7,
    Exit = 8,
    Begin = 9,
    Signal = 10,
}

impl Kind {
    pub(super) fn from_number(number: u8) -> Option<Kind> {
        Some(match number {
            0 => Kind::Open,
            1 => Kind::Accept,
            2 => Kind::Refuse,
            3 => Kind::Data,
            4 => Kind::Finish,
            5 => Kind::Reset,
            6 => Kind::Credit,
            7 => Kind::Errors,
            8 => Kind::Exit,
            9 => Kind::Begin,
            10 => Kind::Signal,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Accept => "accept",
            Kind::Refuse => "refuse",
            Kind::Data => "data",
            Kind::Finish => "finish",
            Kind::Reset => "reset",
            Kind::Credit => "credit",
            Kind::Errors => "errors",
            Kind::Exit => "exit",
            Kind::Begin => "begin",
            Kind::Signal => "signal",
        }
    }

    pub(super) fn unexpected(self, stream: StreamId) -> MuxError {
        MuxError::Unexpected {
            what: self.name(),
            stream: stream.0,
        }
    }

    pub(super) fn unreadable(self) -> MuxError {
        MuxError::Body { what: self.name() }
    }

    pub(super) fn read<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, MuxError> {
        let longest = match self {
            Kind::Open | Kind::Accept => LONGEST_OPENING,
            _ => LONGEST_DOCUMENT,
        };
        let body = Some(body).filter(|body| body.len() <= longest);
        body.and_then(|body| serde_json::from_slice(body).ok())
            .ok_or_else(|| self.unreadable())
    }
}
