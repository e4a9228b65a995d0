//! The tools in a row, over loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::listen::serve;
use crate::tls_copy::Hop;
use crate::{Tool, delay, target};

#[tokio::test]
async fn bulk_is_counted_in_both_directions_through_a_line() {
    let line = line(Duration::from_millis(2), target().await).await;
    for direction in ["up", "down"] {
        let wanted = [
            "bulk",
            "--direction",
            direction,
            "--streams",
            "3",
            "--bytes",
            "1000001",
        ];
        let measured = measure(line, &wanted).await;
        assert_eq!(measured["bytes"], 3_000_003, "{direction}");
        assert!(
            seconds(&measured) >= 0.002,
            "{direction}: {measured} is less than a round trip"
        );
    }
}

#[tokio::test]
async fn bulk_for_a_time_counts_all_that_was_sent() {
    let target = target().await;
    for direction in ["up", "down"] {
        let measured = measure(target, &["bulk", "--direction", direction, "--millis", "20"]).await;
        assert!(measured["bytes"].as_u64().unwrap() > 0, "{direction}");
        assert!(seconds(&measured) >= 0.020, "{direction}: {measured}");
    }
}

#[tokio::test]
async fn a_trip_over_a_line_takes_its_round_trip() {
    let line = line(Duration::from_millis(40), target().await).await;
    let measured = measure(
        line,
        &["trips", "--count", "2", "--size", "1024", "--connections", "2"],
    )
    .await;
    assert_eq!(measured["trips"], 4);
    let (p50, p99) = (
        measured["p50_ms"].as_f64().unwrap(),
        measured["p99_ms"].as_f64().unwrap(),
    );
    assert!(40.0 <= p50 && p50 <= p99, "{measured}");
}

#[tokio::test]
async fn a_connection_over_a_line_is_set_up_before_its_first_byte_travels() {
    let line = line(Duration::from_millis(40), target().await).await;
    let measured = measure(line, &["connections", "--parallel", "2", "--millis", "1"]).await;
    assert_eq!(measured["connections"], 2);
    assert!(
        seconds(&measured) >= 0.080,
        "{measured} is less than two round trips"
    );
}

#[tokio::test]
async fn two_hops_of_tls_carry_everything() {
    let folder = tempfile::tempdir().unwrap();
    let [middle, far] = ["middle", "far"].map(|name| folder.path().join(name));
    let to = hop(Some(&far), None, target().await).await;
    let to = hop(Some(&middle), Some(&far), to).await;
    let to = hop(None, Some(&middle), to).await;
    for direction in ["up", "down"] {
        let measured = measure(to, &["bulk", "--direction", direction, "--bytes", "1000001"]).await;
        assert_eq!(measured["bytes"], 1_000_001, "{direction}");
    }
}

#[tokio::test]
async fn a_hop_accepts_no_other_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let [right, wrong] = ["right", "wrong"].map(|name| folder.path().join(name));
    let to = hop(Some(&right), None, target().await).await;
    Hop::new(LOOPBACK.ip(), Some(&wrong), None).unwrap();
    let hop = Hop::new(LOOPBACK.ip(), None, Some(&wrong)).unwrap();
    let (_near, stream) = pair().await;
    let error = hop.copy(stream, to).await.unwrap_err();
    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
}

async fn measure(to: SocketAddr, arguments: &[&str]) -> Value {
    let to = to.to_string();
    let line = ["tunnel", "measure"]
        .iter()
        .chain(arguments)
        .copied()
        .chain(["--to", &to]);
    match Tool::parse_from(line) {
        Tool::Measure(measure) => measure.measured().await.unwrap(),
        _ => panic!("{arguments:?} is no measurement"),
    }
}

fn seconds(measured: &Value) -> f64 {
    measured["seconds"].as_f64().unwrap()
}

async fn target() -> SocketAddr {
    serving(target::answer).await
}

async fn line(round_trip: Duration, to: SocketAddr) -> SocketAddr {
    serving(move |stream| delay::connect(stream, to, round_trip)).await
}

async fn hop(certificate: Option<&Path>, trust: Option<&Path>, to: SocketAddr) -> SocketAddr {
    let hop = Hop::new(LOOPBACK.ip(), certificate, trust).unwrap();
    serving(move |stream| hop.clone().copy(stream, to)).await
}

async fn serving<F>(serve_one: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, serve_one));
    address
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
