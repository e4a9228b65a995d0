//! Bytes in bulk: sending as many as asked for, and counting what comes.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

/// How much one side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// This many bytes.
    Bytes(u64),
    /// What goes out within this many milliseconds.
    Millis(u64),
}

/// Sends `amount`; answers the number of bytes.
///
/// # Errors
/// What `to` fails with.
pub(crate) async fn pour(to: &mut (impl AsyncWrite + Unpin), amount: Amount) -> std::io::Result<u64> {
    let begin = Instant::now();
    let mut sent = 0;
    loop {
        let wanted = match amount {
            Amount::Bytes(total) => total - sent,
            Amount::Millis(millis) if begin.elapsed() < Duration::from_millis(millis) => u64::MAX,
            Amount::Millis(_) => 0,
        };
        if wanted == 0 {
            return Ok(sent);
        }
        let piece = usize::try_from(wanted).map_or(BLOCK_BYTES, |wanted| wanted.min(BLOCK_BYTES));
        to.write_all(&BLOCK[..piece]).await?;
        sent += piece as u64;
    }
}

/// Reads to the end; answers the number of bytes.
///
/// # Errors
/// What `from` fails with.
pub(crate) async fn drain(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<u64> {
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut received = 0;
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(received),
            count => received += count as u64,
        }
    }
}

/// One read or write: large enough that the measuring side is cheap, small enough to stay in its cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// Bytes that no compression makes smaller: the upper ones of a linear congruential generator (Knuth's MMIX).
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(BLOCK_BYTES).collect()
});
