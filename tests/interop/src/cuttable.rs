//! A TCP proxy on loopback whose live connections can be cut.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards every connection to one address until dropped.
pub(crate) struct Cuttable {
    port: u16,
    live: Arc<Mutex<JoinSet<()>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Cuttable {
    /// Listens on a free port in front of `target` (`HOST:PORT`).
    pub(crate) async fn in_front_of(target: &str) -> Result<Cuttable> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on loopback")?;
        let port = listener.local_addr()?.port();
        let live = Arc::new(Mutex::new(JoinSet::new()));
        let accepting = tokio::spawn(accept(listener, target.to_owned(), live.clone()));
        Ok(Cuttable {
            port,
            live,
            accepting,
        })
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Resets every live connection; the next ones are forwarded again.
    pub(crate) fn cut(&self) {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: String, live: Arc<Mutex<JoinSet<()>>>) {
    while let Ok((near, _)) = listener.accept().await {
        let target = target.clone();
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        while live.try_join_next().is_some() {}
        live.spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else {
                return;
            };
            forward(near, far).await;
        });
    }
}

/// Copies both ways. When it is aborted both sockets are reset, as a dead network would leave them.
async fn forward(mut near: TcpStream, mut far: TcpStream) {
    for socket in [&near, &far] {
        if socket.set_zero_linger().is_err() || socket.set_nodelay(true).is_err() {
            return;
        }
    }
    let _ = copy_bidirectional(&mut near, &mut far).await;
}
