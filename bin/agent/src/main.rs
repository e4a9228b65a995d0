//! `drawbridge-agent`: the program on a managed node.
//!
//! Thin: arguments, environment, logging, signals and exit codes. See `docs/reference/exit-codes.md`.
//!
//! | variable | what it does |
//! |---|---|
//! | `DRAWBRIDGE_ACTIVATION_CODE` | the activation code for `register`, where an argument would show in process lists |
//! | `DRAWBRIDGE_RUN_AS` | the account of shells whose session document names none |
//! | `DRAWBRIDGE_LOG` | what to log, such as `debug` or `drawbridge_agent=trace`; `info` without it |
//! | `HTTPS_PROXY`, `NO_PROXY`, `AWS_CA_BUNDLE`, `SSL_CERT_FILE` | as everywhere |

mod authorities;
mod cli;
mod copy_end;
mod enrol;
mod exit;
mod register;
mod run;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser as _;
use drawbridge_agent::sessions::WorkerSpec;
use drawbridge_agent::worker;
use drawbridge_aws_client::Environment;
use drawbridge_session::{SystemClock, SystemRandom};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

fn execute(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Register(arguments) => runtime()?.block_on(register::register(arguments)),
        Command::Enrol(arguments) => runtime()?.block_on(enrol::enrol(arguments)),
        Command::Run(arguments) => {
            log();
            runtime()?.block_on(run::run(arguments))
        }
        Command::Worker => {
            log();
            work()
        }
        Command::CopyEnd(end) => copy_end::copy_end(end),
    }
}

fn work() -> Result<()> {
    let spec = WorkerSpec::read(io::stdin().lock())
        .context("cannot read what to run; this command is not for people")?;
    let environment = Environment::of_process();
    let session = worker::work(
        spec,
        &environment,
        Arc::new(SystemClock::new()),
        Arc::new(SystemRandom),
    );
    runtime()?
        .block_on(session)
        .context("cannot note how the session ended")
}

/// One thread for everything: an idle agent must be as good as not there.
fn runtime() -> Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    // Names are resolved and keys are made in a second thread, which need not stay.
    builder
        .enable_all()
        .max_blocking_threads(2)
        .thread_keep_alive(std::time::Duration::from_secs(1));
    builder.build().context("cannot start the runtime")
}

/// Logs to standard error, without the time where the journal adds its own.
fn log() {
    let wanted = std::env::var("DRAWBRIDGE_LOG").ok();
    let filter = wanted.as_deref().and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(layer.without_time()).init();
    } else {
        registry.with(layer).init();
    }
}
