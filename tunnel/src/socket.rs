//! A connected socket of either kind.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::buf::Limit;
use bytes::{BufMut, BytesMut};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{Shutdown, shutdown};
use tokio::net::{TcpStream, UnixStream};

/// Is what a program is connected with.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a UNIX socket.
    Unix(UnixStream),
}

impl Socket {
    /// Takes a TCP connection into use.
    ///
    /// # Errors
    ///
    /// The connection is gone already.
    pub fn tcp(stream: TcpStream) -> io::Result<Socket> {
        // Requests and their answers must not wait for one another.
        stream.set_nodelay(true)?;
        Ok(Socket::Tcp(stream))
    }

    pub(crate) async fn readable(&self) {
        // What is wrong with it, the next read says.
        let _ = match self {
            Socket::Tcp(stream) => stream.readable().await,
            Socket::Unix(stream) => stream.readable().await,
        };
    }

    pub(crate) async fn writable(&self) {
        let _ = match self {
            Socket::Tcp(stream) => stream.writable().await,
            Socket::Unix(stream) => stream.writable().await,
        };
    }

    /// Reads at most `most` bytes behind what `buffer` holds.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
        let mut room: Limit<&mut BytesMut> = buffer.limit(most);
        match self {
            Socket::Tcp(stream) => stream.try_read_buf(&mut room),
            Socket::Unix(stream) => stream.try_read_buf(&mut room),
        }
    }

    pub(crate) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write_vectored(pieces),
            Socket::Unix(stream) => stream.try_write_vectored(pieces),
        }
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&self) {
        // A program that is gone says so itself.
        let _ = match self {
            Socket::Tcp(stream) => shutdown(stream, Shutdown::Write),
            Socket::Unix(stream) => shutdown(stream, Shutdown::Write),
        };
    }

    /// Makes closing it an error for whoever is connected, which is how a program learns that something broke.
    pub(crate) fn break_off(&self) {
        if let Socket::Tcp(stream) = self {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}
