//! A line that is long and nothing else: every byte arrives half a round trip after it was read, in order, at
//! any rate.
//!
//! It stands in for a network where the kernel offers no way to delay packets. It ends TCP on either side, so
//! it has no loss, no congestion and no window of its own: what a contender does not get over it, the
//! contender's own flow control holds back.

mod line;
mod ring;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::listen::{dial, listen, serve};

/// Forward connections over a line with a delay.
#[derive(clap::Args)]
pub(crate) struct Delay {
    /// How long a byte takes to the other end and its answer back
    #[arg(long)]
    round_trip_ms: u32,
    /// Where to listen; the port that was found is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where connections go
    #[arg(long)]
    to: SocketAddr,
}

impl Delay {
    pub(crate) async fn run(self) -> Result<()> {
        let round_trip = Duration::from_millis(self.round_trip_ms.into());
        let listener = listen(self.listen).await?;
        serve(listener, move |stream| connect(stream, self.to, round_trip)).await
    }
}

pub(crate) async fn connect(mut near: TcpStream, to: SocketAddr, round_trip: Duration) -> Result<()> {
    // The handshake of TCP, which the kernel has already made here: nobody can send before it has gone there
    // and back.
    sleep(round_trip).await;
    let mut far = dial(to).await?;
    let (mut near_reader, mut near_writer) = near.split();
    let (mut far_reader, mut far_writer) = far.split();
    let one_way = round_trip / 2;
    tokio::try_join!(
        line::carry(&mut near_reader, &mut far_writer, one_way, IN_FLIGHT_BYTES),
        line::carry(&mut far_reader, &mut near_writer, one_way, IN_FLIGHT_BYTES),
    )?;
    Ok(())
}

/// What each direction of a connection holds at most: 1.25 GiB/s over 200 ms, and more over less.
const IN_FLIGHT_BYTES: usize = 256 * 1024 * 1024;
