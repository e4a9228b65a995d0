//! New connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::flood::drain;
use crate::listen::dial;
use crate::request::Request;

#[derive(clap::Args)]
pub(crate) struct Connections {
    /// The target, or what leads to it
    #[arg(long)]
    to: SocketAddr,
    /// How many are made at the same time
    #[arg(long, default_value_t = 1)]
    parallel: u16,
    /// For how long
    #[arg(long)]
    millis: u64,
}

impl Connections {
    pub(super) async fn run(self) -> Result<Value> {
        let begin = Instant::now();
        let end = begin + Duration::from_millis(self.millis);
        let mut running = JoinSet::new();
        for _ in 0..self.parallel {
            running.spawn(connect_until(end, self.to));
        }
        let mut connections = 0_u64;
        while let Some(made) = running.join_next().await {
            connections += made??;
        }
        Ok(json!({ "connections": connections, "seconds": begin.elapsed().as_secs_f64() }))
    }
}

/// Connects, sees one byte come back and the connection end, at least once; answers how often.
async fn connect_until(end: Instant, to: SocketAddr) -> Result<u64> {
    let mut made = 0;
    loop {
        let mut connection = dial(to).await?;
        Request::Close.open(&mut connection).await?;
        ensure!(
            drain(&mut connection).await? == 0,
            "the target sent more than its answer"
        );
        made += 1;
        if Instant::now() >= end {
            return Ok(made);
        }
    }
}
