//! The measuring client: prints one JSON object per measurement.

mod bulk;
mod connections;
mod trips;

use anyhow::Result;
use serde_json::Value;

/// Measure what goes through to a target, and print it as JSON.
#[derive(clap::Subcommand)]
pub(crate) enum Measure {
    /// Bytes in one direction over parallel connections
    Bulk(bulk::Bulk),
    /// Requests and their answers, one after the other on each connection
    Trips(trips::Trips),
    /// New connections: connect, one byte there and back, close
    Connections(connections::Connections),
}

impl Measure {
    pub(crate) async fn run(self) -> Result<()> {
        println!("{}", self.measured().await?);
        Ok(())
    }

    pub(crate) async fn measured(self) -> Result<Value> {
        match self {
            Self::Bulk(bulk) => bulk.run().await,
            Self::Trips(trips) => trips.run().await,
            Self::Connections(connections) => connections.run().await,
        }
    }
}
