//! Peers that take their time, and listeners that fail.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificates::client_config;
use super::lab::{Lab, PATIENCE};
use crate::ca::{CertificateAuthority, LeafCertificates};
use crate::connection;
use crate::http::Gateway;
use crate::listener::{Listen, accept_until_stopped};
use crate::tls::acceptor;

/// The server's end of a connection in memory, served; the client's end comes back.
async fn connect(lab: &Lab) -> (DuplexStream, JoinHandle<()>, String) {
    let folder = tempfile::tempdir().expect("temp dir");
    let authority =
        CertificateAuthority::load_or_create(folder.path(), Arc::clone(&lab.gateway.clock)).expect("made");
    let pem = authority.certificate_pem().to_owned();
    let leaves = LeafCertificates::new(authority, vec!["localhost".to_owned()], None).expect("leaves");
    let (near, far) = tokio::io::duplex(64 * 1024);
    let place = Arc::new(Semaphore::new(1))
        .acquire_owned()
        .await
        .expect("a place");
    let gateway: Arc<Gateway> = Arc::clone(&lab.gateway);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let stop = CancellationToken::new();
    let served = connection::serve(
        gateway,
        acceptor(Arc::new(leaves)),
        far,
        address,
        Arc::new(place),
        stop,
    );
    (near, tokio::spawn(served), pem)
}

/// The same behind TLS.
async fn secured(lab: &Lab) -> (TlsStream<DuplexStream>, JoinHandle<()>) {
    let (near, served, pem) = connect(lab).await;
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(client_config(&pem, &[b"http/1.1"]));
    (connector.connect(name, near).await.expect("TLS"), served)
}

/// Runs with a clock that jumps to the next deadline; how long that took by it.
async fn by_the_clock(task: impl Future<Output = ()>) -> Duration {
    tokio::time::pause();
    let before = Instant::now();
    task.await;
    let elapsed = before.elapsed();
    tokio::time::resume();
    elapsed
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for() {
    let lab = Lab::open().await;
    let (mut silent, served, _) = connect(&lab).await;
    let elapsed = by_the_clock(async {
        let mut nothing = Vec::new();
        silent.read_to_end(&mut nothing).await.expect("closed");
        served.await.expect("no panic");
    })
    .await;
    assert!(
        elapsed >= Duration::from_secs(10) && elapsed < Duration::from_secs(12),
        "{elapsed:?}"
    );
    lab.close().await;
}

#[tokio::test]
async fn headers_that_trickle_in_are_cut_off() {
    let lab = Lab::open().await;
    let (mut stream, served) = secured(&lab).await;
    let elapsed = by_the_clock(async {
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
            .await
            .expect("written");
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if stream.write_all(b"x-a: b\r\n").await.is_err() || served.is_finished() {
                break;
            }
        }
    })
    .await;
    assert!(elapsed <= Duration::from_secs(40), "{elapsed:?}");
    lab.close().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_and_dropped() {
    let lab = Lab::open().await;
    let (mut stream, _served) = secured(&lab).await;
    let mut answer = vec![0; 12];
    let elapsed = by_the_clock(async {
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx")
            .await
            .expect("written");
        stream.read_exact(&mut answer).await.expect("an answer");
    })
    .await;
    assert_eq!(answer, b"HTTP/1.1 408");
    assert!(
        elapsed >= Duration::from_secs(30) && elapsed < Duration::from_secs(32),
        "{elapsed:?}"
    );
    lab.close().await;
}

#[tokio::test]
async fn a_websocket_that_says_nothing_is_closed() {
    let lab = Lab::open().await;
    let (mut stream, _served) = secured(&lab).await;
    let mut rest = Vec::new();
    let elapsed = by_the_clock(async {
        let upgrade = "GET /v1/data-channel/alice-00000000000000001 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).await.expect("written");
        // Without a farewell of TLS the end is an error; either way it is the end.
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.starts_with("HTTP/1.1 101"), "{rest}");
    assert!(
        rest.to_lowercase()
            .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{rest}"
    );
    assert!(
        elapsed >= Duration::from_secs(10) && elapsed < Duration::from_secs(12),
        "{elapsed:?}"
    );
    lab.close().await;
}

#[tokio::test]
async fn a_gigabyte_announced_closes_its_own_connection() {
    let lab = Lab::open().await;
    let (mut stream, _served) = secured(&lab).await;
    let upgrade = "GET /v1/data-channel/alice-00000000000000001 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    // A masked binary frame of 1 GiB.
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&(1_u64 << 30).to_be_bytes());
    frame.extend_from_slice(&[1, 2, 3, 4]);
    stream.write_all(&frame).await.expect("written");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server closes");
    // RFC 6455's code for a message that is too big.
    assert_eq!(rest.get(..4), Some(&[0x88, 2, 0x03, 0xf1][..]));
    lab.close().await;
}

/// Fails, and fails, and then has a connection.
struct OutOfDescriptors {
    failures: VecDeque<io::Error>,
}

impl Listen for OutOfDescriptors {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        if let Some(error) = self.failures.pop_front() {
            return Err(error);
        }
        Ok((tokio::io::duplex(64).0, SocketAddr::from(([127, 0, 0, 1], 1))))
    }
}

#[tokio::test(start_paused = true)]
async fn the_accept_loop_survives_running_out_of_descriptors_and_keeps_its_cap() {
    // EMFILE and ENFILE.
    let failures = [24, 23, 24].map(io::Error::from_raw_os_error).into();
    let stop = CancellationToken::new();
    let mut places = Vec::new();
    let accepting = accept_until_stopped(OutOfDescriptors { failures }, 3, &stop, |_, _, place| {
        places.push(place);
    });
    let cap_reached = tokio::time::timeout(Duration::from_secs(3600), accepting).await;
    assert!(cap_reached.is_err(), "goes on for as long as the server does");
    assert_eq!(places.len(), 3, "no more than the cap");
}
