//! Connections to ports.

use drawbridge_protocol::payload::flag;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use drawbridge_session::document::Destination;

use crate::sessions::Status;
use crate::worker::socket::SocketEnd;
use crate::worker::target::Reach;

fn connection(host: &str, port: u16) -> (Client, Worker) {
    let far = SocketEnd::new(
        destination(host, port),
        Reach::default(),
        json!({"portNumber": port.to_string()}),
    );
    joined(far, OURS)
}

fn destination(host: &str, port: u16) -> Destination {
    Destination::Port {
        host: host.to_owned(),
        port,
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a connection").0
}

/// Says back what it hears, until it hears no more.
async fn echo(listener: TcpListener) {
    let mut stream = accepted(&listener).await;
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await.expect("copied");
}

#[tokio::test]
async fn carries_bytes_both_ways_and_their_end() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    for host in ["127.0.0.1", "localhost"] {
        let (listener, port) = listener().await;
        let echo = tokio::spawn(echo(listener));
        let (mut client, mut worker) = connection(host, port);
        worker
            .beside(async {
                client.end.send_input(Bytes::from(bytes.clone()));
                client.until(|client| client.output.len() >= bytes.len()).await;
                client.end.send_flag(flag::END_OF_INPUT);
            })
            .await;
        assert_eq!(worker.outcome(&mut client).await, Outcome::success());
        assert!(client.output == bytes);
        assert_eq!(
            client.established,
            Some((SessionType::Port, json!({"portNumber": port.to_string()})))
        );
        assert_eq!(client.ended_with(), None, "AWS's agent does not say so either");
        echo.await.expect("heard the end");
    }
}

#[tokio::test]
async fn everything_is_delivered_before_the_end() {
    const BYTES: usize = 10_000_000;
    let (listener, port) = listener().await;
    let target = tokio::spawn(async move {
        let mut stream = accepted(&listener).await;
        stream.write_all(&vec![b'x'; BYTES]).await.expect("written");
    });
    let (mut client, mut worker) = connection("127.0.0.1", port);
    worker
        .beside(async {
            client.until(|client| client.output.len() > 100_000).await;
            client.cut();
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(client.output.len(), BYTES);
    target.await.expect("done");
}

#[tokio::test]
async fn what_the_target_says_first_waits_for_the_client() {
    let (listener, port) = listener().await;
    let (mut client, mut worker) = connection("127.0.0.1", port);
    let mut stream = tokio::select! {
        stream = accepted(&listener) => stream,
        outcome = &mut worker.session => panic!("{outcome:?}"),
    };
    stream.write_all(b"SSH-2.0-x\r\n").await.expect("written");
    worker.beside(client.until_seen("SSH-2.0-x\r\n")).await;
}

#[tokio::test]
async fn says_that_a_connection_was_refused() {
    let (listener, port) = listener().await;
    drop(listener);
    let (mut client, mut worker) = connection("127.0.0.1", port);
    let outcome = worker.outcome(&mut client).await;
    assert_eq!(outcome.status, Status::Failed);
    let expected = format!("Unable to connect to specified port: 127.0.0.1:{port}: Connection refused");
    assert!(outcome.output.starts_with(&expected), "{}", outcome.output);
}

#[tokio::test]
async fn leads_nobody_to_the_secrets_of_the_machine() {
    for host in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
        let (mut client, mut worker) = connection(host, 80);
        let outcome = worker.outcome(&mut client).await;
        assert_eq!(
            outcome,
            Outcome::failed(format!("Forwarding to IP address {host} is forbidden."))
        );
    }
}

#[tokio::test]
async fn a_target_that_does_not_read_holds_the_client_back() {
    let (listener, port) = listener().await;
    let (mut client, mut worker) = connection("127.0.0.1", port);
    let mut stream = tokio::select! {
        stream = accepted(&listener) => stream,
        outcome = &mut worker.session => panic!("{outcome:?}"),
    };
    let sent = vec![5; 32 << 20];
    worker
        .beside(async {
            client.end.send_input(Bytes::from(sent.clone()));
            client.end.send_flag(flag::END_OF_INPUT);
            client.until_refused().await;
            let mut heard = Vec::new();
            tokio::select! {
                read = stream.read_to_end(&mut heard) => drop(read.expect("readable")),
                () = client.until(|_| false) => unreachable!("never done"),
            }
            assert!(heard == sent);
        })
        .await;
    drop(stream);
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn the_client_may_leave() {
    let (listener, port) = listener().await;
    let (mut client, mut worker) = connection("127.0.0.1", port);
    let mut stream = tokio::select! {
        stream = accepted(&listener) => stream,
        outcome = &mut worker.session => panic!("{outcome:?}"),
    };
    worker
        .beside(client.until(|client| client.established.is_some()))
        .await;
    client.end.send_flag(flag::TERMINATE_SESSION);
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(stream.read(&mut [0; 1]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_fails_the_session() {
    let (listener, port) = listener().await;
    let (mut client, mut worker) = connection("127.0.0.1", port);
    let stream = tokio::select! {
        stream = accepted(&listener) => stream,
        outcome = &mut worker.session => panic!("{outcome:?}"),
    };
    worker
        .beside(async {
            client.until(|client| client.established.is_some()).await;
            client.type_in("unread");
            let mut first = [0; 1];
            tokio::select! {
                heard = stream.peek(&mut first) => assert_eq!(heard.expect("it comes"), 1),
                () = client.until(|_| false) => unreachable!("never done"),
            }
            // Closed with something unread: the other side is told so.
            drop(stream);
        })
        .await;
    let outcome = worker.outcome(&mut client).await;
    assert_eq!(outcome.status, Status::Failed);
    assert!(
        outcome
            .output
            .starts_with("Connection to specified port was lost: "),
        "{}",
        outcome.output
    );
}
