//! What measures tunnels, whoever made them: a line that delays, a target to tunnel to, a client that
//! measures, and the least that two hops of TLS can cost. `benches/tunnel.py` puts the contenders in between.

mod delay;
mod flood;
mod listen;
mod measure;
mod request;
mod target;
mod tls_copy;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
#[command(name = "drawbridge-bench-tunnel")]
enum Tool {
    Delay(delay::Delay),
    Target(target::Target),
    #[command(subcommand)]
    Measure(measure::Measure),
    TlsCopy(tls_copy::TlsCopy),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Tool::parse() {
        Tool::Delay(delay) => delay.run().await,
        Tool::Target(target) => target.run().await,
        Tool::Measure(measure) => measure.run().await,
        Tool::TlsCopy(copy) => copy.run().await,
    }
}

#[cfg(test)]
mod tests;
