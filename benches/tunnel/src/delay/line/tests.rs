use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

const DELAY: Duration = Duration::from_millis(50);

/// A direction between two pipes, under a clock that only moves when everybody waits.
fn line(bound: usize) -> (DuplexStream, DuplexStream, JoinHandle<io::Result<()>>) {
    let (near, mut from) = duplex(PIPE);
    let (mut to, far) = duplex(PIPE);
    let carried = tokio::spawn(async move { carry(&mut from, &mut to, DELAY, bound).await });
    (near, far, carried)
}

#[tokio::test(start_paused = true)]
async fn every_byte_takes_half_a_round_trip_and_the_next_one_does_not_wait() {
    let (mut near, mut far, _carried) = line(PIPE);
    let begin = Instant::now();
    near.write_all(b"a").await.unwrap();
    tokio::time::sleep(DELAY / 2).await;
    near.write_all(b"b").await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'a');
    assert_eq!(begin.elapsed(), DELAY);
    assert_eq!(far.read_u8().await.unwrap(), b'b');
    assert_eq!(begin.elapsed(), DELAY + DELAY / 2);
}

#[tokio::test(start_paused = true)]
async fn many_bytes_arrive_unchanged_and_in_order_and_then_the_end() {
    let (mut near, mut far, carried) = line(256 * PIPE);
    let sent: Vec<u8> = (0_u32..700_000).flat_map(u32::to_le_bytes).collect();
    let expected = sent.clone();
    tokio::spawn(async move {
        // Pieces of every length up to a size that no buffer is a multiple of.
        let mut rest = sent.as_slice();
        for length in (1..=997).cycle() {
            let (piece, later) = rest.split_at(length.min(rest.len()));
            near.write_all(piece).await.unwrap();
            rest = later;
            if rest.is_empty() {
                return near.shutdown().await.unwrap();
            }
        }
    });
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert!(
        received == expected,
        "{} bytes came, not those that were sent",
        received.len()
    );
    carried.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_is_delayed_like_the_bytes_before_it() {
    let (mut near, mut far, _carried) = line(PIPE);
    let begin = Instant::now();
    near.write_all(b"last").await.unwrap();
    tokio::time::sleep(DELAY / 2).await;
    near.shutdown().await.unwrap();
    let mut received = [0; 4];
    far.read_exact(&mut received).await.unwrap();
    assert_eq!((&received, begin.elapsed()), (b"last", DELAY));
    assert_eq!(far.read(&mut received).await.unwrap(), 0);
    assert_eq!(begin.elapsed(), DELAY + DELAY / 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_line_reads_nothing_until_something_arrives() {
    let (mut near, mut far, _carried) = line(3 * PIPE);
    // The line, and the pipe on this side of it.
    let fits = vec![1; 4 * PIPE];
    let begin = Instant::now();
    near.write_all(&fits).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    near.write_all(&[2]).await.unwrap();
    assert_eq!(begin.elapsed(), DELAY, "the line held more than its bound");
    let mut received = vec![0; fits.len() + 1];
    far.read_exact(&mut received).await.unwrap();
    assert!(received.starts_with(&fits) && received.ends_with(&[2]));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_loses_the_line() {
    let (mut near, far, carried) = line(PIPE);
    drop(far);
    near.write_all(b"a").await.unwrap();
    let error = carried.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// What a pipe between the tests and the line holds.
const PIPE: usize = 4096;
