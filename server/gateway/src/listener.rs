//! The accept loop: one task per connection, a cap on their number, and a loop that nothing ends but the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Pause after an accept that failed: the usual reason is that no file descriptor is left, and a connection has
/// to end before the next one can begin.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);

/// The kernel gives up on a peer that acknowledges nothing for this long.
const UNACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// A byte stream that a connection can run on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// Where connections come from.
pub(crate) trait Listen: Send {
    /// What a connection is made of.
    type Io: Io;

    /// Waits for the next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Keystrokes must not wait for more; failing to say so costs nothing but that.
        let _ = stream.set_nodelay(true);
        let patience = u32::try_from(UNACKNOWLEDGED_WITHIN.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, patience);
        Ok((stream, peer))
    }
}

/// A place among the connections; given back when it is dropped.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// Accepts connections until told to stop, handing each with its place to `serve`.
pub(crate) async fn accept_until_stopped<L: Listen>(
    mut listener: L,
    connections: usize,
    stop: &CancellationToken,
    mut serve: impl FnMut(L::Io, SocketAddr, Place),
) {
    let places = Arc::new(Semaphore::new(connections));
    let accept = async {
        loop {
            // The place first: a connection beyond the cap stays in the kernel's queue, where it costs nothing.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((io, peer)) => serve(io, peer, Arc::new(place)),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot accept a connection"
                    );
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept).await;
}
