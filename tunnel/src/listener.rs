//! Where programs on the client's machine connect.

use std::fs;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::net::{TcpListener, UnixListener};

use crate::Socket;

/// How long after a failure nobody is accepted: what is short, files above all, may be there again.
const PAUSE: Duration = Duration::from_millis(100);

/// A place to connect to.
#[derive(Debug)]
pub enum Listener {
    /// A port, on one address or more.
    Tcp(Vec<TcpListener>),
    /// A socket, which is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a socket.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed meanwhile, or be another's.
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens on a port, 0 for any that is free, of every address that `host` has here.
    ///
    /// # Errors
    ///
    /// The port is taken, or the host is not here.
    pub async fn tcp(host: &str, port: u16) -> io::Result<Listener> {
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut failure = None;
        for mut address in tokio::net::lookup_host((host, port)).await? {
            if let Some(first) = listeners.first() {
                address.set_port(first.local_addr()?.port());
            }
            match TcpListener::bind(address).await {
                Ok(listener) => listeners.push(listener),
                // A machine without IPv6 has the name all the same; a port that is taken is taken.
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => failure = Some(error),
                Err(error) if port == 0 && !listeners.is_empty() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (listeners.is_empty(), failure) {
            (false, _) => Ok(Listener::Tcp(listeners)),
            (true, failure) => Err(failure.unwrap_or_else(|| ErrorKind::NotFound.into())),
        }
    }

    /// Listens on a socket that only this account can use. One that nobody listens on any more is replaced.
    ///
    /// # Errors
    ///
    /// Something else is there, or the folder cannot be written.
    pub fn unix(path: &Path) -> io::Result<Listener> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        if is_socket
            && StdUnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        {
            fs::remove_file(path)?;
        }
        let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let bound = UnixListener::bind(path);
        umask(before);
        Ok(Listener::Unix(bound?, SocketFile(path.to_owned())))
    }

    /// Returns the addresses, or nothing for a socket.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Listener::Tcp(listeners) => listeners
                .iter()
                .filter_map(|listener| listener.local_addr().ok())
                .collect(),
            Listener::Unix(..) => Vec::new(),
        }
    }

    /// Returns how people name it: an address and port, or a path.
    pub fn name(&self) -> String {
        match self {
            Listener::Tcp(_) => {
                let first = self.addresses().into_iter().next();
                first.map(|address| address.to_string()).unwrap_or_default()
            }
            Listener::Unix(_, SocketFile(path)) => path.display().to_string(),
        }
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Socket, String)>> {
        match self {
            Listener::Tcp(listeners) => {
                for listener in listeners {
                    if let Poll::Ready(accepted) = listener.poll_accept(context) {
                        return Poll::Ready(
                            accepted.and_then(|(stream, from)| Ok((Socket::tcp(stream)?, from.to_string()))),
                        );
                    }
                }
                Poll::Pending
            }
            Listener::Unix(listener, _) => listener
                .poll_accept(context)
                .map(|accepted| accepted.map(|(stream, _)| (Socket::Unix(stream), String::new()))),
        }
    }
}

/// A program that has connected.
#[derive(Debug)]
pub struct Arrived {
    /// Which listener it came to.
    pub listener: usize,
    /// Its connection.
    pub socket: Socket,
    /// Its address; empty for a socket.
    pub from: String,
}

/// All listeners of a client.
#[derive(Debug)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Takes listeners into use.
    pub fn new(listeners: Vec<Listener>) -> Listeners {
        Listeners(listeners)
    }

    /// Waits for the next program. Cancel safe.
    pub async fn accept(&self) -> Arrived {
        loop {
            let accepted = poll_fn(|context| {
                for (listener, one) in self.0.iter().enumerate() {
                    if let Poll::Ready(accepted) = one.poll_accept(context) {
                        return Poll::Ready((listener, accepted));
                    }
                }
                Poll::Pending
            });
            match accepted.await {
                (listener, Ok((socket, from))) => {
                    return Arrived {
                        listener,
                        socket,
                        from,
                    };
                }
                (_, Err(_)) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Returns the listeners.
    pub fn all(&self) -> &[Listener] {
        &self.0
    }
}
