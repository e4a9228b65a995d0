//! The project's chores, each one command: `cargo xtask check | test | bench | demo | models`.

mod apt;
mod arrows;
mod banned;
mod bench;
mod check;
mod demo;
mod models;
mod run;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, checks, measures and demonstrates Drawbridge.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the three programs and run `drawbridge dev` with the arguments that follow
    Demo {
        /// Passed on to `drawbridge dev`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what the suite needs, then check and test everything
    Test {
        /// Leave out the end-to-end tests (no virtual environment, no system packages)
        #[arg(long)]
        quick: bool,
    },
    /// Formatting, lints, documentation, dependency arrows and licences
    Check,
    /// Measure against OpenSSH in the same run and print ratios, then what decisions and calls cost
    Bench {
        /// Passed on to the measurement (`--quick`)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Regenerate the trimmed service models from an installed botocore
    Models {
        /// The `botocore/data` folder to read
        botocore_data: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    let root = run::project_root()?;
    match chore {
        Chore::Demo { arguments } => demo::run(&root, &arguments),
        Chore::Test { quick } => test::run(&root, quick),
        Chore::Check => check::run(&root),
        Chore::Bench { arguments } => bench::run(&root, &arguments),
        Chore::Models { botocore_data } => models::run(&botocore_data, &root.join("aws/dialects/models")),
    }
}
