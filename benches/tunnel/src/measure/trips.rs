//! Requests and answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::listen::dial;
use crate::request::Request;

#[derive(clap::Args)]
pub(crate) struct Trips {
    /// The target, or what leads to it
    #[arg(long)]
    to: SocketAddr,
    /// Round trips of each connection, one after the other
    #[arg(long)]
    count: u32,
    /// Bytes of a request, and of its answer
    #[arg(long, default_value_t = 1)]
    size: u16,
    /// How many connections do this at the same time
    #[arg(long, default_value_t = 1)]
    connections: u16,
}

impl Trips {
    pub(super) async fn run(self) -> Result<Value> {
        let mut running = JoinSet::new();
        for _ in 0..self.connections {
            running.spawn(trips(self.to, self.count, self.size));
        }
        let mut took = Vec::new();
        while let Some(trips) = running.join_next().await {
            took.extend(trips??);
        }
        took.sort_unstable();
        Ok(json!({
            "trips": took.len(),
            "p50_ms": milliseconds(quantile(&took, 50)),
            "p99_ms": milliseconds(quantile(&took, 99)),
        }))
    }
}

async fn trips(to: SocketAddr, count: u32, size: u16) -> Result<Vec<Duration>> {
    let mut connection = dial(to).await?;
    Request::Echo.open(&mut connection).await?;
    let request = vec![7; size.into()];
    let mut answer = request.clone();
    let mut took = Vec::new();
    for _ in 0..count {
        let begin = Instant::now();
        connection.write_all(&request).await?;
        connection.read_exact(&mut answer).await?;
        took.push(begin.elapsed());
    }
    Ok(took)
}

/// The smallest of `sorted` that at least `percent` of them do not exceed.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_samples() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&hundred, 50), Duration::from_millis(50));
        assert_eq!(quantile(&hundred, 99), Duration::from_millis(99));
        assert_eq!(quantile(&hundred[..3], 99), Duration::from_millis(3));
        assert_eq!(quantile(&[], 50), Duration::ZERO);
    }
}
