//! One connection: TLS, then HTTP/1.1 or HTTP/2 as the handshake agreed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::http::{AnswerBody, Gateway};
use crate::limits::Limits;
use crate::listener::{Io, Place};
use crate::request_ids::RequestIds;

/// HTTP/2 by its name in the TLS handshake.
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// Bytes of bodies that an HTTP/2 connection may have on their way.
const HTTP2_WINDOW: u32 = 64 * 1024;

/// HTTP/1.1 by its name in the TLS handshake.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Who is at the other end, and what becomes of the connection when it is upgraded.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The version of TLS, as policies write it.
    pub(crate) tls_version: Option<&'static str>,
    /// Kept by whoever keeps the connection open.
    pub(crate) _place: Place,
    /// Takes the byte stream out of an upgraded connection, with what was read of it already.
    pub(crate) unwrap: fn(Upgraded) -> Option<(BoxedIo, Bytes)>,
}

/// A byte stream whose make no longer matters.
pub(crate) type BoxedIo = Box<dyn Io>;

/// Serves a connection until it ends, or its requests are answered after `stop`.
pub(crate) async fn serve<S: Io>(
    gateway: Arc<Gateway>,
    tls: TlsAcceptor,
    io: S,
    address: SocketAddr,
    place: Place,
    stop: CancellationToken,
) {
    let handshake = timeout(gateway.limits.handshake_within, tls.accept(io));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, error = &error as &dyn std::error::Error, "a TLS handshake failed");
            return;
        }
        Err(_elapsed) => {
            tracing::debug!(%address, "a TLS handshake took too long");
            return;
        }
    };
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
    let tls_version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => Some("1.3"),
        Some(rustls::ProtocolVersion::TLSv1_2) => Some("1.2"),
        _ => None,
    };
    let peer = Peer {
        address,
        tls_version,
        _place: place,
        unwrap: unwrap_upgraded::<S>,
    };
    let (limits, random) = (gateway.limits.clone(), Arc::clone(&gateway.random));
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, peer) = (Arc::clone(&gateway), peer.clone());
        async move { Ok::<_, Infallible>(gateway.answer(request, peer).await) }
    });
    let served = if is_h2 {
        serve_http2(stream, service, &limits, &stop).await
    } else {
        let stream = RequestIds::new(stream, address, random);
        serve_http1(stream, service, &limits, &stop).await
    };
    if let Err(error) = served {
        tracing::debug!(%address, error = &error as &dyn std::error::Error, "a connection failed");
    }
}

async fn serve_http1<S, F>(
    stream: RequestIds<TlsStream<S>>,
    service: F,
    limits: &Limits,
    stop: &CancellationToken,
) -> hyper::Result<()>
where
    S: Io,
    F: hyper::service::Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible>,
    F::Future: Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes * 2)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(limits.drain_within, connection).await.unwrap_or(Ok(()))
}

async fn serve_http2<S, F>(
    stream: TlsStream<S>,
    service: F,
    limits: &Limits,
    stop: &CancellationToken,
) -> hyper::Result<()>
where
    S: Io,
    F: hyper::service::Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible>,
    F::Future: Send + 'static,
{
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.headers_within)
        .keep_alive_timeout(limits.headers_within)
        .max_concurrent_streams(limits.streams)
        // What nobody has asked for yet is kept too, up to these windows.
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(limits.drain_within, connection).await.unwrap_or(Ok(()))
}

fn unwrap_upgraded<S: Io>(upgraded: Upgraded) -> Option<(BoxedIo, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<RequestIds<TlsStream<S>>>>().ok()?;
    Some((Box::new(parts.io.into_inner().into_inner()), parts.read_buf))
}
