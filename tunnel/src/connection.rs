//! One connection: its socket, and what waits to be written to it.
//!
//! ```text
//!              read: end                        all written, other end finished
//!   Reading ──────────────▶ Read       Writing ─────────────────────────────────▶ Written
//! ```

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use bytes::{Buf, Bytes};

use crate::{Figures, Socket};

/// Pieces written with one call.
const PIECES: usize = 16;

/// One connection at this end of the tunnel.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Not there while the node dials.
    pub(crate) socket: Option<Rc<Socket>>,
    input: VecDeque<Bytes>,
    /// What is to be done once everything was written.
    pub(crate) afterwards: Afterwards,
    /// Whether it has its turn to be read coming.
    pub(crate) is_queued: bool,
    pub(crate) is_read: bool,
    pub(crate) waits_to_write: bool,
    pub(crate) figures: Figures,
}

/// What the other end wants done once it has nothing more to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It may say more.
    #[default]
    Nothing,
    /// The program is told that nothing more will come.
    Finish,
    /// So is this done.
    Finished,
    /// The socket is closed.
    Close,
}

/// How writing went.
#[derive(Debug)]
pub(crate) enum Written {
    /// So many bytes went out, and nothing waits.
    All(usize),
    /// So many bytes went out, and more wait for the program to read.
    Some(usize),
    /// The program is gone.
    Broken(io::Error),
}

impl Connection {
    pub(crate) fn new(socket: Option<Rc<Socket>>) -> Connection {
        Connection {
            socket,
            ..Connection::default()
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.input.push_back(bytes);
    }

    /// Writes what can be written without waiting.
    pub(crate) fn write(&mut self) -> Written {
        let Some(socket) = self.socket.clone() else {
            return Written::Some(0);
        };
        let mut written = 0;
        while !self.input.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = self.input.len().min(PIECES);
            for (piece, bytes) in pieces.iter_mut().zip(&self.input) {
                *piece = IoSlice::new(bytes);
            }
            match socket.try_write(&pieces[..count]) {
                Ok(taken) => {
                    written += taken;
                    self.figures.written += taken as u64;
                    self.remove(taken);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Written::Some(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Written::Broken(error),
            }
        }
        Written::All(written)
    }

    /// Returns how many bytes wait for the program.
    pub(crate) fn waiting(&self) -> usize {
        self.input.iter().map(Bytes::len).sum()
    }

    fn remove(&mut self, mut count: usize) {
        while let Some(front) = self.input.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.input.pop_front();
        }
    }
}
