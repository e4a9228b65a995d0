//! Bytes in bulk.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::flood::{Amount, drain, pour};
use crate::listen::dial;
use crate::request::Request;

#[derive(clap::Args)]
pub(crate) struct Bulk {
    /// The target, or what leads to it
    #[arg(long)]
    to: SocketAddr,
    /// Up to the target or down from it
    #[arg(long)]
    direction: Direction,
    /// How many connections send at the same time
    #[arg(long, default_value_t = 1)]
    streams: u16,
    #[command(flatten)]
    amount: HowMuch,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Direction {
    Up,
    Down,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct HowMuch {
    /// Bytes that each connection carries
    #[arg(long)]
    bytes: Option<u64>,
    /// How long the sending side sends; all that it sent is then received and counted
    #[arg(long)]
    millis: Option<u64>,
}

impl Bulk {
    /// Counts what was received, from the moment when all connections are open until the last end is known.
    pub(super) async fn run(self) -> Result<Value> {
        let amount = match (self.amount.bytes, self.amount.millis) {
            (Some(bytes), _) => Amount::Bytes(bytes),
            (None, millis) => Amount::Millis(millis.context("neither bytes nor milliseconds")?),
        };
        let mut connections = Vec::new();
        for _ in 0..self.streams {
            let mut connection = dial(self.to).await?;
            self.direction.request(amount).open(&mut connection).await?;
            connections.push(connection);
        }
        let begin = Instant::now();
        let mut running = JoinSet::new();
        for connection in connections {
            running.spawn(carry(connection, self.direction, amount));
        }
        let mut bytes = 0;
        while let Some(carried) = running.join_next().await {
            bytes += carried??;
        }
        Ok(json!({ "bytes": bytes, "seconds": begin.elapsed().as_secs_f64() }))
    }
}

impl Direction {
    fn request(self, amount: Amount) -> Request {
        match self {
            Self::Up => Request::Sink,
            Self::Down => Request::Source(amount),
        }
    }
}

async fn carry(mut connection: TcpStream, direction: Direction, amount: Amount) -> Result<u64> {
    match direction {
        Direction::Up => {
            let sent = pour(&mut connection, amount).await?;
            connection.shutdown().await?;
            let received = connection
                .read_u64()
                .await
                .context("the target did not tell what it received")?;
            ensure!(
                received == sent,
                "{sent} bytes were sent, and {received} received"
            );
            Ok(received)
        }
        Direction::Down => {
            direction.request(amount).start(&mut connection).await?;
            let received = drain(&mut connection).await?;
            if let Amount::Bytes(wanted) = amount {
                ensure!(
                    received == wanted,
                    "{wanted} bytes were asked for, and {received} came"
                );
            }
            Ok(received)
        }
    }
}
