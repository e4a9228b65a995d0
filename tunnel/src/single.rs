//! One connection without a mux: what clients and agents of old know (`protocol.md` 6.5).

use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use crate::Socket;
use crate::connection::{Connection, Written};

/// Bytes that may wait for the program before the other end is left unacknowledged.
const LIMIT_BYTES: usize = 256 * 1024;

/// A program's connection, the only one of its tunnel.
#[derive(Debug)]
pub struct Single {
    connection: Connection,
    socket: Rc<Socket>,
    waiting: usize,
    chunk: usize,
    may_read: bool,
    is_over: bool,
}

/// What came of a program.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Bytes for the other end.
    Bytes(Bytes),
    /// It has hung up; nothing follows.
    HungUp,
}

impl Single {
    /// Takes a socket into use, reading at most `chunk` bytes at once.
    pub fn new(socket: Socket, chunk: usize) -> Single {
        let socket = Rc::new(socket);
        Single {
            connection: Connection::new(Some(Rc::clone(&socket))),
            socket,
            waiting: 0,
            chunk,
            may_read: true,
            is_over: false,
        }
    }

    /// Takes bytes for the program.
    pub fn receive(&mut self, bytes: Bytes) {
        self.waiting += bytes.len();
        self.connection.push(bytes);
        self.write();
    }

    /// Returns what the program said, of at most `room` bytes.
    pub fn poll(&mut self, room: usize) -> Option<Said> {
        if self.is_over {
            return Some(Said::HungUp);
        }
        let most = room.min(self.chunk);
        if most == 0 || !self.may_read {
            return None;
        }
        let mut buffer = BytesMut::with_capacity(most);
        match self.socket.try_read(&mut buffer, most) {
            Ok(0) => Some(Said::HungUp),
            Ok(_) => Some(Said::Bytes(buffer.freeze())),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.may_read = false;
                None
            }
            Err(_) => Some(Said::HungUp),
        }
    }

    /// Waits until there is something to read, or room to write what waits. Cancel safe.
    pub async fn next(&mut self) {
        let waits = self.waiting > 0;
        let socket = Rc::clone(&self.socket);
        tokio::select! {
            () = socket.readable(), if !self.may_read => self.may_read = true,
            () = socket.writable(), if waits => self.write(),
            () = std::future::pending() => {}
        }
    }

    /// Says whether what the other end sends should be left unacknowledged for now.
    pub fn is_full(&self) -> bool {
        self.waiting >= LIMIT_BYTES
    }

    fn write(&mut self) {
        match self.connection.write() {
            Written::All(_) => self.waiting = 0,
            Written::Some(count) => self.waiting -= count,
            Written::Broken(_) => {
                self.waiting = 0;
                self.is_over = true;
            }
        }
    }
}
