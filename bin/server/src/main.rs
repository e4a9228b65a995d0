//! `drawbridge`: the server, the laptop mode, and the people's command line.
//!
//! Thin: arguments, configuration, logging, signals and exit codes. See `docs/reference/exit-codes.md`.

mod accounts;
mod api;
mod audit;
mod backup;
mod bundle;
mod cli;
mod clock;
mod config;
mod dev;
mod environment;
mod exit;
mod man;
mod node;
mod nodes;
mod people;
mod recordings;
mod root_key;
mod serve;
mod signals;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use crate::cli::{
    Arguments, Audit as AuditCommand, Command, Config as ConfigCommand, Policy,
    Recordings as RecordingsCommand,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Dev(dev) => {
            log_to_standard_error("info");
            threaded()?.block_on(dev::run(dev))?;
        }
        Command::Serve(serve) => {
            log_to_standard_error("info");
            threaded()?.block_on(serve::run(serve))?;
        }
        Command::Config(ConfigCommand::Check { file }) => {
            config::Config::load(&file)?;
            println!("`{}` is right", file.display());
        }
        Command::Connect(connect) => {
            log_to_standard_error("off");
            return single()?.block_on(people::connect(connect));
        }
        Command::Exec(exec) => {
            let runtime = single()?;
            if let Some(code) = runtime.block_on(people::shared_exec(&exec)) {
                return Ok(code);
            }
            log_to_standard_error("off");
            return Ok(runtime.block_on(people::exec(exec)));
        }
        Command::Cp(cp) => {
            log_to_standard_error("off");
            return Ok(single()?.block_on(people::cp(cp)));
        }
        Command::Forward(forward) => {
            log_to_standard_error("off");
            return single()?.block_on(people::forward(forward));
        }
        Command::Replay(replay) => {
            log_to_standard_error("off");
            return single()?.block_on(people::replay(replay));
        }
        Command::Recordings(RecordingsCommand::Verify { session, data_dir }) => {
            single()?.block_on(recordings::verify(&data_dir, session))?;
        }
        Command::Sessions(sessions) => {
            log_to_standard_error("off");
            return single()?.block_on(people::sessions(sessions));
        }
        Command::Nodes(nodes) => {
            log_to_standard_error("off");
            return single()?.block_on(nodes::run(nodes));
        }
        Command::Accounts(accounts) => {
            log_to_standard_error("off");
            return single()?.block_on(accounts::run(accounts));
        }
        Command::Backup(arguments) => {
            log_to_standard_error("warn");
            single()?.block_on(backup::backup(arguments))?;
        }
        Command::Restore(arguments) => {
            log_to_standard_error("warn");
            single()?.block_on(backup::restore(arguments))?;
        }
        Command::Audit(AuditCommand::Verify { data_dir, checkpoint }) => {
            single()?.block_on(audit::verify(&data_dir, checkpoint.as_ref()))?;
        }
        Command::Explain(explain) => {
            log_to_standard_error("off");
            return single()?.block_on(people::explain(explain));
        }
        Command::Floor(floor) => {
            log_to_standard_error("off");
            return single()?.block_on(people::floor(floor));
        }
        Command::Policy(Policy::Lint(lint)) => {
            log_to_standard_error("off");
            return single()?.block_on(people::lint(lint));
        }
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "drawbridge",
                &mut std::io::stdout(),
            );
        }
        Command::Man { to: Some(folder), .. } => man::write_all(Arguments::command(), &folder)?,
        Command::Man { command, to: None } => {
            man::print(Arguments::command(), &command, &mut std::io::stdout())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn threaded() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn single() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Logs to standard error; `DRAWBRIDGE_LOG` chooses what, in the syntax of `tracing`'s filters.
fn log_to_standard_error(default: &str) {
    let filter = EnvFilter::try_from_env("DRAWBRIDGE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // The S3 dialect calls every request that is refused an error.
    let filter = match "s3s=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
