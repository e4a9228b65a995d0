//! Drives a running `drawbridge dev` with `aws-ssm-bridge`, a client of the same protocol that others wrote.
//!
//! Reads the environment that `. DIR/env` gives, runs the scenarios named on the command line (all of them without a
//! name), prints one line for each and fails when one does.

mod cuttable;
mod scenarios;
mod server;
mod shell;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::{Instant, timeout};

use crate::scenarios::{SCENARIOS, Scenario};
use crate::server::Server;

/// How long any single scenario may take.
const PATIENCE: Duration = Duration::from_secs(120);

// One thread on purpose: `aws-ssm-bridge` subscribes to a resumed channel's output after it has begun to read it, and
// only a single-threaded scheduler runs the two in an order that loses nothing (README.md, "Expected differences").
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drawbridge-interop: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the chosen scenarios; answers how many failed.
async fn run() -> Result<usize> {
    let chosen = chosen(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let server = Server::from_environment().await?;
    let mut failures = 0;
    for scenario in &chosen {
        let began = Instant::now();
        let outcome = match timeout(PATIENCE, (scenario.run)(&server)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow!("still running after {} s", PATIENCE.as_secs())),
        };
        let seconds = began.elapsed().as_secs_f64();
        let (word, seen) = match (outcome, scenario.differs) {
            (Ok(seen), None) => ("ok", seen),
            (Err(_), Some(why)) => ("differs", why.to_owned()),
            (Ok(_), Some(_)) => (
                "FAIL",
                "passes: take it off the list of expected differences".to_owned(),
            ),
            (Err(error), None) => ("FAIL", format!("{error:#}")),
        };
        failures += usize::from(word == "FAIL");
        println!("{word:<8} {:<20} {seen} ({seconds:.1} s)", scenario.name);
    }
    println!("{} scenarios, {failures} failed", chosen.len());
    Ok(failures)
}

/// The scenarios of these names, in the order of the list; all of them where no name is given.
fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    for name in names {
        if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
            let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("no scenario `{name}`\nhint: one of {}", known.join(", "));
        }
    }
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}
