//! smux, read without keeping any of it.

use super::super::HEADER_BYTES;
use super::super::smux::{FIN, NOP, PSH, SYN, VERSION};

/// Reads the messages of one direction, wherever the frames that carry them are cut.
#[derive(Debug)]
pub(super) struct SmuxReader(State);

#[derive(Debug)]
enum State {
    /// The start of a header that is not all there.
    Header {
        bytes: [u8; HEADER_BYTES],
        filled: usize,
    },
    /// Inside a body.
    Body { id: u32, left: usize },
    /// Nothing that follows can be understood.
    Lost,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Open(u32),
    Body(u32, usize),
    End(u32),
    /// No smux, or nobody knows where in it.
    Undivided(usize),
}

impl SmuxReader {
    pub(super) fn new() -> SmuxReader {
        SmuxReader(NOTHING_YET)
    }

    /// Reads bytes of which nobody knows where a message begins.
    pub(super) fn lost() -> SmuxReader {
        SmuxReader(State::Lost)
    }

    /// Takes the next piece off the front of `bytes`; `None` once nothing is left.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Piece> {
        while !bytes.is_empty() {
            match &mut self.0 {
                State::Lost => return Some(Piece::Undivided(take(bytes, usize::MAX).len())),
                State::Body { id, left } => {
                    let length = take(bytes, *left).len();
                    let piece = Piece::Body(*id, length);
                    *left -= length;
                    if *left == 0 {
                        self.0 = NOTHING_YET;
                    }
                    return Some(piece);
                }
                State::Header {
                    bytes: header,
                    filled,
                } => {
                    let part = take(bytes, HEADER_BYTES - *filled);
                    header[*filled..*filled + part.len()].copy_from_slice(part);
                    *filled += part.len();
                    let (header, filled) = (*header, *filled);
                    if header[0] != VERSION || (filled == HEADER_BYTES && header[1] > NOP) {
                        self.0 = State::Lost;
                        return Some(Piece::Undivided(filled));
                    }
                    if filled == HEADER_BYTES
                        && let Some(piece) = self.message(header)
                    {
                        return Some(piece);
                    }
                }
            }
        }
        None
    }

    /// Takes a whole header, whose command is known.
    fn message(&mut self, [_, command, a, b, c, d, e, f]: [u8; HEADER_BYTES]) -> Option<Piece> {
        let left = usize::from(u16::from_le_bytes([a, b]));
        let id = u32::from_le_bytes([c, d, e, f]);
        self.0 = match command {
            PSH if left > 0 => State::Body { id, left },
            _ => NOTHING_YET,
        };
        match command {
            SYN => Some(Piece::Open(id)),
            FIN => Some(Piece::End(id)),
            _ => None,
        }
    }
}

const NOTHING_YET: State = State::Header {
    bytes: [0; HEADER_BYTES],
    filled: 0,
};

fn take<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (part, rest) = bytes.split_at(bytes.len().min(most));
    *bytes = rest;
    part
}
