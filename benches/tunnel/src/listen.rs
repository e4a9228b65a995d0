//! Accepting connections on loopback, for every tool that serves.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};

/// Listens on `address`, and prints where that is on a line of its own.
///
/// # Errors
/// When it cannot listen there.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`"))?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

/// Gives every connection to a task of its own.
///
/// A connection that fails is one that a contender gave up: it is told on standard error, and the others go
/// on.
///
/// # Errors
/// When no more connections can be accepted.
pub(crate) async fn serve<F>(listener: TcpListener, serve_one: impl Fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let served = serve_one(stream);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                eprintln!("connection from `{peer}`: {error:#}");
            }
        });
    }
}

/// Connects to `address` without Nagle's algorithm.
///
/// # Errors
/// When nobody accepts there.
pub(crate) async fn dial(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to `{address}`"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
