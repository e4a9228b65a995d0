//! Many random sessions, and those that once went wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use drawbridge_simulation::run;

/// Runs seeds; fails with a line for each that went wrong.
fn run_all(seeds: impl Iterator<Item = u64>) {
    let mut failures = Vec::new();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => failures.push(failure.to_string()),
            // The message was printed where it happened.
            Err(_) => failures.push(format!("seed {seed}: panicked")),
        }
        if failures.len() >= MOST_FAILURES {
            break;
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// `DRAWBRIDGE_SIMULATION_SEEDS=from..to` runs other seeds than the 10 000 of every build.
#[test]
fn every_byte_arrives_once_in_order_and_every_session_ends() {
    let seeds = std::env::var("DRAWBRIDGE_SIMULATION_SEEDS").unwrap_or_else(|_| "0..10000".to_owned());
    let (from, to) = seeds.split_once("..").expect("two numbers");
    run_all(from.parse().expect("a number")..to.parse().expect("a number"));
}

/// Failures after which the rest is not worth the wait.
const MOST_FAILURES: usize = 20;
