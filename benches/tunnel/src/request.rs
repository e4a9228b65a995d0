//! What a connection asks of the target: one byte, which the target answers with the same byte.
//!
//! ```text
//! measure                 target
//!    ── kind ──────────────▶
//!    ◀───────────── kind ──     the connection is open all the way
//!    ── amount ────────────▶    (sources only: 8 bytes, big endian)
//!    ◀──────── bytes, end ──    source of so many bytes, or for so many milliseconds
//!    ── bytes, end ────────▶    sink
//!    ◀──── count, end ──────    (8 bytes, big endian)
//!    ◀─── same bytes, end ──    echo
//!    ◀─────────────── end ──    close
//! ```

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::flood::Amount;

/// What the target is to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Send so much, then end.
    Source(Amount),
    /// Count bytes until their end, then tell how many there were.
    Sink,
    /// Send everything back.
    Echo,
    /// End at once.
    Close,
}

impl Request {
    /// Tells the target what the connection is for, and waits until it has understood.
    pub(crate) async fn open(self, stream: &mut TcpStream) -> Result<()> {
        let kind = self.kind();
        stream.write_all(&[kind]).await?;
        let answer = stream.read_u8().await?;
        ensure!(answer == kind, "the target answered {answer} to {kind}");
        Ok(())
    }

    /// Starts a source that is open; nothing else waits for this.
    pub(crate) async fn start(self, stream: &mut TcpStream) -> Result<()> {
        if let Self::Source(Amount::Bytes(amount) | Amount::Millis(amount)) = self {
            stream.write_u64(amount).await?;
        }
        Ok(())
    }

    /// Reads what is asked for, and answers; nothing if the peer ended before it asked.
    pub(crate) async fn accept(stream: &mut TcpStream) -> Result<Option<Self>> {
        let mut kind = [0];
        if stream.read(&mut kind).await? == 0 {
            return Ok(None);
        }
        stream.write_all(&kind).await?;
        let [kind] = kind;
        Ok(Some(match kind {
            SOURCE_BYTES => Self::Source(Amount::Bytes(stream.read_u64().await?)),
            SOURCE_MILLIS => Self::Source(Amount::Millis(stream.read_u64().await?)),
            SINK => Self::Sink,
            ECHO => Self::Echo,
            CLOSE => Self::Close,
            unknown => bail!("{unknown} is no request"),
        }))
    }

    fn kind(self) -> u8 {
        match self {
            Self::Source(Amount::Bytes(_)) => SOURCE_BYTES,
            Self::Source(Amount::Millis(_)) => SOURCE_MILLIS,
            Self::Sink => SINK,
            Self::Echo => ECHO,
            Self::Close => CLOSE,
        }
    }
}

const SOURCE_BYTES: u8 = b'b';
const SOURCE_MILLIS: u8 = b't';
const SINK: u8 = b's';
const ECHO: u8 = b'e';
const CLOSE: u8 = b'c';
