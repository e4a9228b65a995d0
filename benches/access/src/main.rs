//! What decisions cost, and how many calls a server answers.
//!
//! `drawbridge-bench-access decisions` needs nothing. `drawbridge-bench-access calls`, in the environment that
//! `drawbridge dev` gives, makes signed calls over connections that stay open: reads, writes, and, as the peer in the
//! same run, calls that the server refuses before it decides anything. It also syncs a file as fast as this disk can,
//! which is what bounds audited calls.

mod calls;
mod decisions;
mod disk;

use anyhow::{Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("decisions") => {
            decisions::run();
            Ok(())
        }
        Some("calls") => calls::run().await,
        _ => bail!("usage: drawbridge-bench-access decisions|calls"),
    }
}
